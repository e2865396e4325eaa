#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What nvwa-dkms does with each kernel when it is installed, with a dkms that only says what it is
# asked for; that its source is whole, and packages are the same for the same files.

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=packaging/lib.sh
. packaging/lib.sh
set +e

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
number=0
failed=0

# is TEXT GOT WANT
is() {
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number - $1"
	else
		failed=1
		printf '# got: %s\n# want: %s\n' "${2//$'\n'/ | }" "${3//$'\n'/ | }"
		echo "not ok $number - $1"
	fi
}

# kernel RELEASE [headers]
kernel() {
	mkdir -p "$dir/modules/$1/kernel" ${2:+"$dir/modules/$1/build/include"}
}

fill packaging/debian/nvwa-dkms.postinst "VERSION=$version" |
	sed "s|/lib/modules/|$dir/modules/|" >"$dir/postinst"
mkdir "$dir/bin"
# Builds for all but those that $DKMS_FAILS and $DKMS_EXCLUDES name.
cat >"$dir/bin/dkms" <<'END'
#!/bin/sh
release=${7:-}
case $1 in
status) [ "$release" != 6.1-there ] || echo "nvwa, 6.1-there: installed" ;;
install)
	echo "built $release"
	[ "$release" != "$DKMS_FAILS" ] || exit 10
	[ "$release" != "$DKMS_EXCLUDES" ] || exit 77
	;;
esac
END
chmod +x "$dir/bin/dkms"

# configure: its status and what it said in $status, $said; $built: kernels.
configure() {
	said=$(PATH=$dir/bin:$PATH sh "$dir/postinst" configure 2>&1)
	status=$?
	built=$(sed -n 's/^built //p' <<<"$said" | paste -sd' ')
}

kernel 6.1-a headers
kernel 6.1-b headers
kernel 6.1-bare
kernel 6.1-there headers
mkdir -p "$dir/modules/6.1-removed"
export DKMS_FAILS='' DKMS_EXCLUDES=''

configure
is "kernels without headers are no failure" "$status" 0
is "the module is built for those that have them, once" "$built" "6.1-a 6.1-b"
is "and what the others need is said" "$(grep -c 'install linux-headers-6.1-bare$' <<<"$said")" 1
is "of a kernel that was removed nothing is said" "$(grep -c removed <<<"$said")" 0

DKMS_EXCLUDES=6.1-a
configure
is "a kernel on which nvwa is not tested is no failure" "$status $built" "0 6.1-a 6.1-b"
is "and is named" "$(grep -c 'no module for the kernel 6.1-a,' <<<"$said")" 1

DKMS_EXCLUDES='' DKMS_FAILS=6.1-a
configure
is "a build that fails is a failure" "$status" 1
is "with all other kernels built for" "$built" "6.1-a 6.1-b"
is "and the kernel named" "$(grep -c 'could not be built for 6.1-a\.' <<<"$said")" 1

module_source "$dir/source"
mapfile -t objects < <(sed -n 's/^nvwa-y [+:]*= *//p' kmod/Kbuild | tr ' ' '\n')
missing=
for object in "${objects[@]}"; do
	ls "$dir/source/${object%.o}".[cS] >/dev/null 2>&1 || missing+=" $object"
done
is "the source of each of the module's ${#objects[@]} objects is in the package" "$missing" ""
touch "$dir/source/gone.c"
module_source "$dir/source"
is "nothing is left there that has gone from kmod/" "$(find "$dir/source" -name gone.c)" ""

# pack NAME UMASK FILE...: a package of these files, made in this order, now.
pack() {
	local stage=$dir/$1 file
	(
		umask "$2"
		mkdir -p "$stage/usr/src"
		for file in "${@:3}"; do
			echo "$file" >"$stage/usr/src/$file"
		done
		touch -d "@$RANDOM" "$stage/usr/src/$3"
		make_deb nvwa-dkms "$stage" "$dir/out-$1" 1700000000
	) 2>/dev/null
}
pack one 022 a b
pack two 077 b a
is "the same files make the same package, whenever they were made" \
	"$(cmp "$dir"/out-one/*.deb "$dir"/out-two/*.deb 2>&1 && echo same)" same
echo "1..$number"
exit "$failed"
