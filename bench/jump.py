# SPDX-License-Identifier: GPL-2.0-only
"""From the jump to the first instruction of user space in the next kernel.

In one guest: nvwa changes the kernel under a small program; then, after a boot from
the firmware each, kexec-tools starts the same kernel with an initramfs as large as nvwa's was,
once with the parameters that nvwa gave it, once with the machine's own. Guests run under QEMU's
-icount, whose clock counts instructions: what is given are millions of them.
"""

import os
import re
import time
from statistics import median

import initramfs
import memory
from guest import DEADLINE, OUT, Failure, Guest, indented, lab, release
from sides import packages, parameters_of
from table import fold, qemu_text

# Name: suite, kernel (from it to itself), the guest's MB.
JUMPS = {
    "jump_6.1_2g": ("bookworm", "6.1", 2048),
    "jump_7_2g": ("trixie", "7", 2048),
    "jump_6.1_16g": ("bookworm", "6.1", 16384),
}
# Name: the jump in the large machine, and the one that it is compared with.
RATIOS = {"jump_16g_over_2g": ("jump_6.1_16g", "jump_6.1_2g")}
# As Debian's installer has it; the console of the lab is a slow serial line.
APPEND = "quiet"
MB_OF_PROGRAM = 1
TICKS = 1e6     # of a clock that counts instructions, in a million of them


def wanted(names):
    """The jumps to be measured for these names."""
    out = [name for name in names if name in JUMPS]
    for name in names:
        out += [jump for jump in RATIOS.get(name, ()) if jump not in out]
    return out


def ours(guest, kernel):
    """Millions of instructions, nvwa's parameters, and the size of its initramfs in bytes."""
    fill, last = memory.ours(guest, "anon", MB_OF_PROGRAM, kernel, force=True)
    fill.verify()
    stamps = {}
    for stamp in last["timeline"]:
        stamps.setdefault(stamp["step"], stamp["tsc"])
    parameters = parameters_of(guest)
    disk = re.search(r"RAMDISK: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]", guest.sh("dmesg"))
    if not disk or not parameters:
        raise Failure("the next kernel does not tell its parameters or its initramfs")
    start, end = (int(number, 16) for number in disk.groups())

    def span(since, until):
        return (stamps[until] - stamps[since]) / TICKS

    return {"ours": span("jump", "init-start"),
            "steps": {"devices are shut down, the jump": span("jump", "kernel-entry"),
                      "the kernel boots": span("kernel-entry", "init-start")},
            "parameters": parameters, "initramfs": end + 1 - start,
            "from": last["from"], "to": last["to"]}


def moments(console):
    """What bench-tsc and bench-first have said on the console."""
    with open(console, encoding="utf-8", errors="replace") as log:
        text = log.read()
    return ([int(tsc) for tsc in re.findall(rf"bench-{what} (\d+)\s", text)]
            for what in ("jump", "first"))


def other(guest, kernel, size, append):
    """kexec-tools, from reboot(2) to /init, which ends in a boot from the firmware."""
    guest.sh("systemctl is-system-running --wait >/dev/null || :")
    file = os.path.join(OUT, "first.cpio")
    with open(file, "wb") as out:
        out.write(initramfs.that_ends(size))
    guest.push(file, "/root/first.cpio")
    name = release(kernel, guest.suite)
    guest.sh(f"kexec --load /boot/vmlinuz-{name} --initrd=/root/first.cpio --reuse-cmdline "
             f"--append='{append}' && sync")
    console = lab("console", "--path")[1].strip()
    before = len(list(moments(console))[1])
    lab("sh", "--", "exec bench-tsc --jump", check=False)
    for _ in range(DEADLINE):
        jumps, firsts = moments(console)
        if jumps and len(firsts) > before:
            return (firsts[-1] - jumps[-1]) / TICKS
        time.sleep(1)
    raise Failure("the kernel that kexec-tools started did not get to its /init")


def without_each(guest, kernel, result):
    """What kexec-tools takes with all of nvwa's parameters but one: {parameter: millions}."""
    words = result["parameters"].split()
    out = {}
    for word in words:
        out[word] = other(guest, kernel, result["initramfs"],
                          " ".join(each for each in words if each != word))
        print(f"  without {word}: {out[word]:.1f}", flush=True)
    return out


def savings(run):
    """What each parameter saves, the most first: [(text, millions)]."""
    saved = {word: least - run["other"] for word, least in run.get("without", {}).items()}
    return [(f"saved by {word}", round(least, 1))
            for word, least in sorted(saved.items(), key=lambda item: -item[1])]


