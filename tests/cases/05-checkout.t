#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A checkout may be anywhere: below a directory that the build directories of the lab
# have themselves, and with blanks in its path. Needs no guest.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# builds_in DIR: in a checkout below it.
builds_in() {
	local where=$1 copy
	copy=$(mktemp -d "$where/nvwa XXXXXX") || give_up "$where takes a checkout"
	mkdir -p "$copy/tests/keeper"
	cp -r "$top/lab" "$copy/"
	cp -r "$top/tests/keeper/floor" "$copy/tests/keeper/"
	ok "$where: a module builds" "$copy/lab/kbuild" --suite trixie --out "$copy/build/floor" \
		6.12 "$copy/tests/keeper/floor"
	ok "$where: and is there" test -s "$copy/build/floor/floor/floor.ko"
	is "$where: a command runs in the directory that it is called in" \
		"$(cd "$copy/tests" && "$copy/lab/chroot" -- ls keeper)" floor
	is "$where: and /tmp is its own" "$("$copy/lab/chroot" -- ls /tmp)" ""
	rm -rf "$copy"
}

for where in /tmp /var/cache; do
	builds_in "$where"
done
done_testing
