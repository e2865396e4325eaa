#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every kind of memory on the newest kernel that looks for mistakes in itself.

# shellcheck source=tests/debug.sh
. "$(dirname "$0")/../debug.sh"

debug_kinds trixie 7 "$@"
done_testing
