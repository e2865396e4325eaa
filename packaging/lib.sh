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

# make_deb KIND STAGE OUT [NAME=VALUE...]: pack the tree STAGE with the control
# files packaging/debian/KIND.*. Prints the package's file name.
make_deb() {
	local kind=$1 stage=$2 out=$3 script name
	shift 3
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
		printf 'Installed-Size: %s\n' "$(du -k -s --exclude=DEBIAN "$stage" | cut -f1)"
		fill "$packaging/debian/$kind.control" "$@" | sed -n '/^Description:/,$p'
	} >"$stage/DEBIAN/control"
	for script in preinst postinst prerm postrm; do
		[ -f "$packaging/debian/$kind.$script" ] || continue
		fill "$packaging/debian/$kind.$script" "$@" >"$stage/DEBIAN/$script"
		chmod 755 "$stage/DEBIAN/$script"
	done
	chmod -R go=rX "$stage"
	mkdir -p "$out"
	dpkg-deb --root-owner-group -Zxz -b "$stage" "$out" >&2
}
