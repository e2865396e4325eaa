# SPDX-License-Identifier: GPL-2.0-only
"""How long the next kernel takes to bring up its other CPUs: by the mailbox, and by INIT and SIPI.

In one guest nvwa replaces a kernel by itself again and again, by turns with CPUs parked and without; what
counts is the time between the kernel's own two lines about it, by the guest's clock.
"""

import re
import time
from statistics import median

import memory
from guest import NEW, Failure, Guest, indented
from sides import packages

NAME = "cpu_bringup"
CPUS = 4
MEMORY = 2048   # MB
CONFIG = "/etc/nvwa/nvwa-server.yaml"
# Side: what cpu_park: is, and in words.
SIDES = {"ours": ("yes", "the mailbox of the ACPI specification, from the park area"),
         "other": ("no", "INIT and SIPI, as after kexec-tools")}


def brought_up(log):
    """ms."""
    found = [re.search(rf"\[ *([0-9.]+)\] smp: {what}", log)
             for what in ("Bringing up secondary CPUs", "Brought up")]
    if not all(found):
        raise Failure("the kernel log does not tell when CPUs were brought up")
    return (float(found[1].group(1)) - float(found[0].group(1))) * 1e3


def one(guest, side):
    guest.sh(f"cat >{CONFIG}", stdin=f"cpu_park: {SIDES[side][0]}\n")
    fill, last = memory.ours(guest, "anon", 1, NEW, force=True)
    fill.verify()
    parked = "cpus-parked" in [stamp["step"] for stamp in last["timeline"]]
    if parked != (side == "ours"):
        raise Failure("CPUs were " + ("parked" if parked else "not parked"))
    online = guest.sh("cat /sys/devices/system/cpu/online").strip()
    if online != f"0-{CPUS - 1}":
        raise Failure(f"of the CPUs {online} are online")
    guest.no_splats()
    return {"ms": brought_up(guest.sh("dmesg")), "blackout_ms": last["blackout_ms"]}


def run_all(pairs, about, done):
    """The runs; done() is called after each."""
    runs = []
    with Guest(MEMORY, CPUS, NAME, kernel=NEW, packages=packages(kernels=(NEW,))) as guest:
        about.setdefault("guest", {}).update(guest.qemu())
        memory.install(guest)
        for pair in range(1, pairs + 1):
            for side in SIDES:
                result = {"name": NAME, "pair": pair, "side": side, "error": None}
                started = time.monotonic()
                try:
                    result |= one(guest, side)
                except Failure as failure:
                    result["error"] = str(failure)
                result["seconds"] = round(time.monotonic() - started)
                runs.append(result)
                done(runs)
                # The guest may be in any state.
                if result["error"]:
                    return runs
    return runs


def said(result):
    text = f"{NAME}, {result['side']}, pair {result['pair']}: "
    if result["error"]:
        return text + "FAILED:\n" + indented(result["error"])
    return text + f"{result['ms']:.0f} ms of {result['blackout_ms']:.0f} ms of blackout"


def good(runs, side):
    return [run for run in runs if run["side"] == side and not run["error"]]


def summary(runs):
    if not all(good(runs, side) for side in SIDES):
        return []
    mine, theirs = ([run["ms"] for run in good(runs, side)] for side in SIDES)
    share = median(run["ms"] / run["blackout_ms"] for run in good(runs, "ours"))
    return [{"name": NAME, "unit": "ms", "ours": round(median(mine), 1),
             "other": round(median(theirs), 1),
             "ratio": round(median(theirs) / median(mine), 2),
             "share_of_blackout": round(share, 3), "runs": min(len(mine), len(theirs)),
             "spread": {"ours": memory.spread(mine), "other": memory.spread(theirs)}}]


def rows(runs):
    """[(what, median ms, least, most, runs)]"""
    out = []
    for side, (_, what) in SIDES.items():
        times = [run["ms"] for run in good(runs, side)]
        if times:
            out.append((what, median(times), min(times), max(times), len(times)))
    return out


def as_text(results, runs):
    out = [f"bringing up {CPUS - 1} CPUs: median, least to most"]
    out += [f"  {what:<60} {middle:6.0f} ms  {least:.0f}-{most:.0f}  ({count} runs)"
            for what, middle, least, most, count in rows(runs)]
    out += [f"  {100 * result['share_of_blackout']:.1f} % of nvwa's blackout"
            for result in results]
    return "\n".join(out)


def as_markdown(results, runs):
    out = [f"| bringing up {CPUS - 1} CPUs | median, ms | least to most | runs |",
           "|---|---:|---:|---:|"]
    out += [f"| {what} | {middle:.0f} | {least:.0f} to {most:.0f} | {count} |"
            for what, middle, least, most, count in rows(runs)]
    out += [f"\nIt is {100 * result['share_of_blackout']:.1f} % of nvwa's blackout."
            for result in results]
    return "\n".join(out) + "\n"
