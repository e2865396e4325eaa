# SPDX-License-Identifier: GPL-2.0-only
"""The two sides of a pair. Each changes the kernel under redis, and says what it took.

A side returns {"blackout_ms", "phases": {name: ms}, "steps": {name: ms}, "versions"}; the phases
have the same names and the same meaning on both sides.
"""

import glob
import json
import os
import re

import initramfs
from guest import BENCH, BUILD, NEW, OLD, OUT, SUITE, Failure, release

# In words, what the phases of a blackout are on either side.
PHASES = {
    "freeze": "the program is taken out of the old kernel",
    "jump and boot": "until the first instruction of user space in the next kernel",
    "adopt": "until the machine's own init starts",
    "resume": "until the program runs again",
}


def packages(suite=SUITE, kernels=(OLD, NEW)):
    """nvwa's packages, as the project built them."""
    found = []
    for name in ("nvwa", *(f"nvwa-modules-{release(kernel, suite)}" for kernel in kernels)):
        files = glob.glob(os.path.join(BUILD, f"{name}_*_amd64.deb"))
        if not files:
            raise Failure(f"there is no package {name} in build/: run make setup deb modules")
        found += files
    return found


def update(guest, pid, target=NEW, force=False):
    """Change the kernel under a program with nvwa; what nvwa says of it."""
    return update_with(guest, f"services:\npids:\n- {pid}\n", target, force)


def update_with(guest, carried, target=NEW, force=False):
    """The same, with the text of nvwa-restore.yaml."""
    guest.sh("mkdir -p /etc/nvwa && cat >/etc/nvwa/nvwa-restore.yaml", stdin=carried)
    guest.run_to_jump(f"nvwa update {'--force ' if force else ''}{release(target, guest.suite)}",
                      target)
    if guest.wait_for("/run/nvwa/settled", "/run/nvwa/failed") != "/run/nvwa/settled":
        raise Failure("nvwa: " + guest.sh("cat /run/nvwa/failed").strip())
    last = json.loads(guest.sh("nvwa status --json"))["last"]
    if last["outcome"] != "resumed":
        raise Failure(f"nvwa: {last['outcome']}: {json.dumps(last['apps'])}")
    return last


def steps_of(last):
    """The time from each stamp of nvwa's time line to the next, ms."""
    stamps = last["timeline"]
    return {f"{this['step']} > {following['step']}":
            (following["tsc"] - this["tsc"]) / last["tsc_khz"]
            for this, following in zip(stamps, stamps[1:])}


def parameters_of(guest):
    """What nvwa has added to the running kernel's command line."""
    return guest.sh("cat /proc/cmdline").strip().partition(" nvwa=1 ")[2]


def ours(guest, _parameters):
    return measured(guest, update(guest, guest.pid))


def ours_service(guest, _parameters):
    return measured(guest, update_with(guest, "services:\n- redis-server.service\npids:\n"))


def measured(guest, last):
    phases = {phase["name"]: phase["ms"] for phase in last["phases"]}
    return {"blackout_ms": last["blackout_ms"],
            "phases": {name: phases[name] for name in PHASES},
            "steps": steps_of(last), "pages": last["pages"],
            "parameters": parameters_of(guest),
            "versions": {"nvwa": guest.sh("nvwa --version").split()[-1]}}


def other_install(guest):
    guest.push(os.path.join(OUT, "bench-tsc"), "/usr/local/bin/")
    files = os.path.join(BENCH, "guest")
    guest.push(os.path.join(files, "stock-update"), os.path.join(files, "stock-restore"),
               "/usr/local/lib/bench/")
    guest.push(os.path.join(files, "bench-restore.service"), "/etc/systemd/system/")
    guest.sh("systemctl -q enable bench-restore.service")


def tsc_khz(log):
    for pattern in (r"Refined TSC clocksource calibration: ([0-9.]+) MHz",
                    r"tsc: Detected ([0-9.]+) MHz"):
        found = re.search(pattern, log)
        if found:
            return float(found.group(1)) * 1000
    raise Failure("the kernel log does not tell the frequency of the TSC")


