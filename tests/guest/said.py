#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A service that says a number more to its standard output twenty times a second, tells
systemd that it lives, and keeps a file open in each of its private directories.
"""

import os
import socket
import sys
import time


def tell(text):
    """As sd_notify(3) does; who cannot be told now is told the next time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        try:
            notify.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
        except OSError:
            pass


# pylint: disable=consider-using-with
files = [open(f"{where}/held", "w", encoding="ascii")
         for where in ["/tmp", "/var/tmp", os.environ["RUNTIME_DIRECTORY"]]]
listener = socket.socket(socket.AF_UNIX)
listener.bind(f"{os.environ['RUNTIME_DIRECTORY']}/socket")
listener.listen()
tell("READY=1\nSTATUS=saying numbers, \"quoted\" \\ and äöü")
number = 0                      # pylint: disable=invalid-name
while True:
    number += 1
    print(f"said {number}", flush=True)
    print(f"warned {number}", flush=True, file=sys.stderr)
    for file in files:
        file.write(f"{number}\n")
        file.flush()
    tell("WATCHDOG=1")
    time.sleep(0.05)
