#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""vcpu.py SOCKET CPU SECONDS: how much of this machine's time a CPU of a guest takes.

Prints the percentage of one CPU's time that the thread of the guest's CPU had for so long.
SOCKET is QEMU's for QMP (docs/interop/qmp-spec.rst), on which nobody else is connected.
"""

import json
import os
import socket
import sys
import time


def ask(stream, command):
    stream.write(json.dumps({"execute": command}) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"vcpu: {command}: {answer['error']['desc']}")
        # What QEMU says unasked comes in between.
        if "return" in answer:
            return answer["return"]
    raise SystemExit("vcpu: the guest has ended")


def thread_of(path, number):
    with socket.socket(socket.AF_UNIX) as qmp:
        qmp.connect(path)
        with qmp.makefile("rw") as stream:
            stream.readline()
            ask(stream, "qmp_capabilities")
            for cpu in ask(stream, "query-cpus-fast"):
                if cpu["cpu-index"] == number:
                    return cpu["thread-id"]
    raise SystemExit(f"vcpu: the guest has no CPU {number}")


def used(thread):
    """Seconds: utime and stime, the 14th and 15th field, see proc_pid_stat(5)."""
    with open(f"/proc/{thread}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    path, number, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    thread = thread_of(path, number)
    before, start = used(thread), time.monotonic()
    time.sleep(seconds)
    print(f"{100 * (used(thread) - before) / (time.monotonic() - start):.1f}")


main()
