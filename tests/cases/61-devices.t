#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Devices of many kinds over two updates: an NVMe drive, disks at AHCI, virtio-scsi and
# USB, an e1000e network card. In the first they are quieted, in the second shut down.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/devices.sh
. "$tests_dir/devices.sh"

devices_case trixie 6.12 7
no_splats
done_testing
