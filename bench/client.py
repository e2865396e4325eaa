#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The one client of the measured redis: fills it, is idle, verifies it.

usage: client.py HOST MB

Fills redis with MB of random values over one connection and prints what it
has. Then, for every line read, verifies redis over that same connection:
the same process with all its keys, and every value of a sample. Each answer is
a line of JSON with "error" (a text, or null).
"""

import json
import random
import socket
import sys
import time

# With its header this just fits a size class of redis' allocator: 4 KiB.
VALUE = 4080
BATCH = 256
SAMPLE_MB = 32


class Failure(Exception):
    pass


def value_of(number):
    return random.Random(number).randbytes(VALUE)


def key_of(number):
    return b"bench:%08d" % number


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Redis:
    def __init__(self, host, patience):
        until = time.monotonic() + patience
        while True:
            try:
                self.sock = socket.create_connection((host, 6379), timeout=120)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        self.answers = self.sock.makefile("rb")

    def answer(self):
        line = self.answers.readline()
        if not line.endswith(b"\r\n"):
            raise Failure("the connection has ended")
        if line[:1] in (b"-", b"+", b":"):
            return line[:-2]
        length = int(line[1:-2])
        if length < 0:
            return None
        return self.answers.read(length + 2)[:-2]

    def ask(self, *words):
        self.sock.sendall(command(*words))
        return self.answer()

    def facts(self):
        info = self.ask(b"INFO").decode()
        lines = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        return {"keys": int(self.ask(b"DBSIZE")[1:]), "run_id": lines["run_id"],
                "pid": int(lines["process_id"]), "rss": int(lines["used_memory_rss"]),
                "loading": int(lines["loading"])}


def fill(redis, keys):
    for first in range(0, keys, BATCH):
        batch = range(first, min(first + BATCH, keys))
        redis.sock.sendall(b"".join(command(b"SET", key_of(i), value_of(i)) for i in batch))
        for _ in batch:
            answer = redis.answer()
            if answer != b"+OK":
                raise Failure(f"redis answered {answer!r} to SET")


def verify(redis, keys, before):
    now = redis.facts()
    for fact in ("keys", "run_id", "pid"):
        if now[fact] != before[fact]:
            raise Failure(f"redis has another {fact}: {now[fact]}, before {before[fact]}")
    step = max(1, keys * VALUE // (SAMPLE_MB << 20))
    sample = list(range(0, keys, step))
    for at in range(0, len(sample), BATCH):
        part = sample[at:at + BATCH]
        redis.sock.sendall(b"".join(command(b"GET", key_of(i)) for i in part))
        for i in part:
            if redis.answer() != value_of(i):
                raise Failure(f"key {i} has another value")
    return now | {"verified": len(sample)}


def say(what):
    print(json.dumps({"error": None} | what), flush=True)


def main():
    host, megabytes = sys.argv[1], int(sys.argv[2])
    keys = (megabytes << 20) // 4096
    try:
        redis = Redis(host, 60)
        fill(redis, keys)
        before = redis.facts()
        if before["keys"] != keys:
            raise Failure(f"{before['keys']} keys are in redis, not {keys}")
        say(before)
        for _ in sys.stdin:
            say(verify(redis, keys, before))
    except (Failure, OSError) as problem:
        say({"error": str(problem)})
        sys.exit(1)


if __name__ == "__main__":
    main()
