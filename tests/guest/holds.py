#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Holds what cannot be carried, or connections to who is not: one program for each.

usage: holds.py peers PATH PORT     listens on local sockets (PATH.stream and PATH.seqpacket, where it
                                    accepts nothing, PATH.accepted, PATH.dgram) and on TCP
       holds.py local PATH TYPE     is connected to one of these
       holds.py tcp PORT            is connected to the port
       holds.py late FILE PORT      connects to the port when there is such a file
       holds.py linklocal ADDRESS   is connected with itself there
       holds.py KIND                a socket: tls, md5, mptcp, udplite; or pidfd, epoll
"""

import os
import select
import socket
import struct
import sys
import time

TCP_MD5SIG, TCP_ULP = 14, 31        # linux/tcp.h
IPPROTO_UDPLITE, IPPROTO_MPTCP = 136, 262
TYPES = {"stream": socket.SOCK_STREAM, "accepted": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET,
         "dgram": socket.SOCK_DGRAM}


def peers(path, port):
    held = [socket.create_server(("127.0.0.1", int(port)))]
    for name, kind in TYPES.items():
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(f"{path}.{name}")
        if kind != socket.SOCK_DGRAM:
            s.listen()
        held.append(s)
        if name == "accepted":
            accepting = s
    while True:
        for listener in select.select([held[0], accepting], [], [])[0]:
            held.append(listener.accept()[0])


def local(path, kind):
    s = socket.socket(socket.AF_UNIX, TYPES[kind])
    s.connect(f"{path}.{kind}")
    return s


def tcp(port):
    return socket.create_connection(("127.0.0.1", int(port)))


def late(path, port):
    while not os.path.exists(path):
        time.sleep(0.01)
    return tcp(port)


def tls():
    listener = socket.create_server(("127.0.0.1", 0))
    s = socket.create_connection(listener.getsockname())
    s.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
    return listener, s


def md5():
    s = socket.socket()
    address = struct.pack("HH4s120x", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"))
    s.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, address + struct.pack("BBHi80s", 0, 0, 3, 0, b"key"))
    s.bind(("127.0.0.1", 0))
    s.listen()
    return s


def mptcp():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
    s.bind(("127.0.0.1", 0))
    s.listen()
    return s


def udplite():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, IPPROTO_UDPLITE)
    s.bind(("127.0.0.1", 0))
    return s


def linklocal(address):
    """At an address that means something only with the number of its link."""
    where = socket.getaddrinfo(address, 7301, type=socket.SOCK_STREAM)[0][4]
    listener, client = (socket.socket(socket.AF_INET6) for _ in range(2))
    listener.bind(where)
    listener.listen()
    client.connect(where)
    return listener, client


def pidfd():
    return os.pidfd_open(1)


def epoll():
    """Watches what only its child has open."""
    watcher = select.epoll()
    watched, other = socket.socketpair()
    watcher.register(watched)
    if os.fork() == 0:
        while True:
            time.sleep(1000)
    watched.close()
    return watcher, other


HELD = globals()[sys.argv[1]](*sys.argv[2:])
print("ready", flush=True)
while True:
    time.sleep(1000)
