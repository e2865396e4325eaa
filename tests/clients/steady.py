#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""steady.py sql|http HOST: one connection, one request after the other, each answer checked.

sql: psql inserts the next number into the table numbers of the database postgres and has it
returned; a number that was inserted before, or a connection that ended, is an error. http: GET of
/file (--path) from port 80 (--port), with keep-alive; every answer must be the first one. Neither
connects again. Prints one line of JSON at SIGTERM, or when something was wrong; the exit status is 0
only if nothing was. With --progress FILE the number of requests is kept in FILE.
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import time

PATIENCE_S = 300


class Sql:
    def __init__(self, args):
        # pylint: disable=consider-using-with
        self.psql = subprocess.Popen(
            ["psql", "-h", args.host, "-U", "postgres", "-qtA", "-v", "ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.server = self.ask("SELECT pg_backend_pid();")
        self.number = 0

    def ask(self, statement):
        self.psql.stdin.write(statement + "\n")
        self.psql.stdin.flush()
        return self.psql.stdout.readline().strip()

    def request(self):
        self.number += 1
        answer = self.ask(f"INSERT INTO numbers VALUES ({self.number}) RETURNING i;")
        return None if answer == str(self.number) else answer or "psql has ended"

    def result(self):
        return {"server": self.server, "last": self.number}


class Http:
    def __init__(self, args):
        self.path = args.path
        self.connection = http.client.HTTPConnection(args.host, args.port, timeout=PATIENCE_S)
        self.connection.connect()
        self.socket = self.connection.sock
        self.body = None

    def request(self):
        self.connection.request("GET", self.path)
        answer = self.connection.getresponse()
        body = answer.read()
        if self.body is None:
            self.body = body
        if answer.status != 200 or body != self.body:
            return f"status {answer.status}, {len(body)} bytes, not the same"
        # http.client opens a new one when the server closes this one.
        return None if self.connection.sock is self.socket else "the connection was closed"

    def result(self):
        return {"bytes": len(self.body or b"")}


def write_progress(path, requests):
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump({"requests": requests}, file)
    os.replace(path + ".new", path)


def run(client, progress):
    state = {"stop": False}
    signal.signal(signal.SIGTERM, lambda number, frame: state.update(stop=True))
    result = {"outcome": "ok", "requests": 0, "longest_stall_s": 0.0}
    while not state["stop"]:
        start = time.monotonic()
        try:
            wrong = client.request()
        except (OSError, http.client.HTTPException) as failure:
            wrong = repr(failure)
        if wrong:
            result["outcome"] = wrong
            break
        result["requests"] += 1
        result["longest_stall_s"] = max(result["longest_stall_s"], time.monotonic() - start)
        if progress:
            write_progress(progress, result["requests"])
        time.sleep(0.02)
    print(json.dumps(result | client.result()), flush=True)
    return 0 if result["outcome"] == "ok" else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("sql", "http"))
    parser.add_argument("host")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--path", default="/file")
    parser.add_argument("--progress", metavar="FILE")
    args = parser.parse_args()
    return run({"sql": Sql, "http": Http}[args.kind](args), args.progress)


if __name__ == "__main__":
    sys.exit(main())
