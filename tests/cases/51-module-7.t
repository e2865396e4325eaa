#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module by itself on the newest kernel: what it takes and gives back page by page,
# and every kind of record that it has to refuse.

export NVWA_LAB=${NVWA_LAB:-test-51-module-7}
exec "$(dirname "$0")/../keeper/run" 7
