#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel and PID 1 have derived from the machine, one sorted line a fact.

usage: machine.py                      print the facts, "NAME<tab>VALUE" a line
       machine.py --compare A B        compare two such files; fails if they differ

Runs in the guest, and with --compare anywhere. The comparison knows which
facts differ from boot to boot by their nature, and by how much: see TOLERATED.
"""

import glob
import os
import re
import subprocess
import sys


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return " ".join(f.read().split())
    except (OSError, ValueError):
        return None


# Counters, state and identities, which are no property of the machine.
NOT_FACTS = re.compile(
    r"/(random/(uuid|boot_id|entropy_avail)|ns_last_pid|pty/nr|(dentry|inode|file)-(state|nr)|inode-nr"
    r"|aio-nr|file-nr|tainted|hotplug|modprobe|core_pattern|cad_pid|hostname|domainname"
    r"|nf_conntrack_count|quota/[a-z]+|stat_refresh|bootloader_(type|version)|binfmt_misc/.*"
    r"|perf_event_max_sample_rate|max_lock_depth|version|osrelease"
    r"|sched_domain/.*|fail_over_mac|base_reachable_time(_ms)?|usermodehelper/.*)$")


def sysctl_facts():
    for where, _, names in os.walk("/proc/sys"):
        for name in names:
            path = f"{where}/{name}"
            if NOT_FACTS.search(path):
                continue
            value = read(path)
            if value is not None:
                yield "sysctl " + path.removeprefix("/proc/sys/"), value


def parameter_facts():
    """Parameters of the kernel's parts and modules; of the command line: see hash tables."""
    for path in glob.glob("/sys/module/*/parameters/*"):
        value = read(path)
        # What damon_stat measures shows as parameters, too.
        if value is not None and "/damon_stat/" not in path:
            module, _, name = path.removeprefix("/sys/module/").split("/")
            yield f"parameter {module}.{name}", value


def mm_facts():
    for path in (glob.glob("/sys/kernel/mm/**", recursive=True) +
                 glob.glob("/sys/devices/system/node/node*/hugepages/**", recursive=True)):
        if os.path.isfile(path) and "/stats/" not in path:
            name = path.removeprefix("/sys/kernel/mm/").removeprefix("/sys/devices/system/node/")
            if re.search(r"pages_(collapsed|shar|skip|unshar|volatile|scan)|full_scans|general_profit"
                         r"|alloc_sleep|free_hugepages|resv|stable_node|ksm_(zero|merg|rmap|proc)"
                         r"|numa/demotion|mempolicy/.*weight", name):
                continue
            value = read(path)
            if value is not None:
                yield "mm " + name, value
    for path in ("power/disk", "power/state", "power/image_size", "power/mem_sleep",
                 "kernel/kexec_crash_size", "kernel/rcu_expedited", "kernel/rcu_normal",
                 "devices/system/memory/block_size_bytes",
                 "devices/system/memory/auto_online_blocks",
                 "devices/system/clocksource/clocksource0/current_clocksource",
                 "devices/system/cpu/online", "devices/system/node/has_normal_memory",
                 "devices/system/node/has_memory", "module/memory_hotplug/parameters/online_policy"):
        value = read("/sys/" + path)
        if value is not None:
            yield "sys " + path, value


def zone_facts():
    node = None
    text = open("/proc/zoneinfo", encoding="ascii").read()
    for line in text.splitlines():
        found = re.match(r"Node (\d+), zone +(\w+)", line)
        if found:
            node = f"zone {found[1]} {found[2]} "
            continue
        found = re.match(r" +(spanned|present|managed|min|low|high|boost|batch|high_max"
                         r"|start_pfn):? +(\d+)$", line)
        if found and node:
            # Of the per-CPU lines the first stands for all.
            yield node + found[1], found[2]
        found = re.match(r" +protection: \((.*)\)", line)
        if found and node:
            yield node + "protection", found[1]


def block_facts():
    """Memory blocks in rows that are alike; blocks that are not RAM at all have no entry."""
    rows = []
    for path in glob.glob("/sys/devices/system/memory/memory[0-9]*"):
        nodes = ",".join(sorted(os.path.basename(n) for n in glob.glob(path + "/node[0-9]*")))
        what = f"{read(path + '/state')} {nodes} {read(path + '/valid_zones')}"
        rows.append((int(re.sub(r".*memory", "", path)), what))
    rows.sort()
    while rows:
        first, what = rows[0]
        nr = 1
        while nr < len(rows) and rows[nr] == (first + nr, what):
            nr += 1
        yield f"blocks from {first:4}", f"{nr} {what}"
        rows = rows[nr:]


