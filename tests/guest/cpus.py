#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What this kernel was told of its CPUs, and whether they work.

Prints the versions of the MADT's Multiprocessor Wakeup Structures (ACPI
specification 6.4, 5.2.12.19), the CPUs that are online, and the APIC ids that a
program finds when it runs on each of them.
"""

import os
import struct
import subprocess


def wakeups():
    with open("/sys/firmware/acpi/tables/APIC", "rb") as file:
        table = file.read()
    at, found = 44, []
    while at < len(table):
        kind, length = table[at], table[at + 1]
        if kind == 0x10:
            found.append(str(struct.unpack_from("<H", table, at + 2)[0]))
        at += length
    return " ".join(found) or "none"


def works(cpu):
    """A second process on that CPU alone."""
    return subprocess.run(["taskset", "-c", str(cpu), "cat", "/proc/self/stat"], check=True,
                          capture_output=True, text=True).stdout.rsplit(")", 1)[1].split()[36]


with open("/sys/devices/system/cpu/online", encoding="ascii") as online:
    print("wakeup", wakeups(), "online", online.read().strip(), "ran on",
          " ".join(works(cpu) for cpu in sorted(os.sched_getaffinity(0))))
