#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module by itself on the oldest kernel: what it takes and gives back page by page,
# and every kind of record that it has to refuse.

export NVWA_LAB=${NVWA_LAB:-test-50-module-61}
exec "$(dirname "$0")/../keeper/run" 6.1
