# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What makes a Debian package out of a staged tree. Sourced, never run.

set -eu
shopt -s inherit_errexit

packaging=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$packaging")

# The version stands in the Makefile alone.
version=$(sed -n 's/^VERSION[ \t]*:= *//p' "$top/Makefile")

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# fill FILE: the file with @NAME@ replaced by the value of each NAME=VALUE.
fill() {
	local file=$1 text pair
	shift
	text=$(cat "$file")
	for pair; do
		text=${text//"@${pair%%=*}@"/"${pair#*=}"}
	done
	printf '%s\n' "$text"
}

# module_source DIR: what nvwa.ko is built from, as nvwa-dkms has it: kmod/ with uapi/ inside,
# and nothing that a build in kmod/ has left. Times stay, so that only what is older is built again.
module_source() {
	mkdir -p "$1"
	find "$1" -name '*.[chS]' -delete
	tar -c --exclude-from="$top/.gitignore" -C "$top/kmod" . -C "$top" uapi | tar -x -C "$1"
}

# installed_size STAGE: in kB, as deb-substvars(5) has it, whatever the file system.
installed_size() {
	find "$1" -path "$1/DEBIAN" -prune -o -printf '%y %s\n' |
		awk '{ kb += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print kb }'
}

# source_date PATH...: when what is in these paths of the checkout was changed last, in
# seconds: the date of everything in a package, so that the same source makes the same one.
source_date() {
	[ -z "${SOURCE_DATE_EPOCH:-}" ] || { echo "$SOURCE_DATE_EPOCH"; return; }
	git -C "$top" log -1 --format=%at -- "$@" 2>/dev/null | grep . ||
		(cd "$top" && find "$@" -type f -printf '%T@\n' | sort -n | tail -n 1 | cut -d. -f1)
}

# make_deb KIND STAGE OUT DATE [NAME=VALUE...]: pack the tree STAGE with the control
# files packaging/debian/KIND.*, all of it as of DATE.
make_deb() {
	local kind=$1 stage=$2 out=$3 date=$4 script name
	shift 4
	set -- "VERSION=$version" "$@"
	mkdir -p "$stage/DEBIAN"
	name=$(fill "$packaging/debian/$kind.control" "$@" | sed -n 's/^Package: //p')
	install -D -m 644 "$packaging/debian/copyright" "$stage/usr/share/doc/$name/copyright"
	(
		cd "$stage"
		find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z |
			xargs -0 md5sum >DEBIAN/md5sums
		if [ -d etc ]; then
			find etc -type f -printf '/%p\n' | LC_ALL=C sort >DEBIAN/conffiles
		fi
	)
	{
		fill "$packaging/debian/$kind.control" "$@" | sed '/^Description:/,$d'
		printf 'Installed-Size: %s\n' "$(installed_size "$stage")"
		fill "$packaging/debian/$kind.control" "$@" | sed -n '/^Description:/,$p'
	} >"$stage/DEBIAN/control"
	for script in preinst postinst prerm postrm; do
		[ -f "$packaging/debian/$kind.$script" ] || continue
		fill "$packaging/debian/$kind.$script" "$@" >"$stage/DEBIAN/$script"
		chmod 755 "$stage/DEBIAN/$script"
	done
	chmod -R go=rX "$stage"
	find "$stage" -exec touch -h -d "@$date" {} +
	mkdir -p "$out"
	SOURCE_DATE_EPOCH=$date dpkg-deb --root-owner-group -Zxz -b "$stage" "$out" >&2
}
