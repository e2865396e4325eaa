#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# As 61-devices, with the oldest kernel on one side.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/devices.sh
. "$tests_dir/devices.sh"

devices_case bookworm 6.1 6.12
no_splats
done_testing
