#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every kind of memory from 6.12 to the newest kernel.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/memory-kinds.sh
. "$tests_dir/memory-kinds.sh"

memory_kinds trixie 6.12 7 "$@"
done_testing