def first_moment(guest, log, khz):
    """The start of the initramfs: what it says itself, or the kernel does."""
    said = guest.sh("cat /run/bench-first 2>/dev/null", check=False).split()
    if said:
        return int(said[1])
    init = re.search(r"\[ *([0-9.]+)\] Run /init as init process", log)
    mark = re.findall(r"\[ *([0-9.]+)\] bench-tsc ([0-9]+)", log)
    if not init or not mark:
        raise Failure("the kernel log does not tell when user space began")
    return int(mark[-1][1]) - int((float(mark[-1][0]) - float(init.group(1))) * 1e3 * khz)


def debian(guest, _parameters):
    """As the distribution has it: its initramfs, the machine's parameters."""
    return stock(guest, f"/boot/initrd.img-{release(NEW)}", "")


def small(guest, parameters):
    """With a small initramfs, and what nvwa knows to save time."""
    if parameters is None:
        raise Failure("nvwa's side has not told its parameters")
    file = os.path.join(OUT, "boots.cpio")
    with open(file, "wb") as out:
        out.write(initramfs.that_boots(guest, release(NEW)))
    guest.push(file, "/root/boots.cpio")
    return stock(guest, "/root/boots.cpio", parameters)


def stock(guest, initrd, parameters):
    guest.run_to_jump(f"/usr/local/lib/bench/stock-update {guest.pid} {release(NEW)} "
                      f"{initrd} '{parameters}'")
    try:
        guest.wait_for("/var/lib/bench/done")
        if guest.sh("test ! -e /var/lib/bench/failed || echo failed").strip():
            raise Failure("criu restore failed")
    except Failure as failure:
        tail = guest.sh("systemctl status --no-pager bench-restore; "
                        "tail -n 20 /var/lib/bench/*/restore.log", check=False)
        raise Failure(f"{failure}\n{tail.strip()}") from failure
    stamps = {}
    for line in guest.sh("cat /var/lib/bench/stamps").splitlines():
        step, value = line.split()
        stamps[step] = int(value)
    # The boot left no stamps of ours: the kernel's and systemd's own are put on the TSC's line.
    pair = guest.sh("bench-tsc --clocks").split()
    log = guest.sh("dmesg")
    khz = tsc_khz(log)
    systemd = int(guest.sh("systemctl show -P UserspaceTimestampMonotonic"))
    stamps["systemd"] = int(pair[0]) - int((int(pair[1]) / 1e6 - systemd / 1e3) * khz)
    stamps["init"] = first_moment(guest, log, khz)

    def span(start, end):
        return (stamps[end] - stamps[start]) / khz

    order = ["freeze", "dumped", "jump", "init", "systemd", "unit", "restore", "resumed"]
    versions = guest.sh("criu --version | head -n 1; kexec --version; redis-server --version")
    criu, kexec, redis = (re.search(r"[0-9]+(\.[0-9]+)+", line).group()
                          for line in versions.strip().splitlines())
    return {"blackout_ms": span("freeze", "resumed"),
            "phases": {"freeze": span("freeze", "jump"), "jump and boot": span("jump", "init"),
                       "adopt": span("init", "systemd"), "resume": span("systemd", "resumed")},
            "steps": {f"{a} > {b}": span(a, b) for a, b in zip(order, order[1:])},
            "versions": {"criu": criu, "kexec-tools": kexec, "redis": redis}}


# Side: what is in the guest's image besides, what is put into the guest, what is measured.
SIDES = {"ours": (packages, lambda guest: None, ours),
         "other": (lambda: (), other_install, debian)}
# Of the blackout of a small program: other is as near to nvwa as stock tools can be.
SMALL_SIDES = {"ours": SIDES["ours"],
               "other": (lambda: (), other_install, small),
               "debian": SIDES["other"]}
# Of a small service: stock tools can restore it as a program, without its sandbox.
SERVICE_SIDES = SMALL_SIDES | {"ours": (packages, lambda guest: None, ours_service)}
