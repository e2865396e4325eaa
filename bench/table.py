# SPDX-License-Identifier: GPL-2.0-only
"""From runs to figures: medians, ratios, spread; the table, and its place in the doc."""

import re
from statistics import median

from sides import PHASES

BEGIN = "<!-- from here to the end: written by bench/run --doc -->\n"


def pairs_of(runs, name):
    """The pairs of which both sides went well, as [(ours, other)]."""
    good = {(run["pair"], run["side"]): run for run in runs
            if run["name"] == name and not run["error"]}
    numbers = sorted({number for number, _ in good})
    return [(good[number, "ours"], good[number, "other"]) for number in numbers
            if (number, "ours") in good and (number, "other") in good]


def names_of(runs):
    return list(dict.fromkeys(run["name"] for run in runs))


def summary(runs):
    """What build/bench.json holds. A benchmark without a whole pair is not in it."""
    results = []
    for name in names_of(runs):
        pairs = pairs_of(runs, name)
        if not pairs:
            continue
        sides = [[run["blackout_ms"] for run in side] for side in zip(*pairs)]
        ours, other = (median(side) for side in sides)
        result = {"name": name, "unit": "ms", "ours": round(ours, 1),
                  "other": round(other, 1), "ratio": round(other / ours, 2),
                  "runs": len(pairs),
                  "spread": {"ours": [round(min(sides[0]), 1), round(max(sides[0]), 1)],
                             "other": [round(min(sides[1]), 1), round(max(sides[1]), 1)]}}
        third = [run["blackout_ms"] for run in runs
                 if run["name"] == name and run["side"] == "debian" and not run["error"]]
        if third:
            result |= {"debian": round(median(third), 1),
                       "debian_ratio": round(median(third) / ours, 2)}
        results.append(result)
    return results


def phases(runs, name):
    """[(phase, ours, other)], medians in ms."""
    pairs = pairs_of(runs, name)
    return [(phase, *(median(run["phases"][phase] for run in side) for side in zip(*pairs)))
            for phase in PHASES]


def steps(runs, name, side):
    """[(step, median ms)] of one side; steps that not every run has are left out."""
    good = [run for run in runs
            if run["name"] == name and run["side"] == side and not run["error"]]
    if not good:
        return []
    return [(step, median(run["steps"][step] for run in good)) for step in good[0]["steps"]
            if all(step in run["steps"] for run in good)]


def inside(runs, name):
    """Those of nvwa's steps that are a part of the blackout."""
    names = [step for step, _ in steps(runs, name, "ours")]
    starts = [step.startswith("freeze > ") for step in names]
    ends = [re.search(r" > (pid-\d+|\S+\.service)$", step) is not None for step in names]
    return names[starts.index(True):ends.index(True) + 1] if True in starts and True in ends else []


def machine_text(about):
    return (f"{about['date']}; {about['cpus']} x {about['cpu']}, load {about['load']:.1f} at the "
            f"start; QEMU {about['qemu']}")


def qemu_text(qemu):
    return (f"-accel {qemu['accel']}, -machine {qemu['machine']}, -cpu {qemu['cpu_model']}; "
            f"{qemu['devices']}")


def setting(about):
    versions = about.get("versions", {})
    tools = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    text = f"{machine_text(about)}; Debian {about['suite']}, {about['old']} to {about['new']}; {tools}"
    if "guest" in about:
        text += f". Guest: {about['guest_memory']} MB, {about['guest_cpus']} CPUs, " + \
                qemu_text(about["guest"])
    if "small" in about:
        text += f". blackout_small, blackout_service: 2048 MB, 1 CPU, -icount shift=0, {qemu_text(about['small'])}"
    return text


def fold(text, width=88):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = ""
        line += (" " if line else "") + word
    return "\n".join(lines + [line])


def ratio(ours, other):
    return f"{other / ours:.2f}" if ours > 0 else "-"


def as_text(results, runs, about):
    out = [fold(setting(about)), ""]
    form = "{:<20} {:>10} {:>17} {:>10} {:>17} {:>7}"
    out.append("blackout in ms: median, least to most")
    out.append(form.format("", "nvwa", "", "stock", "", "ratio"))
    for result in results:
        spread = ["-".join(f"{value:.0f}" for value in result["spread"][side])
                  for side in ("ours", "other")]
        out.append(form.format(result["name"], f"{result['ours']:.0f}", spread[0],
                               f"{result['other']:.0f}", spread[1], f"{result['ratio']:.2f}"))
        for phase, ours, other in phases(runs, result["name"]):
            out.append(form.format("  " + phase, f"{ours:.0f}", "", f"{other:.0f}", "",
                                   ratio(ours, other)))
        if "debian" in result:
            out.append(form.format("  Debian's initramfs", "", "", f"{result['debian']:.0f}", "",
                                   f"{result['debian_ratio']:.2f}"))
    if results:
        out += ["", "ratio: stock / nvwa, so larger is better. stock: criu dump to the root disk,"]
        out += ["sync, kexec -e, criu restore at boot. The phases:"]
        out += [f"  {name:<14} {text}" for name, text in PHASES.items()]
    for name in names_of(runs):
        for side, label in (("ours", "nvwa"), ("other", "stock"), ("debian", "stock, Debian's")):
            listed = steps(runs, name, side)
            if listed:
                out += ["", f"{name}, steps of {label} in ms, the largest first"]
                out.append(fold("; ".join(f"{step} {ms:.0f}" for step, ms in
                                          sorted(listed, key=lambda item: -item[1]))))
    return "\n".join(out)


def as_markdown(results, runs, about):
    out = [fold(setting(about)), "",
           "| | nvwa, ms | stock, ms | ratio | pairs |", "|---|---:|---:|---:|---:|"]
    for result in results:
        ours, other = (f"{result[side]:.0f} ({result['spread'][side][0]:.0f} to "
                       f"{result['spread'][side][1]:.0f})" for side in ("ours", "other"))
        out.append(f"| **{result['name']}** | {ours} | {other} | **{result['ratio']:.2f}** "
                   f"| {result['runs']} |")
        for phase, mine, theirs in phases(runs, result["name"]):
            out.append(f"| {phase} | {mine:.0f} | {theirs:.0f} | {ratio(mine, theirs)} | |")
        if "debian" in result:
            out.append(f"| with Debian's own initramfs and parameters | | {result['debian']:.0f} | "
                       f"**{result['debian_ratio']:.2f}** | |")
            out += [f"| nvwa: {step} | {ms:.0f} | | | |" for step, ms in
                    sorted(steps(runs, result["name"], "ours"), key=lambda item: -item[1])
                    if ms >= 1 and step in inside(runs, result["name"])]
    return "\n".join(out) + "\n"


def write_doc(path, tables):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, found, _ = text.partition(BEGIN)
    if not found:
        raise SystemExit(f"{path} lacks the line: {BEGIN.strip()}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + BEGIN + "\n" + tables)
