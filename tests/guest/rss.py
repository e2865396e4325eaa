#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What memory processes have, one line each, in kB.

usage: rss.py PID...

Prints "PID OWN SHARED FILES", sorted as join(1) wants it. OWN is what is nobody else's and would be lost with
the process: anonymous pages, resident or swapped out. SHARED is resident shared
memory, FILES are resident pages of mapped files, which any process may have the
kernel drop or read again. OWN + SHARED + FILES is the RSS, but for what is swapped out.
"""

import re
import sys


def fields(path):
    with open(path, encoding="ascii", errors="replace") as f:
        return {m[1]: int(m[2]) for m in re.finditer(r"^(\w+):\s+(\d+) kB", f.read(), re.M)}


for pid in sorted(sys.argv[1:]):
    # smaps_rollup counts pages; the counters of status may lag behind by some a thread.
    rollup = fields(f"/proc/{pid}/smaps_rollup")
    status = fields(f"/proc/{pid}/status")
    print(pid, rollup["Anonymous"] + rollup["Swap"], status["RssShmem"],
          rollup["Rss"] - rollup["Anonymous"] - status["RssShmem"])
