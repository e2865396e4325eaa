#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The peer of tests/workloads/halfclosed: one TCP connection in every state, of every family.

Those with "lost" in their name lose all data and ends on their way here until the other side's machine
runs another kernel, so that it holds what is sent and not acknowledged; otherwise it holds what
nobody has room for. When that machine's boot id is another one, every connection is
used up: what is to come is read, byte by byte as it was sent and to its end, and what
can be sent is ended with a tail.

Prints one line of JSON; "wrong" lists what is not as it should be, and is empty if all is
well. With --progress FILE the state so far is kept in FILE: "ready" when all connections are in
their states, and in the end the result.
"""

import argparse
import ctypes
import json
import os
import select
import socket
import struct
import sys
import time

STATES = {"established": 1, "syn-sent": 2, "fin-wait-1": 4, "fin-wait-2": 5, "close": 7, "close-wait": 8,
          "last-ack": 9, "closing": 11}        # linux/tcp.h
FIRST = 12000       # bytes that are sent before the update
TAIL = 1000         # and after it
ENDS = {"close-wait", "last-ack", "close"}     # the end is sent at once; with "closing" later
HOLDS = {"established", "close-wait", "last-ack", "fin-wait-1", "closing"}     # there is more than room for
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27


def byte_at(number, theirs, at):
    return (at * 31 + (at >> 8) * 7 + number * 13 + theirs * 101) & 0xff


def lose(sock):
    """All that comes to this socket but what only acknowledges. See linux/filter.h, RFC 9293 3.1."""
    instructions = [
        (0x30, 0, 0, 13),           # the flags
        (0x45, 6, 0, 0x03),         # FIN or SYN: lost
        (0x30, 0, 0, 12),           # the length of the header, in words, times 16
        (0x54, 0, 0, 0xf0),
        (0x74, 0, 0, 2),
        (0x07, 0, 0, 0),            # X = its length in bytes
        (0x80, 0, 0, 0),            # the length of all
        (0x1d, 1, 0, 0),            # no more than the header: taken
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xffffffff),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in instructions))
    program = struct.pack("HL", len(instructions), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def lose_no_more(sock):
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


class Connection:
    def __init__(self, number, name, state, lost, address):
        self.number, self.name, self.state, self.lost = number, name, state, lost
        self.sent = self.received = 0
        self.sent_all = self.received_all = False
        self.wrong = []
        self.listener = None
        if state == "syn-sent":
            self.await_connection(address)
            return
        self.sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(address)
        if lost:
            lose(self.sock)
        self.sock.sendall(f"{state} {number}\n".encode())
        self.send(FIRST)
        if state in ENDS:
            self.end()

    def await_connection(self, address):
        """The other side connects to the port that is our number; it comes through after the update."""
        any_address = "::" if ":" in address[0] else ""
        self.listener = socket.create_server((any_address, self.number),
                                             family=socket.AF_INET6 if any_address else socket.AF_INET)
        lose(self.listener)
        with socket.create_connection(address) as ask:
            ask.sendall(f"{self.state} {self.number}\n".encode())
            ask.recv(1)     # it has begun

    def accepted(self):
        self.listener.settimeout(240)
        self.sock, _ = self.listener.accept()

    def send(self, count):
        data = bytes(byte_at(self.number, False, at) for at in range(self.sent, self.sent + count))
        self.sock.sendall(data)
        self.sent += count

    def end(self):
        self.sock.shutdown(socket.SHUT_WR)
        self.sent_all = True

    def take(self):
        try:
            data = self.sock.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            self.wrong.append(str(error))
            data = b""
        if not data:
            self.received_all = True
        if any(got != byte_at(self.number, True, self.received + i) for i, got in enumerate(data)):
            self.wrong.append(f"wrong bytes after {self.received}")
        self.received += len(data)


class Control:
    def __init__(self, address):
        self.sock = socket.create_connection(address)
        self.lines = self.sock.makefile("r")
        self.sock.sendall(b"control 0\n")

    def ask(self, letter):
        self.sock.sendall(letter.encode() + b"\n")
        answer = []
        while line := self.lines.readline().strip():
            answer.append(line)
        return answer

    def states(self):
        """{number: (state, bytes to read, bytes to send)}"""
        return {int(number): (int(state), int(received), int(sent))
                for number, state, received, sent in (line.split() for line in self.ask("s"))}


def connect_all(families, kinds, control):
    number = 20000
    connections = []
    for family, address in families:
        for kind in kinds:
            state, _, lost = kind.partition("/")
            number += 1
            connections.append(Connection(number, f"{family} {kind}", state, bool(lost), address))
    for c in connections:
        if c.state == "closing":
            while control.states().get(c.number, (0,))[0] != STATES["fin-wait-1"]:
                time.sleep(0.05)
            c.end()
    return connections


def check_states(connections, states, when):
    for c in connections:
        state, received, sent = states[c.number]
        # It may have come through already.
        if state != STATES[c.state] and c.state != "syn-sent":
            c.wrong.append(f"{when} in state {state}")
        if received != (0 if c.state == "syn-sent" else FIRST):
            c.wrong.append(f"{when} with {received} bytes to read")
        if not sent and c.state in HOLDS:
            c.wrong.append(f"{when} with nothing to send")


def use_up(connections, control):
    # All at once: who asks in vain waits twice as long each time.
    for c in connections:
        if c.listener or c.lost:
            lose_no_more(c.listener or c.sock)
    for c in connections:
        if c.listener:
            c.accepted()
    # The answer comes when all is done.
    control.sock.sendall(b"v\n")
    for c in connections:
        if not c.sent_all:
            c.send(TAIL)
            c.end()
    deadline = time.monotonic() + 150
    while (left := [c for c in connections if not c.received_all]) and time.monotonic() < deadline:
        ready, _, _ = select.select([c.sock for c in left], [], [], 10)
        for c in left:
            if c.sock in ready:
                c.take()
    answer = {}
    while line := control.lines.readline().strip():
        number, received, sent, verdict = line.split(" ", 3)
        answer[int(number)] = (int(received), int(sent), verdict)
    for c in connections:
        received, sent, verdict = answer[c.number]
        if verdict != "ok":
            c.wrong.append(f"its side: {verdict}")
        if received != c.sent:
            c.wrong.append(f"{received} of {c.sent} bytes came there")
        if c.received != sent or not c.received_all:
            c.wrong.append(f"{c.received} of {sent} bytes came here, {'and' if c.received_all else 'not'} the end")


def say(path, what):
    if not path:
        return
    with open(path + ".new", "w") as f:
        json.dump(what, f)
    os.rename(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("families", nargs="+", metavar="NAME=ADDRESS", help="ipv4, ipv6, mapped or device")
    parser.add_argument("--kinds", default="established established/lost close-wait close-wait/lost last-ack "
                        "last-ack/lost fin-wait-1 fin-wait-1/lost closing closing/lost fin-wait-2 close syn-sent")
    parser.add_argument("--progress")
    args = parser.parse_args()
    ports = {"ipv4": 0, "ipv6": 1, "mapped": 1, "device": 2}
    families = []
    for word in args.families:
        name, _, address = word.partition("=")
        families.append((name, (address, args.port + ports[name])))

    say(args.progress, {"ready": False})
    control = Control((families[0][1][0], args.port + ports[families[0][0]]))
    connections = connect_all(families, args.kinds.split(), control)
    control.ask("a")
    check_states(connections, control.states(), "it was")
    boot = control.ask("b")
    say(args.progress, {"ready": True})
    while control.ask("b") == boot:
        time.sleep(0.2)
    check_states(connections, control.states(), "it came back")
    use_up(connections, control)
    wrong = {c.name: c.wrong for c in connections if c.wrong}
    result = {"connections": len(connections), "wrong": wrong}
    print(json.dumps(result), flush=True)
    say(args.progress, result)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
