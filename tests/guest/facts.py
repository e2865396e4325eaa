#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a process may do and what it sees, one sorted line a fact, to be compared.

usage: facts.py PID

Runs in the guest. Numbers that a kernel hands out anew at every boot (mount
and inode numbers, boot ids in names) are replaced by what they stand for.
"""

import hashlib
import os
import re
import sys

BOOT_ID = re.compile(r"systemd-private-[0-9a-f]{32}-(.*?)-[0-9A-Za-z]{6}(?=/|$)")


def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def plain(text):
    """A path without what systemd draws by lot for each boot."""
    return BOOT_ID.sub(r"systemd-private-BOOT-\1-LOT", text)


def status_facts(base):
    wanted = {"Name", "Umask", "Tgid", "NStgid", "Uid", "Gid", "Groups", "Threads", "SigBlk",
              "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
              "NoNewPrivs", "Seccomp", "Seccomp_filters", "THP_enabled",
              "Speculation_Store_Bypass", "SpeculationIndirectBranch"}
    for line in read(base + "/status").splitlines():
        key, value = line.split(":", 1)
        if key in wanted:
            yield f"status {key}", " ".join(value.split())


def limit_facts(base):
    for line in read(base + "/limits").splitlines()[1:]:
        yield "limit " + " ".join(line[:26].split()), " ".join(line[26:].split())


def is_seen(base, point, number):
    """Is it the mount of that number that the process sees there, or does another cover it?"""
    try:
        fd = os.open(f"{base}/root{point}", os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return False
    info = read(f"/proc/self/fdinfo/{fd}")
    os.close(fd)
    return f"mnt_id:\t{number}\n" in info


def mount_facts(base):
    for line in read(base + "/mountinfo").splitlines():
        left, right = line.split(" - ", 1)
        fields = left.split()
        root, point, options = fields[3], fields[4], fields[5]
        # Mounted when somebody looks at it, and what the machine has never is in a sandbox
        # that is older.
        if point == "/proc/sys/fs/binfmt_misc" or not is_seen(base, point, fields[0]):
            continue
        # Peer groups have numbers; that there is one, and how it is joined, counts.
        joined = ",".join(sorted(f.split(":")[0] for f in fields[6:]))
        # Of other units, when they happened to start.
        if point.startswith("/run/credentials/"):
            continue
        fstype, source, superblock = right.split(" ", 2)
        # What a kernel version prints of itself: a size that is the default or not,
        # the source of a file system that has none.
        if fstype == "tmpfs":
            superblock = re.sub(r",(size|nr_inodes)=[0-9a-z]+", "", superblock)
        if fstype in ("pstore", "devtmpfs"):
            source = "none"
        # A filesystem of a number that its maker counts up (autofs's pipe).
        superblock = re.sub(r"\b(fd|pgrp|pipe_ino)=\d+", r"\1=N", superblock)
        yield (f"mount {plain(point)}",
               f"{plain(root)} {options} [{joined}] {fstype} {source} {superblock}")


def descriptor_facts(base):
    for fd in os.listdir(base + "/fd"):
        try:
            target = os.readlink(f"{base}/fd/{fd}")
        except FileNotFoundError:
            continue
        flags = ""
        for line in read(f"{base}/fdinfo/{fd}").splitlines():
            if line.startswith("flags:"):
                flags = line.split()[1]
        # A connection that comes and goes is no property of the process.
        if target.startswith("socket:"):
            continue
        yield f"fd {int(fd):3}", plain(re.sub(r"\[\d+\]$", "[N]", target)) + " " + flags


def namespace_facts(base):
    """Which namespaces are its own, not those of PID 1."""
    for name in os.listdir(base + "/ns"):
        mine = os.readlink(f"{base}/ns/{name}")
        init = os.readlink(f"/proc/1/ns/{name}")
        yield f"namespace {name}", "init's" if mine == init else "own"


def socket_facts(base):
    inodes = set()
    for fd in os.listdir(base + "/fd"):
        try:
            target = os.readlink(f"{base}/fd/{fd}")
        except FileNotFoundError:
            continue
        inodes.add(target.removeprefix("socket:[").removesuffix("]"))
    for family in ("tcp", "tcp6"):
        for line in read(f"{base}/net/{family}").splitlines()[1:]:
            fields = line.split()
            # TCP_LISTEN, include/net/tcp_states.h
            if fields[3] == "0A" and fields[9] in inodes:
                yield f"listen {family} {fields[1]}", "uid " + fields[7]


def other_facts(base):
    for link in ("exe", "cwd", "root"):
        yield link, plain(os.readlink(f"{base}/{link}"))
    for name in ("cmdline", "environ"):
        with open(f"{base}/{name}", "rb") as f:
            data = f.read()
        if name == "environ":
            # By name, with a checksum: values may be long. INVOCATION_ID and the like included.
            for entry in data.split(b"\0"):
                if entry:
                    key, _, value = entry.partition(b"=")
                    yield ("environ " + key.decode("utf-8", "replace"),
                           hashlib.sha256(value).hexdigest()[:16])
        else:
            yield name, data.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    for name in ("oom_score_adj", "cgroup", "personality", "timerslack_ns", "coredump_filter"):
        yield name, read(f"{base}/{name}").strip()
    tasks = sorted(read(f"{base}/task/{t}/comm").strip() for t in os.listdir(base + "/task"))
    yield "threads", " ".join(tasks)


def main():
    base = f"/proc/{int(sys.argv[1])}"
    facts = []
    for source in (status_facts, limit_facts, mount_facts, descriptor_facts, namespace_facts,
                   socket_facts, other_facts):
        facts += list(source(base))
    for key, value in sorted(facts):
        print(f"{key}: {value}")


if __name__ == "__main__":
    main()
