#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The machine after an update is the machine after an ordinary boot of the new
# kernel: limits, tables, zones, memory blocks, file systems, modules. The
# guest's command line asks for huge pages. tests/sizes/ has machines of other sizes.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

machine_case trixie 6.12 7 64 --memory 2048 --cpus 2 --append "hugepages=16"
no_splats
done_testing
