#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""One TCP connection to redis that counts: INCR after INCR, each answer checked.

One request is outstanding at a time, so the answer to each must be exactly
one more than the answer before. An answer that is too large means that a
request was carried out twice, one that is too small that an answered request
was lost. The connection is never opened again: when it ends, that is the
result. Prints one line of JSON at SIGTERM or SIGINT, or when the connection
fails; the exit status is 0 only if nothing was wrong.

With --rate it spares the guest's processor, but that at most moments no request is under way.
From SIGUSR1 on it asks as fast as it can, until an answer has taken over a second: what stops
redis meanwhile stops it in the middle of a request.

With --progress FILE the state so far is kept in FILE (replaced as a whole), so
that a script can wait for it.
"""

import argparse
import json
import os
import select
import signal
import socket
import struct
import sys
import time

# linux/tcp.h: struct tcp_info, tcpi_options and its bits.
TCPI_OPTIONS = 5
TCPI_OPT = {"timestamps": 1, "sack": 2, "wscale": 4}



class Counter:
    def __init__(self, args):
        self.args = args
        self.stop = False
        self.hurry = False
        self.buffer = b""
        self.result = {
            "outcome": "ok",        # or what ended the connection, in words
            "requests": 0,          # answered ones
            "value": None,          # the last answer
            "lost": 0,
            "doubled": 0,
            "wrong_replies": 0,     # answers that are no number
            "longest_stall_s": 0.0,
            "stall_at": None,       # wall clock time at which that answer came
            "stall_after": None,    # the number of requests answered before it
            "resets": 0,
            "options": [],
        }
        self.sock = None
        self.last_progress = 0.0

    def connect(self):
        self.sock = socket.create_connection((self.args.host, self.args.port), timeout=30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        bits = struct.unpack_from("B", info, TCPI_OPTIONS)[0]
        self.result["options"] = [name for name, bit in TCPI_OPT.items() if bits & bit]
        self.result["local_port"] = self.sock.getsockname()[1]

    def progress(self, now, force=False):
        if not self.args.progress or (not force and now - self.last_progress < 0.2):
            return
        self.last_progress = now
        with open(self.args.progress + ".new", "w", encoding="ascii") as f:
            json.dump(self.result, f)
            f.write("\n")
        os.replace(self.args.progress + ".new", self.args.progress)

    def receive_line(self, deadline):
        """One line of redis's answer, without its end."""
        while b"\r\n" not in self.buffer:
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError
            self.progress(now)
            # Short, so that a progress file is kept while nothing comes.
            if not select.select([self.sock], [], [], min(1.0, deadline - now))[0]:
                continue
            data = self.sock.recv(4096)
            if not data:
                raise EOFError
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def check(self, line):
        r = self.result
        if not line.startswith(b":"):
            r["wrong_replies"] += 1
            r["outcome"] = "redis answered: " + line.decode("ascii", "replace")
            return
        value = int(line[1:])
        if r["value"] is not None:
            step = value - r["value"]
            if step > 1:
                r["doubled"] += step - 1
            elif step < 1:
                r["lost"] += 1 - step
        r["value"] = value

    def one(self, request):
        sent = time.monotonic()
        self.sock.sendall(request)
        line = self.receive_line(sent + self.args.patience)
        now = time.monotonic()
        stall = now - sent
        if stall > 1:
            self.hurry = False
        if stall > self.result["longest_stall_s"]:
            self.result["longest_stall_s"] = round(stall, 4)
            self.result["stall_at"] = round(time.time(), 3)
            self.result["stall_after"] = self.result["requests"]
        self.check(line)
        self.result["requests"] += 1
        self.progress(now)
        if self.buffer:
            self.result["wrong_replies"] += 1
            self.result["outcome"] = "an answer that nobody asked for"

    def run(self):
        key = self.args.key.encode()
        request = b"*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n" % (len(key), key)
        pause = 1.0 / self.args.rate if self.args.rate else 0
        r = self.result
        try:
            self.connect()
            while not self.stop:
                self.one(request)
                if pause and not self.hurry:
                    time.sleep(pause)
        except ConnectionResetError:
            r["resets"] += 1
            r["outcome"] = "the connection was reset"
        except EOFError:
            r["outcome"] = "the server closed the connection"
        except TimeoutError:
            r["outcome"] = f"no answer within {self.args.patience} s"
        except OSError as e:
            r["outcome"] = f"the connection failed: {e}"
        if r["lost"] or r["doubled"]:
            r["outcome"] = "answers do not follow one another" if r["outcome"] == "ok" \
                else r["outcome"]
        self.progress(time.monotonic(), force=True)
        print(json.dumps(r), flush=True)
        return 0 if r["outcome"] == "ok" else 1


def main():
    p = argparse.ArgumentParser(description="Count on one redis connection and check every answer.")
    p.add_argument("host")
    p.add_argument("--port", type=int, default=6379)
    p.add_argument("--key", default="nvwa:incr")
    p.add_argument("--rate", type=float, default=0, help="requests a second, 0: as many as can be")
    p.add_argument("--patience", type=float, default=300, help="seconds to wait for an answer")
    p.add_argument("--progress", metavar="FILE")
    counter = Counter(p.parse_args())

    def on_signal(_number, _frame):
        counter.stop = True

    def on_hurry(_number, _frame):
        counter.hurry = True

    signal.signal(signal.SIGUSR1, on_hurry)
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return counter.run()


if __name__ == "__main__":
    sys.exit(main())
