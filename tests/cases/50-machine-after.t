#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The machine after an update is the machine after an ordinary boot of the new
# kernel: limits, tables, zones, memory blocks, file systems, modules. The
# guest's memory ends within a memory block. "make test-sizes" does the same in
# larger ones.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

machine_ordinary 7 --suite trixie --memory 2000 --cpus 2
machine_updated 6.12 7 64 --suite trixie --memory 2000 --cpus 2
machine_same
no_splats
done_testing
