# SPDX-License-Identifier: GPL-2.0-only
"""How long a service is away while the kernel changes: what a client sees by the clock on the wall.

A small server (tests/workloads/echo.c) is asked from outside every 10 ms with a datagram; the longest time
without an answer counts. The four ways take turns, each in a guest booted for it.
"""

import json
import os
import signal
import subprocess
import time
from statistics import median

from guest import BUILD, GUEST_IP, NEW, TOP, Failure, Guest, indented, release
from sides import other_install, packages, update_with

NAME = "downtime"
PORT = 7
PERIOD_MS = 10
WAIT_S = 120    # for answers, once the new kernel runs
PROGRAM = os.path.join(BUILD, "tests", "workloads", "echo")
UNIT = f"""[Unit]
Description=Answers what it is sent

[Service]
ExecStart=/usr/local/bin/echo {PORT}
StandardOutput=null
StandardError=null

[Install]
WantedBy=multi-user.target
"""
# In words, in the order of the table.
WAYS = {
    "reboot": "a plain reboot: `systemctl reboot`",
    "kexec": "`kexec -e`: the next kernel is loaded before, nothing is shut down",
    "criu": "stock CRIU and kexec-tools",
    "nvwa": "nvwa",
}


def build():
    subprocess.run(["make", "-s", "-C", os.path.join(TOP, "tests", "workloads"), "../../build/tests/workloads/echo"],
                   check=True)


class Probe:
    """tests/clients/probe.py in the guest's network."""

    def __init__(self):
        env = {"NVWA_LAB": "bench"} | os.environ
        self.file = os.path.join(BUILD, "bench", "probe.progress")
        command = [os.path.join(TOP, "lab", "netns"), "--",
                   os.path.join(TOP, "tests", "clients", "probe.py"), GUEST_IP, str(PORT),
                   "--period", str(PERIOD_MS), "--progress", self.file]
        if os.path.exists(self.file):
            os.remove(self.file)
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)

    def answered(self):
        try:
            with open(self.file, encoding="ascii") as file:
                return json.load(file)["requests"]
        except FileNotFoundError:
            return 0

    def wait(self):
        """Until another 100 answers have come."""
        before = self.answered()
        for _ in range(WAIT_S):
            time.sleep(1)
            if self.answered() > before + 100:
                return
        raise Failure("the program does not answer")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return json.loads(self.process.communicate()[0])


def start(guest):
    """The PID of the server: a service that every boot starts."""
    guest.push(PROGRAM, "/usr/local/bin/")
    guest.sh("cat >/etc/systemd/system/echo.service && "
             "echo 20000 >/proc/sys/kernel/ns_last_pid && "
             "systemctl -q enable --now echo.service", stdin=UNIT)
    return int(guest.sh("systemctl show -P MainPID echo").strip())


def reboot(guest, _pid):
    guest.run_to_boot("systemctl reboot")


def kexec(guest, _pid):
    guest.sh(f"kexec --load /boot/vmlinuz-{release(NEW)} --initrd=/boot/initrd.img-{release(NEW)} "
             "--reuse-cmdline && sync")
    guest.run_to_boot("exec kexec --exec")


def criu(guest, pid):
    # Only what is restored, and not the service as well.
    guest.sh("systemctl -q disable echo.service")
    other_install(guest)
    guest.run_to_boot(f"/usr/local/lib/bench/stock-update {pid} {release(NEW)} "
                      f"/boot/initrd.img-{release(NEW)}")
    guest.wait_for("/var/lib/bench/done")
    if guest.sh("test ! -e /var/lib/bench/failed || echo failed").strip():
        raise Failure("criu restore failed")


def nvwa(guest, _pid):
    update_with(guest, "services:\n- echo\npids:\n")


def run(way, number, options, about):
    result = {"name": NAME, "way": way, "pair": number, "error": None}
    started = time.monotonic()
    probe = None
    try:
        with Guest(options.memory, options.cpus, f"{NAME}-{number}-{way}",
                   packages=packages() if way == "nvwa" else ()) as guest:
            about.setdefault("guest", {}).update(guest.qemu())
            pid = start(guest)
            probe = Probe()
            probe.wait()
            {"reboot": reboot, "kexec": kexec, "criu": criu, "nvwa": nvwa}[way](guest, pid)
            probe.wait()
            seen = probe.end()
            result |= {"gap_ms": seen["gap_ms"], "probe": seen}
            guest.no_splats()
    except Failure as failure:
        result["error"] = str(failure)
    finally:
        if probe and probe.process.poll() is None:
            probe.process.kill()
            probe.process.wait()
    result["seconds"] = round(time.monotonic() - started)
    return result


def said(result):
    text = f"{NAME}, {result['way']}, round {result['pair']}: "
    if result["error"]:
        return text + "FAILED:\n" + indented(result["error"])
    return text + f"away for {result['gap_ms']:.0f} ms ({result['seconds']} s in all)"


def table(runs):
    """[(way, [ms])] of those that went well."""
    found = [(way, [run["gap_ms"] for run in runs if run["way"] == way and not run["error"]])
             for way in WAYS]
    return [(way, gaps) for way, gaps in found if gaps]


def summary(runs):
    """The entry of build/bench.json: other is the best of the stock ways that keeps the program."""
    gaps = dict(table(runs))
    if "nvwa" not in gaps or "criu" not in gaps:
        return []
    middle = {way: round(median(values), 1) for way, values in gaps.items()}
    return [{"name": NAME, "unit": "ms", "ours": middle["nvwa"], "other": middle["criu"],
             "ratio": round(middle["criu"] / middle["nvwa"], 2),
             "runs": min(len(values) for values in gaps.values()), "ways": middle}]


def rows(runs):
    """[(what, median ms, least, most, as a multiple of nvwa's, runs)]"""
    gaps = table(runs)
    mine = median(dict(gaps)["nvwa"]) if "nvwa" in dict(gaps) else None
    return [(WAYS[way], median(values), min(values), max(values),
             f"{median(values) / mine:.2f}" if mine else "-", len(values)) for way, values in gaps]


def as_text(runs):
    out = ["downtime as a client sees it, by the clock on the wall: median, least to most, times nvwa's"]
    out += [f"  {what:<70} {middle:7.0f} ms  {least:.0f}-{most:.0f}  {times}  ({count} runs)"
            for what, middle, least, most, times, count in rows(runs)]
    return "\n".join(out)


def as_markdown(runs):
    out = ["| downtime | median, ms | least to most | times nvwa's | runs |", "|---|---:|---:|---:|---:|"]
    out += [f"| {what} | {middle:.0f} | {least:.0f} to {most:.0f} | **{times}** | {count} |"
            for what, middle, least, most, times, count in rows(runs)]
    return "\n".join(out) + "\n"
