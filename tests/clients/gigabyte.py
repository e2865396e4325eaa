#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bytes that look random and are the same everywhere: for downloads to be checked.

Every MiB is the same pseudo random MiB but for its first 64 bytes, which hold
its number: a piece that is missing, doubled or out of place changes the
checksum, and the generator is quick enough for an emulated machine.

usage: gigabyte.py MIB >FILE        write so many MiB
       gigabyte.py --sha256 MIB     print their checksum
"""

import hashlib
import random
import sys

MIB = 1 << 20


def blocks(count):
    body = random.Random(20).randbytes(MIB)[64:]
    for i in range(count):
        yield b"%064d" % i + body


def sha256(count):
    digest = hashlib.sha256()
    for block in blocks(count):
        digest.update(block)
    return digest.hexdigest()


def main():
    args = sys.argv[1:]
    if len(args) == 2 and args[0] == "--sha256":
        print(sha256(int(args[1])))
    elif len(args) == 1:
        for block in blocks(int(args[0])):
            sys.stdout.buffer.write(block)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