def meminfo_facts():
    for name in ("MemTotal", "SwapTotal", "HugePages_Total", "Hugepagesize", "Hugetlb",
                 "CmaTotal", "HardwareCorrupted", "VmallocTotal", "CommitLimit"):
        found = re.search(rf"^{name}: +(.*)$", open("/proc/meminfo", encoding="ascii").read(),
                          re.M)
        if found:
            yield "meminfo " + name, found[1]
    for path in glob.glob("/sys/devices/system/node/node*/meminfo"):
        found = re.search(r"Node (\d+) MemTotal: +(.*)", open(path, encoding="ascii").read())
        yield f"meminfo MemTotal node {found[1]}", found[2]


def limit_facts():
    """Of PID 1, and of what systemd starts."""
    def limits(name, pid):
        for line in open(f"/proc/{pid}/limits", encoding="ascii").read().splitlines()[1:]:
            yield f"limit {name} " + " ".join(line[:26].split()), " ".join(line[26:].split())
    yield from limits("pid1", 1)
    service = subprocess.run(["systemctl", "show", "-P", "MainPID", "systemd-journald"],
                             capture_output=True, text=True, check=False).stdout.strip()
    yield from limits("journald", service)
    yield from limits("login", "self")


def boot_facts():
    log = subprocess.run(["journalctl", "-b", "-k", "-o", "cat", "--no-pager"],
                         capture_output=True, text=True, check=False).stdout
    for found in re.finditer(r"^([\w -]*) (?:hash table )?entries: (\d+) \(", log, re.M):
        yield "table " + found[1].removesuffix(" hash table"), found[2]
    for found in re.finditer(r"DMA: preallocated (\d+ \w+) (\S+) pool", log):
        yield "dma pool " + found[2], found[1]
    for found in re.finditer(r"software IO TLB: (?:mapped|area).*\((\d+MB)\)", log):
        yield "swiotlb", found[1]
    for found in re.finditer(r"^\[mem (\S+)\] available for PCI devices", log, re.M):
        yield "PCI gap", found[1]
    for found in re.finditer(r"^e820: last_pfn = (\S+) ", log, re.M):
        yield "last pfn", found[1]
    nslabs = read("/sys/kernel/debug/swiotlb/io_tlb_nslabs")
    if nslabs is not None:
        yield "swiotlb slabs", nslabs


