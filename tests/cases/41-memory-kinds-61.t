#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every kind of memory on the oldest kernel, with the oldest CRIU.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/memory-kinds.sh
. "$tests_dir/memory-kinds.sh"

memory_kinds bookworm 6.1-old 6.1 "$@"
done_testing
