#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Kinds of memory on the newest kernel that looks for mistakes in itself: guest 3 of 3.

# shellcheck source=tests/debug.sh
. "$(dirname "$0")/../debug.sh"

debug_kinds trixie 7 3 3 "$@"
done_testing
