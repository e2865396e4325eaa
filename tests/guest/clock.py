#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""clock.py FILE: a program that looks at its monotonic clocks all the time, and sleeps until a moment.

FILE has one line: how often it looked, how often a clock was behind what it was before or behind the
time of day by over LIMIT, and by how much in ms at most.
"""

import os
import sys
import time

CLOCKS = (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME)
PERIOD = 0.02
# What CRIU takes to start is not counted by its clocks, once an update, and more on a busy machine.
LIMIT = 5


def main():
    looks = wrong = 0
    worst = 0.0
    before = {clock: time.clock_gettime(clock) for clock in CLOCKS}
    start = time.time() - time.monotonic()
    while True:
        now = {clock: time.clock_gettime(clock) for clock in CLOCKS}
        behind = max(before[clock] - now[clock] for clock in CLOCKS)
        drift = abs(time.time() - time.monotonic() - start)
        wrong += behind > 0 or drift > LIMIT
        worst = max(worst, behind, drift)
        before = now
        looks += 1
        with open(sys.argv[1] + ".new", "w", encoding="ascii") as file:
            file.write(f"{looks} {wrong} {worst * 1000:.0f}\n")
        # Whoever reads it finds a whole line.
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        # An absolute time of the monotonic clock, as Python does it.
        time.sleep(PERIOD)


main()
