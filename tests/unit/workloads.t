#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The workloads themselves, with no update and no guest: what they prepared
# they find again, and a byte that is wrong they find as well.

# shellcheck source=tests/kinds.sh
. "$(dirname "$0")/../kinds.sh"
top=$(dirname "$(dirname "$kinds_dir")")
bin=$top/build/tests/workloads
guest=$top/tests/guest/kinds
release=$(uname -r)
dir=$(mktemp -d)

has=
[ "$EUID" -ne 0 ] || has=root
mapfile -t kinds < <(kinds_on "$release" "$has")
finish() {
	"$guest" stop "$dir/good" "${kinds[@]}"
	"$guest" stop "$dir/spoiled" "${kinds[@]}"
	rm -rf "$dir"
}
trap finish EXIT

number=0
failed=0
# ok TEXT RESULT FILTER: jq finds the result right.
ok() {
	number=$((number + 1))
	if jq -e "$3" <<<"$2" >/dev/null 2>&1; then
		echo "ok $number - $1"
	else
		failed=1
		echo "# $2" | cut -c1-1000
		echo "not ok $number - $1"
	fi
}

# run NAME [--spoil]: all kinds; twice, as verifying must leave all as it was.
run() {
	for kind in "${kinds[@]}"; do
		echo "$kind $bin/$(kind_program "$kind") $(kind_get "$kind" arguments) ${2:-}"
	done | "$guest" start "$dir/$1" >"$dir/$1.ready"
	"$guest" verify "$dir/$1" 1 "${kinds[@]}" >"$dir/$1.1"
	"$guest" verify "$dir/$1" 2 "${kinds[@]}" >"$dir/$1.2"
	"$guest" stop "$dir/$1" "${kinds[@]}"
}

# result FILE KIND
result() {
	sed -n "s/^$2 //p" "$dir/$1"
}

make -s -C "$kinds_dir" || exit 1
run good
run spoiled --spoil
for kind in "${kinds[@]}"; do
	for n in 1 2; do
		ok "$kind: finds all as it was, the time $n" "$(result "good.$n" "$kind")" \
			'.bad_bytes == 0 and .errors == 0'
	done
	spoiled=$(result spoiled.1 "$kind")
	# Those that look at other things than bytes have none to spoil.
	if [ "$(jq .spoiled <<<"$spoiled")" != 0 ]; then
		ok "$kind: finds a byte that is wrong" "$spoiled" \
			'.bad_bytes > 0 and .first_bad != "" and .errors == 0'
	fi
done
echo "1..$number"
exit $failed