def run(name, number, options, about):
    suite, kernel, megabytes = JUMPS[name]
    result = {"name": name, "pair": number, "error": None}
    started = time.monotonic()
    try:
        if memory.host_free() < min(megabytes, 4096) + memory.HOST_SPARE:
            raise Failure("too little memory is free on this machine")
        with Guest(megabytes, 1, f"{name}-{number}", suite, kernel, packages(suite, (kernel,)),
                   ("--accel", "icount", "--append", APPEND)) as guest:
            about.setdefault("guest", {}).update(guest.qemu())
            memory.install(guest)
            result |= ours(guest, kernel)
            if not options.side and name not in (large for large, _ in RATIOS.values()):
                result["kexec"] = guest.sh("kexec --version").split()[-1]
                guest.run_to_boot("systemctl reboot --force --force")
                for side, append in (("other", result["parameters"]), ("plain", "")):
                    result[side] = other(guest, kernel, result["initramfs"], append)
                if options.parameters:
                    result["without"] = without_each(guest, kernel, result)
            guest.no_splats()
    except Failure as failure:
        result["error"] = str(failure)
    result["seconds"] = round(time.monotonic() - started)
    return result


def said(result):
    text = f"{result['name']}, round {result['pair']}: "
    if result["error"]:
        return text + "FAILED:\n" + indented(result["error"])
    text += f"{result['ours']:.1f} million instructions"
    if "other" in result:
        text += f", kexec-tools {result['other']:.1f}, {result['plain']:.1f} with plain parameters"
    return text + f" ({result['seconds']} s in all)"


# --- from runs to figures -------------------------------------------------------


def good_runs(runs, name):
    return [run for run in runs if run["name"] == name and not run["error"]]


def summary(runs):
    """The entries of build/bench.json."""
    results = []
    for name in JUMPS:
        good = good_runs(runs, name)
        if not good or name in (large for large, _ in RATIOS.values()):
            continue
        ours_all = [run["ours"] for run in good]
        result = {"name": name, "unit": "million instructions", "ours": round(median(ours_all), 1),
                  "runs": len(good), "from": good[0]["from"], "to": good[0]["to"],
                  "initramfs_kb": good[0]["initramfs"] >> 10,
                  "steps": {step: round(median(run["steps"][step] for run in good), 1)
                            for step in good[0]["steps"]},
                  "spread": {"ours": memory.spread(ours_all)}}
        both = [run for run in good if "other" in run]
        if both:
            for side in ("other", "plain"):
                result[side] = round(median(run[side] for run in both), 1)
            result["ratio"] = round(result["other"] / result["ours"], 2)
            result["plain_ratio"] = round(result["plain"] / result["ours"], 2)
            result["spread"]["other"] = memory.spread([run["other"] for run in both])
            result["savings"] = savings(both[-1])
        results.append(result)
    for name, (large, small) in RATIOS.items():
        pair = [good_runs(runs, jump) for jump in (large, small)]
        if all(pair):
            most, least = (median(run["ours"] for run in good) for good in pair)
            results.append({"name": name, "unit": "ratio", "ours": round(most / least, 3),
                            "large": round(most, 1), "small": round(least, 1),
                            "runs": min(len(good) for good in pair)})
    return results


def setting(about):
    return f"1 CPU, -icount shift=0, {qemu_text(about['guest'])}"


def as_text(results, about):
    form = "{:<18} {:>9} {:>9} {:>7} {:>9} {:>7}  {}"
    out = ["from the jump to the first instruction of user space, millions of instructions",
           fold(setting(about)), "",
           form.format("", "nvwa", "kexec", "ratio", "plain", "ratio", "")]
    for result in results:
        if result["name"] in RATIOS:
            out.append(f"{result['name']:<18} {result['ours']:>9}  ({result['large']} and "
                       f"{result['small']})")
            continue
        out.append(form.format(result["name"], result["ours"], result.get("other", "-"),
                               result.get("ratio", "-"), result.get("plain", "-"),
                               result.get("plain_ratio", "-"),
                               f"{result['from']} to itself, {result['runs']} runs"))
        out += [f"  {step:<40} {value:9.1f}" for step, value in
                sorted(result["steps"].items(), key=lambda item: -item[1])]
        out += [f"  {text:<50} {saved:9.1f}" for text, saved in result.get("savings", [])]
    out += ["", "kexec: kexec-tools, an initramfs of the same size and nvwa's parameters; plain: with",
            "the machine's own parameters"]
    return "\n".join(out)


def as_markdown(results, about):
    out = [fold(setting(about)), "",
           "| | nvwa | kexec-tools, same parameters | ratio | kexec-tools, plain | ratio | runs | |",
           "|---|---:|---:|---:|---:|---:|---:|---|"]
    for result in results:
        if result["name"] in RATIOS:
            out.append(f"| **{result['name']}** | **{result['ours']}** | | | | | {result['runs']} "
                       f"| {result['large']} and {result['small']} |")
            continue
        out.append(f"| **{result['name']}** | {result['ours']} | {result.get('other', '-')} | "
                   f"**{result.get('ratio', '-')}** | {result.get('plain', '-')} | "
                   f"{result.get('plain_ratio', '-')} | {result['runs']} | {result['from']} to "
                   f"itself, nvwa's initramfs: {result['initramfs_kb']} KiB |")
        out += [f"| {step} | {value} | | | | | | |" for step, value in
                sorted(result["steps"].items(), key=lambda item: -item[1])]
        out += [f"| {text} | | {saved} | | | | | |" for text, saved in result.get("savings", [])]
    out += ["", "In millions of instructions."]
    return "\n".join(out) + "\n"
