#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Kinds of memory that the newest kernel has and older ones have not, from it to
# itself.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/memory-kinds.sh
. "$tests_dir/memory-kinds.sh"

memory_kinds trixie 7 7 guardinstall thp mlockall threads
done_testing
