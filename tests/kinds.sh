# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The kinds of memory: one tests/workloads/KIND.desc each, of lines "key: value".
# Sourced, never run.
#
#   program    in tests/workloads; default: the kind's name
#   arguments  of the program
#   fewer      the same, where a kernel that looks for mistakes would take hours
#   needs      what must be there: root, swap, ksm, hugepages, secretmem,
#              devmem, dax, pku, slowdisk (/dev/nullb0), large (a guest of its own)
#   since      the first kernel that has this kind
#   result     in place (the same page frames), copied, or refused
#   says       refused: what "nvwa check" says, a regular expression
#   grows      kB by which resident memory may grow, and why

kinds_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/workloads

kinds_all() {
	local file
	for file in "$kinds_dir"/*.desc; do
		basename "$file" .desc
	done
}

# kind_get KIND KEY: its value, or nothing.
kind_get() {
	sed -n "s/^$2: *//p" "$kinds_dir/$1.desc"
}

kind_program() {
	local program
	program=$(kind_get "$1" program)
	echo "${program:-$1}"
}

# kind_arguments KIND: few ones if kinds_few says so.
kind_arguments() {
	local fewer=${kinds_few:+$(kind_get "$1" fewer)}
	echo "${fewer:-$(kind_get "$1" arguments)}"
}

# kind_has_needs KIND WHAT...: it needs nothing but that.
kind_has_needs() {
	local need kind=$1
	shift
	for need in $(kind_get "$kind" needs); do
		[[ " $* " == *" $need "* ]] || return 1
	done
}

# kind_exists_on KIND RELEASE
kind_exists_on() {
	local since
	since=$(kind_get "$1" since)
	[ -z "$since" ] || printf '%s\n' "$since" "$2" | sort -V -C
}

# kinds_on RELEASE "NEEDS" [KIND...]: those of the kinds (default: all) that need nothing else
# and are there in this kernel.
kinds_on() {
	local kind release=$1 has=$2
	shift 2
	[ $# -gt 0 ] || mapfile -t kinds_on_all < <(kinds_all)
	[ $# -gt 0 ] || set -- "${kinds_on_all[@]}"
	for kind; do
		# shellcheck disable=SC2086 # words are wanted
		if kind_has_needs "$kind" $has && kind_exists_on "$kind" "$release"; then
			echo "$kind"
		fi
	done
}
