#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A machine of 8 GiB, most of it carried.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

machine_case trixie 6.12 7 3072 --memory 8192 --cpus 2
no_splats
done_testing
