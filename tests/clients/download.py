#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""One HTTP connection that downloads gigabyte.py's bytes and checks them all.

Reads slowly, --pace bytes a second, so that the download spans an update,
until SIGUSR1 says that it is over; then as fast as it can. The connection is
never opened again. Prints one line of JSON at the end; the exit status is 0
only if every byte came, in order and unchanged.

With --progress FILE the state so far is kept in FILE (replaced as a whole).
"""

import argparse
import hashlib
import json
import os
import select
import signal
import socket
import sys
import time

import gigabyte


class Download:
    def __init__(self, args):
        self.args = args
        self.hurry = False
        self.last_progress = 0.0
        self.result = {
            "outcome": "ok",
            "bytes": 0,
            "expected_bytes": args.mib * gigabyte.MIB,
            "bytes_at_hurry": None,     # how far it was at SIGUSR1
            "sha256": None,
            "sha256_ok": False,
            "longest_stall_s": 0.0,
            "stall_at_byte": None,
            "resets": 0,
            "seconds": 0.0,
        }

    def progress(self, now, force=False):
        if not self.args.progress or (not force and now - self.last_progress < 0.2):
            return
        self.last_progress = now
        with open(self.args.progress + ".new", "w", encoding="ascii") as f:
            json.dump(self.result, f)
            f.write("\n")
        os.replace(self.args.progress + ".new", self.args.progress)

    def receive(self, sock, size):
        deadline = time.monotonic() + self.args.patience
        while True:
            now = time.monotonic()
            self.progress(now)
            if now >= deadline:
                raise TimeoutError
            if select.select([sock], [], [], min(1.0, deadline - now))[0]:
                return sock.recv(size)

    def head(self, sock):
        """Send the request and read the answer up to the body's first bytes."""
        a = self.args
        sock.sendall(f"GET {a.path} HTTP/1.1\r\nHost: {a.host}\r\nConnection: close\r\n\r\n"
                     .encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.receive(sock, 4096)
            if not more:
                raise EOFError
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        status = head.split(b"\r\n")[0].decode("ascii", "replace")
        if " 200 " not in status + " ":
            raise ValueError(f"the server answered: {status}")
        return body

    def body(self, sock, data, digest):
        r = self.result
        while True:
            digest.update(data)
            r["bytes"] += len(data)
            if r["bytes"] >= r["expected_bytes"]:
                return
            if not self.hurry and self.args.pace:
                # A pause for what was read: the window closes meanwhile.
                time.sleep(len(data) / self.args.pace)
            before = time.monotonic()
            data = self.receive(sock, 1 << 20 if self.hurry else 1 << 16)
            stall = time.monotonic() - before
            if stall > r["longest_stall_s"]:
                r["longest_stall_s"] = round(stall, 4)
                r["stall_at_byte"] = r["bytes"]
            if not data:
                return

    def run(self):
        r, a = self.result, self.args
        digest = hashlib.sha256()
        start = time.monotonic()
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in a.host else socket.AF_INET)
            # A small buffer, so that the sender notices how slowly we read.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, a.rcvbuf)
            sock.settimeout(30)
            sock.connect((a.host, a.port))
            sock.setblocking(False)
            self.body(sock, self.head(sock), digest)
        except ConnectionResetError:
            r["resets"] += 1
            r["outcome"] = "the connection was reset"
        except EOFError:
            r["outcome"] = "the server closed the connection before its answer"
        except TimeoutError:
            r["outcome"] = f"nothing came within {a.patience} s"
        except (OSError, ValueError) as e:
            r["outcome"] = f"the download failed: {e}"
        r["seconds"] = round(time.monotonic() - start, 1)
        r["sha256"] = digest.hexdigest()
        r["sha256_ok"] = r["sha256"] == gigabyte.sha256(a.mib)
        if r["outcome"] == "ok" and r["bytes"] != r["expected_bytes"]:
            r["outcome"] = f"only {r['bytes']} of {r['expected_bytes']} bytes came"
        if r["outcome"] == "ok" and not r["sha256_ok"]:
            r["outcome"] = "the bytes are not those that the server has"
        self.progress(time.monotonic(), force=True)
        print(json.dumps(r), flush=True)
        return 0 if r["outcome"] == "ok" else 1


def main():
    p = argparse.ArgumentParser(description="Download over one connection and check every byte.")
    p.add_argument("host")
    p.add_argument("path")
    p.add_argument("--port", type=int, default=80)
    p.add_argument("--mib", type=int, default=1024)
    p.add_argument("--pace", type=float, default=1 << 20, help="bytes a second until SIGUSR1")
    p.add_argument("--rcvbuf", type=int, default=1 << 18)
    p.add_argument("--patience", type=float, default=300)
    p.add_argument("--progress", metavar="FILE")
    download = Download(p.parse_args())

    def on_hurry(_number, _frame):
        if not download.hurry:
            download.hurry = True
            download.result["bytes_at_hurry"] = download.result["bytes"]

    signal.signal(signal.SIGUSR1, on_hurry)
    return download.run()


if __name__ == "__main__":
    sys.exit(main())
