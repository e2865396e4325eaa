#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A machine of 16 GiB.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

machine_case trixie 7 6.12 256 --memory 16384 --cpus 2
no_splats
done_testing
