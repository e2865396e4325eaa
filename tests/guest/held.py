#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A program that needs much of its machine: a file system of its own, a file in /tmp, a local
socket below /run, a long queue of connections, the name of the host. It writes a line of what it sees to DIR/log ten
times a second, by opening the file anew. Its child has DIR for its root directory, and a file that
lies elsewhere and has no name any more.
"""

import os
import socket
import sys
import time

where, port, backlog = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("", port))
listener.listen(backlog)
local = socket.socket(socket.AF_UNIX)
local.bind("/run/mine/deep/socket")
local.listen()
with open("/dev/shm/held", "w+", encoding="ascii", buffering=1) as nameless:
    os.unlink("/dev/shm/held")
    nameless.write("still here")
    nameless.flush()
    if os.fork() == 0:
        os.chroot(where)
        os.chdir("/")
        while True:
            time.sleep(1000)
held = open("/tmp/held", "a", encoding="ascii")     # pylint: disable=consider-using-with
while True:
    with open(f"{where}/log", "a", encoding="ascii") as log:
        log.write(f"{time.clock_gettime(time.CLOCK_BOOTTIME):.3f} {socket.gethostname()}\n")
    held.write("x")
    held.flush()
    time.sleep(0.1)
