#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Look from outside when a program runs: numbered datagrams to it, one every few ms.

The other side sends each back as it is. The gap is the longest time without
an answer: from one that came to the next that came. What is sent in
that time may be lost, but nothing is to be answered twice. With --tcp the same
program is asked over one TCP connection as well, one request at a time; its longest
stall is told apart, as a sender's retransmit timer makes steps of it.

Prints one line of JSON at SIGTERM or SIGINT; the exit status is 0 only if nothing
was wrong. With --progress FILE the state so far is kept in FILE, replaced as a whole.
"""

import argparse
import errno
import json
import os
import select
import signal
import socket
import sys
import time

NUMBER = 8      # bytes of a request: its number


class Udp:
    def __init__(self, address, period):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(address)
        self.sock.setblocking(False)
        self.period = period
        self.due = time.monotonic()
        self.sent = {}          # number: when, as long as it was not answered
        self.answered = set()
        self.last_answer = None
        self.result = {"requests": 0, "sent": 0, "held_back": 0, "unanswered": 0, "twice": 0, "unknown": 0,
                       "errors": {}, "gap_ms": 0.0, "round_trip_ms": None, "late_ms": 0.0}
        self.round_trips = []

    def send(self, now):
        # A machine that was busy makes up for nothing: that would be a burst.
        self.result["late_ms"] = max(self.result["late_ms"], round((now - self.due) * 1e3, 3))
        self.due = max(self.due + self.period, now)
        number = self.result["sent"]
        try:
            self.sock.send(number.to_bytes(NUMBER, "big"))
        except BlockingIOError:
            # Those before it wait for somebody to take them off the wire.
            self.result["held_back"] += 1
            return
        except OSError as error:
            self.note_error(error)
        self.result["sent"] += 1
        self.sent[number] = now

    def note_error(self, error):
        """What an earlier datagram met: nobody is there for it, or there is no way."""
        name = errno.errorcode.get(error.errno, str(error))
        self.result["errors"][name] = self.result["errors"].get(name, 0) + 1

    def receive(self):
        try:
            data = self.sock.recv(2048)
        except BlockingIOError:
            return
        except OSError as error:
            self.note_error(error)
            return
        now = time.monotonic()
        number = int.from_bytes(data, "big")
        if number in self.answered:
            self.result["twice"] += 1
            return
        if number not in self.sent:
            self.result["unknown"] += 1
            return
        self.answered.add(number)
        self.round_trips.append(now - self.sent.pop(number))
        self.result["requests"] += 1
        if self.last_answer is not None:
            gap = (now - self.last_answer) * 1e3
            self.result["gap_ms"] = max(self.result["gap_ms"], round(gap, 3))
        self.last_answer = now

    def state(self):
        if self.round_trips:
            middle = sorted(self.round_trips)[len(self.round_trips) // 2]
            self.result["round_trip_ms"] = round(middle * 1e3, 3)
        self.result["unanswered"] = len(self.sent)
        return self.result


class Tcp:
    def __init__(self, address):
        self.sock = socket.create_connection(address, timeout=30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.want = b""
        self.number = 0
        self.asked = 0.0
        self.result = {"requests": 0, "wrong": 0, "stall_ms": 0.0, "outcome": "ok"}

    def ask(self):
        self.want = self.number.to_bytes(NUMBER, "big")
        self.number += 1
        self.asked = time.monotonic()
        self.sock.send(self.want)

    def receive(self):
        try:
            data = self.sock.recv(2048)
        except BlockingIOError:
            return
        except OSError as error:
            self.result["outcome"] = str(error)
            return
        if not data:
            self.result["outcome"] = "the connection has ended"
        elif data != self.want:
            self.result["wrong"] += 1
            self.result["outcome"] = "another answer than was asked for"
        else:
            stall = (time.monotonic() - self.asked) * 1e3
            self.result["stall_ms"] = max(self.result["stall_ms"], round(stall, 3))
            self.result["requests"] += 1
            self.want = b""


class Probe:
    def __init__(self, args):
        self.args = args
        address = (args.host, args.port)
        self.udp = Udp(address, args.period / 1e3)
        self.tcp = Tcp(address) if args.tcp else None
        self.stop = False
        self.last_progress = 0.0

    def state(self):
        return self.udp.state() | ({"tcp": self.tcp.result} if self.tcp else {})

    def progress(self, now):
        if not self.args.progress or now - self.last_progress < 1:
            return
        self.last_progress = now
        with open(self.args.progress + ".new", "w", encoding="ascii") as file:
            json.dump(self.state(), file)
            file.write("\n")
        os.replace(self.args.progress + ".new", self.args.progress)

    def run(self):
        socks = [self.udp.sock]
        if self.tcp:
            socks.append(self.tcp.sock)
        while not self.stop:
            now = time.monotonic()
            if now >= self.udp.due:
                self.udp.send(now)
                if self.tcp and self.tcp.result["outcome"] == "ok" and not self.tcp.want:
                    self.tcp.ask()
                self.progress(now)
            ready, _, _ = select.select(socks, [], [],
                                        max(0.0, self.udp.due - time.monotonic()))
            if self.udp.sock in ready:
                self.udp.receive()
            if self.tcp and self.tcp.sock in ready:
                self.tcp.receive()
                if self.tcp.result["outcome"] != "ok":
                    socks.remove(self.tcp.sock)
        result = self.state()
        print(json.dumps(result), flush=True)
        good = not result["twice"] and not result["unknown"]
        return 0 if good and (not self.tcp or self.tcp.result["outcome"] == "ok") else 1


def main():
    p = argparse.ArgumentParser(description="See from outside when a program runs.")
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("--period", type=float, default=5, help="ms between datagrams (default: 5)")
    p.add_argument("--tcp", action="store_true", help="also over TCP")
    p.add_argument("--progress", metavar="FILE")
    probe = Probe(p.parse_args())

    def on_signal(_number, _frame):
        probe.stop = True

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return probe.run()


if __name__ == "__main__":
    sys.exit(main())
