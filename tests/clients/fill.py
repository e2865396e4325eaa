#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Fill redis with values that look random, all of them different, and time it.

usage: fill.py HOST MB
"""

import random
import socket
import sys

VALUE = 4096
BATCH = 256


def main():
    host, mb = sys.argv[1], int(sys.argv[2])
    keys = mb * (1 << 20) // VALUE
    pool = random.Random(7).randbytes(1 << 20)
    sock = socket.create_connection((host, 6379), timeout=120)
    answers = sock.makefile("rb")
    for first in range(0, keys, BATCH):
        request = []
        for i in range(first, min(first + BATCH, keys)):
            key = b"fill:%08d" % i
            at = (i * 2654435761) % (len(pool) - VALUE)
            value = b"%016d" % i + pool[at:at + VALUE - 16]
            request.append(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
                           % (len(key), key, len(value), value))
        sock.sendall(b"".join(request))
        for _ in request:
            line = answers.readline()
            if line != b"+OK\r\n":
                sys.exit(f"fill.py: redis answered {line!r}")
    print(keys)


if __name__ == "__main__":
    main()
