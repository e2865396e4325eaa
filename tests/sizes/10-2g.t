#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A machine of 2 GiB, Debian 12, to its older kernel and to its newer one.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

for pair in "6.12 6.1" "6.1 6.12"; do
	# shellcheck disable=SC2086 # two words
	machine_case bookworm $pair 64 --memory 2048 --cpus 2
done
no_splats
done_testing
