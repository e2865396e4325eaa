#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Memory above and below the hole for PCI devices, each part ending within a
# memory block.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

machine_case trixie 6.12 7 64 --memory 3333 --cpus 2
no_splats
done_testing