def filesystem_facts():
    for line in open("/proc/self/mounts", encoding="utf-8"):
        _, where, kind, options = line.split()[:4]
        if kind in ("tmpfs", "devtmpfs") and "/credentials/" not in where:
            st = os.statvfs(where)
            yield f"fs {where} size", str(st.f_blocks * st.f_frsize // 1024)
            yield f"fs {where} inodes", str(st.f_files)
            yield f"fs {where} options", re.sub(r"(,size|,nr_inodes)=[0-9a-zA-Z%]+", "", options)


def systemd_facts():
    shown = subprocess.run(["systemctl", "show"], capture_output=True, text=True,
                           check=False).stdout
    for line in shown.splitlines():
        if re.match(r"Default(Limit|Tasks|Memory)", line):
            name, value = line.split("=", 1)
            yield "systemd " + name, value
    for unit in ("init.scope", "system.slice", "user.slice", "user-0.slice", "nvwa-percent.service",
                 "systemd-journald.service"):
        base = "/sys/fs/cgroup/"
        path = subprocess.run(["systemctl", "show", "-P", "ControlGroup", unit],
                              capture_output=True, text=True, check=False).stdout.strip()
        if not path:
            continue
        for name in ("memory.max", "memory.high", "memory.min", "memory.low", "memory.swap.max",
                     "pids.max"):
            value = read(base + path + "/" + name)
            if value is not None:
                yield f"cgroup {unit} {name}", value


SOURCES = (sysctl_facts, parameter_facts, mm_facts, zone_facts, block_facts, meminfo_facts,
           limit_facts, boot_facts, filesystem_facts, systemd_facts)

# struct pages of memory that is added later count as part of it; at boot they do not.
MAP = "struct pages of added memory are counted as memory"
# The initramfs of an ordinary boot is larger.
INITRAMFS = "derived from what was free at one moment of the boot"
FIXED = "the kernel has no parameter for it"
FOR_NOW = "for this boot only: hibernation is off"

# (name, by what part of it a number may differ, why); None: altogether.
TOLERATED = (
    (r"meminfo (MemTotal.*|CommitLimit)", 0.018, MAP),
    # They lie in one zone or another, which may be a small one.
    (r"zone \d+ \w+ (managed|min|low|high|high_max|batch|protection)", 0.06, MAP),
    (r"zone \d+ DMA (min|low|high|protection)", 0.1, MAP),
    (r"zone 0 DMA present", 0.01, "CPUs are parked in memory that is no RAM to the kernel"),
    (r"cgroup (init.scope|systemd-journald.service) pids.max", None,
     "systemd computes it again at a daemon-reload, when its own sysctls are set"),
    (r"cgroup .*", 0.018, MAP),
    (r"fs .* (size|inodes)", 0.018, MAP),
    (r"limit \w+ Max locked memory", 0.018, MAP),
    (r"parameter (fuse|dm_bufio)\..*", 0.025, MAP),
    (r"limit \w+ Max (pending signals|processes)", 0.01, INITRAMFS),
    (r"systemd Default.*", 0.01, INITRAMFS),
    (r"sysctl kernel/threads-max", 0.01, INITRAMFS),
    (r"sysctl user/max_.*", 0.01, INITRAMFS),
    (r"sysctl fs/(epoll|inotify|fanotify)/.*", 0.01, INITRAMFS),
    (r"sysctl net/ipv4/(tcp|udp)_[rw]?mem", 0.01, INITRAMFS),
    (r"sysctl net/ipv4/inet_peer_threshold", 0.01, INITRAMFS),
    (r"sysctl vm/(user|admin)_reserve_kbytes", 0.03, INITRAMFS),
    (r"sys power/image_size", 0.01, INITRAMFS),
    (r"sys power/(disk|state)", None, FOR_NOW),
    (r"table (IP idents|MPTCP token)", None, FIXED),
    (r"dma pool GFP_KERNEL", None,
     "made only if zone Normal has free memory early in the boot; for machines that encrypt it"),
    (r"table tcp_listen_portaddr_hash", None, "thash_entries= counts for it as well; it is larger"),
    (r"parameter cryptomgr.notests", None, "for this boot only: ciphers are not tested again"),
)

# With several nodes; the kernel takes some 50 MB.
TOLERATED_OF_NODES = tuple(
    (name, 0.08, "at each boot the kernel itself lies on one node or another (KASLR)")
    for name in (r"meminfo MemTotal node \d+", r"zone \d+ \w+ (managed|min|low|high|high_max|batch)"))


def collect():
    facts = {}
    for source in SOURCES:
        for name, value in source():
            facts.setdefault(name, value)
    for name in sorted(facts):
        print(f"{name}\t{facts[name]}")


def load(path):
    facts = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            name, value = line.rstrip("\n").split("\t", 1)
            facts[name] = value
    return facts


def alike(a, b, part):
    """The same words, with numbers that differ by no more than a part of the first."""
    number = re.compile(r"\d+")
    if a is None or b is None or number.sub("#", a) != number.sub("#", b):
        return False
    return all(abs(int(x) - int(y)) <= part * int(x)
               for x, y in zip(number.findall(a), number.findall(b)))


def compare(a, b):
    """Print what differs; how many facts differ that may not."""
    wrong = 0
    several_nodes = any(name.startswith("zone 1 ") for name in a)
    tolerated = TOLERATED + (TOLERATED_OF_NODES if several_nodes else ())
    for name in sorted(set(a) | set(b)):
        x, y = a.get(name), b.get(name)
        if x == y:
            continue
        for pattern, part, why in tolerated:
            if re.fullmatch(pattern, name) and (part is None or alike(x, y, part)):
                print(f"like\t{name}\t{x}\t{y}\t{why}")
                break
        else:
            print(f"WRONG\t{name}\t{x}\t{y}")
            wrong += 1
    return wrong


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--compare":
        sys.exit(compare(load(sys.argv[2]), load(sys.argv[3])) != 0)
    collect()
