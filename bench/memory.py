# SPDX-License-Identifier: GPL-2.0-only
"""What memory costs an update: how the blackout grows with it, and what RAM an update needs.

In a guest nvwa changes the kernel under a program with so much memory; then, in the kernel that it came
to, stock CRIU dumps and restores the same program over images on a tmpfs; and so on with the next
size and kind. Guests run under QEMU's -icount: their clock counts instructions, so that it matters
little what else the machine has to do.
"""

import os
import re
import shutil
import subprocess
import time
from statistics import median

from guest import BENCH, OUT, Failure, Guest, lab, release
from sides import packages, update

# In MB, by default; of the RAM only the largest, of all only what the host has memory for.
SIZES = {"peak_extra_ram": [1024, 2048, 4096, 8192]}
OTHER_SIZES = [256, 1024]
# Name: what the program's memory is, suite, the kernel before and after.
GROWTH = {
    "anon_per_gb": ("anon", "trixie", "7"),
    "thp_per_gb": ("thp", "trixie", "7"),
    "shared_per_gb": ("shared", "trixie", "7"),
    "anon_per_gb_6.1": ("anon", "bookworm", "6.1"),
    "shared_per_gb_6.1": ("shared", "bookworm", "6.1"),
}
# The same with the kernel before and the one after.
PEAK = {"peak_extra_ram": ("anon", "trixie", "6.12", "7")}
KINDS = {"anon": "anonymous memory, 4 KiB pages", "thp": "transparent huge pages",
         "shared": "shared anonymous memory"}
# What a guest has besides the program and, for the stock side, its images; MB.
SPARE = 1536
# What is left to the host, MB.
HOST_SPARE = 2048
LIB = "/usr/local/lib/bench/"
FILE = "/var/lib/bench-fill"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
PAGE_KB = 4


def host_free():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"MemAvailable: *(\d+)", file.read()).group(1)) >> 10


def guest_memory(size, stock=True):
    return size * (2 if stock else 1) + SPARE


def sizes_that_fit(sizes, stock=True):
    """Those for which the host has the memory at this moment."""
    free = host_free() - HOST_SPARE
    return [size for size in sizes if guest_memory(size, stock) <= free]


def build(names):
    """The program for the guests, and the module for each of their kernels."""
    os.makedirs(os.path.join(OUT, "kmod"), exist_ok=True)
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-static",
                    "-o", os.path.join(OUT, "bench-fill"), os.path.join(BENCH, "fill.c")],
                   check=True)
    source = os.path.getmtime(os.path.join(BENCH, "module", "bench_mem.c"))
    for name in names:
        _, suite, *kernels = (GROWTH | PEAK)[name]
        for kernel in kernels:
            made = module(suite, kernel)
            if not os.path.exists(made) or os.path.getmtime(made) < source:
                lab("kbuild", "--suite", suite, "--out",
                    os.path.dirname(os.path.dirname(made)), kernel,
                    os.path.join(BENCH, "module"))


def module(suite, kernel):
    return os.path.join(OUT, "kmod", f"{suite}-{release(kernel, suite)}", "module",
                        "bench_mem.ko")


def module_package(suite, kernel):
    """A package of the module; nvwa's own packages have the modules listed (depmod)."""
    made, name = module(suite, kernel), release(kernel, suite)
    stage = os.path.join(OUT, "package", name)
    package = os.path.join(OUT, "package", f"bench-mem-{name}.deb")
    if os.path.exists(package) and os.path.getmtime(package) > os.path.getmtime(made):
        return package
    updates = os.path.join(stage, "lib", "modules", name, "updates")
    os.makedirs(updates, exist_ok=True)
    os.makedirs(os.path.join(stage, "DEBIAN"), exist_ok=True)
    shutil.copy(made, updates)
    with open(os.path.join(stage, "DEBIAN", "control"), "w", encoding="ascii") as control:
        control.write(f"Package: bench-mem-{name}\nVersion: 1\nArchitecture: amd64\n"
                      "Maintainer: nvwa developers <nvwa@localhost>\n"
                      "Description: what nvwa's benchmarks ask the kernel\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", stage, package], check=True,
                   stdout=subprocess.DEVNULL)
    return package


class Fill:
    """bench-fill, running in the guest."""

    def __init__(self, guest, kind, size):
        self.guest = guest
        answer = guest.sh(f"{LIB}fill-start {kind} {size} {FILE}")
        self.pid = int(answer.strip().splitlines()[-1])

    def verify(self):
        status, output = lab("sh", "--", f"{LIB}fill-verify {self.pid} {FILE}", check=False)
        if status != 0:
            raise Failure(f"the program's memory is not what it was: {output.strip()}")

    def end(self):
        self.guest.sh(f"kill -KILL {self.pid}; while kill -0 {self.pid} 2>/dev/null; "
                      "do sleep 0.1; done")


def image(suite, kernels):
    """What a guest has in its image: nvwa, and the module bench_mem as a package."""
    return packages(suite, kernels) + [module_package(suite, kernel) for kernel in kernels]


def install(guest):
    files = os.path.join(BENCH, "guest")
    guest.push(*(os.path.join(files, name) for name in ("fill-start", "fill-verify",
                                                        "stock-memory")), LIB)
    guest.push(os.path.join(OUT, "bench-tsc"), os.path.join(OUT, "bench-fill"),
               "/usr/local/bin/")


def ours(guest, kind, size, target, force=False):
    """Change the kernel under a program; the program, and what nvwa says of it."""
    fill = Fill(guest, kind, size)
    guest.sh("sync; echo 3 >/proc/sys/vm/drop_caches")
    last = update(guest, fill.pid, target, force)
    return fill, last


def stock(guest, kind, size, khz):
    """Times of stock CRIU in ms, and the size of its images in kB."""
    stamps = {}
    for line in guest.sh(f"{LIB}stock-memory {kind} {size}").splitlines():
        name, _, value = line.partition(" ")
        if value.isdigit():
            stamps[name] = int(value)
    missing = {"freeze", "dumped", "restore", "resumed", "images"} - set(stamps)
    if missing:
        raise Failure(f"stock-memory did not tell: {' '.join(sorted(missing))}")
    return {"dump": (stamps["dumped"] - stamps["freeze"]) / khz,
            "restore": (stamps["resumed"] - stamps["restore"]) / khz,
            "images_kb": stamps["images"]}


def watch(guest, what):
    """Have bench_mem in every kernel from now on, from before nvwa's own module."""
    guest.sh("cat >/etc/modprobe.d/bench.conf",
             stdin=f"options bench_mem {what}=1\nsoftdep nvwa pre: bench_mem\n")
    guest.sh("modprobe bench_mem")


def watched(guest):
    """All that bench_mem has said, in every kernel so far."""
    guest.sh("echo 1 >/sys/module/bench_mem/parameters/report")
    with open(lab("console", "--path")[1].strip(), encoding="utf-8", errors="replace") as file:
        return file.read() + guest.sh("dmesg")


def waits_of(log):
    """When there was nothing to do but to wait for the disk: [(from, to, ms)]."""
    found = {}
    for start, end, us in re.findall(r"bench_mem: wait (\d+) (\d+) (\d+)", log):
        # One that went on was said again, as longer.
        found[int(start)] = max(found.get(int(start), (0, 0)), (int(end), int(us) / 1000))
    return [(start, end, ms) for start, (end, ms) in sorted(found.items())]


def waited(waits, start, end):
    """How much of a span of time was such waiting, ms."""
    return sum(ms * max(0, min(end, to) - max(start, since)) / (to - since)
               for since, to, ms in waits)


def spans(last, waits):
    """Blackout, phases and steps, without waiting for the disk, ms."""
    khz = last["tsc_khz"]
    # The program's own stamp has its PID for a name.
    stamps = [(re.sub(r"^pid-\d+$", "resumed", stamp["step"]), stamp["tsc"])
              for stamp in last["timeline"]]
    first = dict(reversed(stamps))
    phases = {phase["name"]: (phase["start_tsc"], phase["end_tsc"]) for phase in last["phases"]}

    def span(start, end):
        return (end - start) / khz - waited(waits, start, end)

    return {"blackout_ms": span(first["freeze"], first["resumed"]),
            # What comes before the restore of the program once its root is there.
            "boot_ms": span(phases["resume"][0], first["restore"]),
            "waited_ms": waited(waits, first["freeze"], first["resumed"]),
            "phases": {phase: span(start, end) for phase, (start, end) in phases.items()},
            "steps": {f"{this[0]} > {following[0]}": span(this[1], following[1])
                      for this, following in zip(stamps, stamps[1:])}}


def floor(guest, size, khz):
    """A bare walk over as many struct pages, ms."""
    pages = size * 1024 // PAGE_KB
    log = guest.sh(f"echo {pages} >/sys/module/bench_mem/parameters/walk && dmesg")
    found = re.findall(r"bench_mem: walk (\d+) (\d+)", log)
    if not found or int(found[-1][0]) < pages:
        raise Failure("the walk over struct pages did not find so many")
    return int(found[-1][1]) / khz


def huge_pages(guest):
    """Whether this kernel gives transparent huge pages: always, madvise or never."""
    return re.search(r"\[(\w+)\]", guest.sh(f"cat {THP}")).group(1)


def measure_growth(guest, name, size, options):
    """Both sides, one after the other."""
    kind, suite, kernel = GROWTH[name]
    huge = huge_pages(guest)
    fill, last = ours(guest, kind, size, kernel, force=True)
    fill.verify()
    fill.end()
    waits = waits_of(watched(guest))
    # CRIU's restore is quicker with them: it gets what an ordinary boot has.
    changed = huge_pages(guest) != huge
    guest.sh(f"echo {huge} >{THP}")
    khz = last["tsc_khz"]
    result = spans(last, waits)
    result["steps"]["insertion, a part of the restore"] = sum(app["insert_ticks"]
                                                              for app in last["apps"]) / khz
    result |= {"pages": last["pages"], "suite": suite, "from": last["from"], "to": last["to"],
               "floor": floor(guest, size, khz), "huge_pages_setting_lost": changed}
    if not options.side:
        result["stock"] = stock(guest, kind, size, khz)
    guest.no_splats()
    return result


def series(todo):
    """[(name, size, round)] in the order and the groups in which a guest serves them."""
    groups = {}
    for name, size, number in todo:
        groups.setdefault((number, GROWTH[name][1:]), []).append((name, size, number))
    return list(groups.values())


def growth_runs(group, options, about):
    """Runs for one guest, yielded as they come; a failure ends the guest, and the next gets another."""
    _, suite, kernel = GROWTH[group[0][0]]
    memory = guest_memory(max(size for _, size, _ in group), not options.side)
    todo = list(group)
    while todo:
        try:
            label = f"{suite}-{kernel}-{todo[0][2]}-{todo[0][0]}-{todo[0][1]}"
            with Guest(memory, 1, label, suite, kernel, image(suite, (kernel,)),
                       ("--accel", "icount")) as guest:
                about.setdefault("memory", {}).update(guest.qemu())
                install(guest)
                watch(guest, "disk")
                while todo:
                    started = time.monotonic()
                    name, size, number = todo[0]
                    result = measure_growth(guest, name, size, options)
                    todo.pop(0)
                    yield {"name": name, "size": size, "pair": number, "error": None,
                           "seconds": round(time.monotonic() - started)} | result
        except Failure as failure:
            name, size, number = todo.pop(0)
            yield {"name": name, "size": size, "pair": number, "error": str(failure)}


# --- RAM ----------------------------------------------------------------------


SAMPLE = ("tsc", "total", "added", "available", "slab", "shmem", "anon", "tables")
# Of each kB of added memory, what the kernel takes to manage it: 64 bytes a page.
MEMMAP = 64 / 4096
# A block comes online so long after the one before it, at most.
ADD_MS = 200
# What bench-mem tells apart; the rest is pages that the kernel took for other things.
PARTS = ("slab", "shmem", "anon", "tables")
PART_TEXTS = {"slab": "slab", "shmem": "files on a tmpfs", "anon": "memory of other programs",
              "tables": "page tables", "other": "other pages of the kernel's",
              "record": "the record", "copied": "pages that are there twice"}


def samples_of(log, khz):
    """What the module has seen, in order: [{"tsc": ticks, others: kB}]."""
    found = re.findall(r"bench_mem: sample " + " ".join([r"(-?\d+)"] * len(SAMPLE)), log)
    samples = [dict(zip(SAMPLE, values))
               for values in sorted({tuple(map(int, sample)) for sample in found})]
    # What manages memory is made for many blocks, before they come online one after the other;
    # and a block counts as memory before its pages are free: such a moment tells nothing.
    for this, following in zip(samples[-2::-1], samples[:0:-1]):
        if this["added"] < following["added"] and following["tsc"] - this["tsc"] < ADD_MS * khz:
            this["added"] = following["added"]
            this["coming"] = True
    return samples


def at(samples, tsc):
    """The last sample up to a moment."""
    before = [sample for sample in samples if sample["tsc"] <= tsc]
    if not before:
        raise Failure("the module has no sample of that moment")
    return before[-1]


def used(sample):
    """kB that are not to be had, without what the kernel takes to manage memory."""
    return sample["total"] - sample["available"] - sample["added"] * MEMMAP


def worst(samples, base):
    """The sample with most in use, and what of it was not in use at base, kB."""
    most = max((sample for sample in samples if "coming" not in sample), key=used)
    parts = {part: most[part] - base[part] for part in PARTS}
    return most, parts | {"other": round(used(most) - used(base)) - sum(parts.values())}


def extra(samples, last, record_kb):
    """What an update took beyond what was in use before and after it, kB."""
    stamps = {}
    for stamp in last["timeline"]:
        stamps.setdefault(stamp["step"], stamp["tsc"])
    old = [sample for sample in samples if sample["tsc"] <= stamps["init-start"]]
    new = [sample for sample in samples if sample["tsc"] > stamps["init-start"]]
    if not new:
        raise Failure("the module has no sample of the new kernel")
    before, frozen = at(old, stamps["prepare"]), at(old, stamps["freeze"])
    loading = [sample for sample in old if before["tsc"] <= sample["tsc"] <= frozen["tsc"]]
    loaded = before["available"] - min(sample["available"] for sample in loading)
    during = [sample for sample in old if sample["tsc"] >= frozen["tsc"]]
    evacuated, copied = (last["pages"][what] * PAGE_KB for what in ("evacuated", "copied"))
    most_old, parts_old = worst(during, frozen)
    # The record's own pages are nobody's until all is settled.
    resumed = [sample for sample in new if sample["tsc"] <= stamps["settled"]]
    most_new, parts_new = worst(resumed, new[-1])
    parts_old["other"] -= evacuated
    parts_new |= {"record": record_kb, "copied": copied}
    khz = last["tsc_khz"]
    return {"loaded_kb": loaded, "evacuated_kb": evacuated, "record_kb": record_kb,
            "old_kb": sum(parts_old.values()), "old_parts": parts_old,
            "old_ms": (most_old["tsc"] - stamps["freeze"]) / khz,
            "new_kb": sum(parts_new.values()), "new_parts": parts_new,
            "new_ms": (most_new["tsc"] - stamps["init-start"]) / khz}


def record_size(log):
    """What the last record took, kB."""
    found = re.findall(r"nvwa: sealed: \d+ pages, record of (\d+) bytes", log)
    if not found:
        raise Failure("the kernel log does not tell the size of the record")
    return -(-int(found[-1]) // 1024)


def peak_run(name, size, number, options, about):
    kind, suite, old, new = PEAK[name]
    result = {"name": name, "size": size, "pair": number, "error": None}
    started = time.monotonic()
    try:
        with Guest(guest_memory(size, False), 1, f"{name}-{size}-{number}", suite, old,
                   image(suite, (old, new)), ("--accel", "icount")) as guest:
            about.setdefault("memory", {}).update({"suite": suite})
            install(guest)
            watch(guest, "memory")
            fill, last = ours(guest, kind, size, new)
            # While the program is still there.
            log = watched(guest)
            fill.verify()
            fill.end()
            samples = samples_of(log, last["tsc_khz"])
            result |= {"extra": extra(samples, last, record_size(log)), "pages": last["pages"],
                       "from": last["from"], "to": last["to"], "samples": samples,
                       "timeline": last["timeline"], "tsc_khz": last["tsc_khz"]}
            if not options.side:
                small = min(OTHER_SIZES)
                images = stock(guest, kind, small, last["tsc_khz"])["images_kb"]
                result["stock_percent"] = 100 * images / (small << 10)
    except Failure as failure:
        result["error"] = str(failure)
    result["seconds"] = round(time.monotonic() - started)
    return result


# --- from runs to figures -------------------------------------------------------


def slope(points):
    """Least squares: by how much y grows per GB; points are [(MB, y)]."""
    xs, ys = [size / 1024 for size, _ in points], [y for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return (sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) /
            sum((x - mean_x) ** 2 for x in xs))


def rounds(runs, name):
    """The runs that went well, by round: [[run, ...]], those with two sizes at least."""
    good = {}
    for run in runs:
        if run["name"] == name and not run["error"]:
            good.setdefault(run["pair"], []).append(run)
    return [group for group in good.values() if len({run["size"] for run in group}) > 1]


def growth(group, what):
    return slope([(run["size"], what(run)) for run in group])


def stock_ms(run):
    return run["stock"]["dump"] + run["stock"]["restore"]


def ours_ms(run):
    """The blackout without the boot of user space, which waits for the disk in real time."""
    return run["blackout_ms"] - run["boot_ms"]


def spread(values):
    return [round(min(values), 1), round(max(values), 1)]


def growth_summary(runs, name):
    """The entry of build/bench.json, or None."""
    groups = [group for group in rounds(runs, name) if all("stock" in run for run in group)]
    if not groups:
        return None
    mine = [growth(group, ours_ms) for group in groups]
    theirs = [growth(group, stock_ms) for group in groups]
    ratios = [other / own for own, other in zip(mine, theirs)]
    return {"name": name, "unit": "ms/GB", "ours": round(median(mine), 1),
            "other": round(median(theirs), 1), "ratio": round(median(ratios), 2),
            "runs": len(groups), "sizes_mb": sorted({run["size"] for run in groups[0]}),
            "from": groups[0][0]["from"], "to": groups[0][0]["to"],
            "spread": {"ours": spread(mine), "other": spread(theirs)}}


def parts(runs, name):
    """[(what, ms per GB)]: each phase, each step of it, and what they are compared with."""
    groups = rounds(runs, name)
    if not groups:
        return []
    first = groups[0][0]
    out = [("phases", "blackout", median(growth(group, lambda run: run["blackout_ms"])
                                         for group in groups)),
           ("phases", "blackout without the boot of user space",
            median(growth(group, ours_ms) for group in groups))]
    for key in ("phases", "steps"):
        for part in first[key]:
            if not all(part in run[key] for group in groups for run in group):
                continue
            out.append((key, part, median(growth(group, lambda run, k=key, p=part: run[k][p])
                                          for group in groups)))
    out.append(("floor", "a bare walk over as many struct pages",
                median(growth(group, lambda run: run["floor"]) for group in groups)))
    if all("stock" in run for group in groups for run in group):
        for part in ("dump", "restore"):
            out.append(("stock", f"stock: {part}",
                        median(growth(group, lambda run, p=part: run["stock"][p])
                               for group in groups)))
    return out


def peak_percent(run):
    return 100 * max(0, run["extra"]["old_kb"], run["extra"]["new_kb"]) / (run["size"] << 10)


def peak_parts(runs, name):
    """{"old": {part: MB}, "new": ...}: what is in use at the worst moment of either kernel."""
    good = [run["extra"] for run in runs if run["name"] == name and not run["error"]]
    return {kernel: {part: round(median(extra[f"{kernel}_parts"][part] for extra in good) / 1024, 1)
                     for part in good[0][f"{kernel}_parts"]}
            for kernel in ("old", "new") if good}


def peak_text(runs, name):
    """The same as text, a line for each kernel."""
    return [f"in the {kernel} kernel: " + ", ".join(f"{PART_TEXTS[part]} {mb:+.1f} MB"
                                                    for part, mb in found.items())
            for kernel, found in peak_parts(runs, name).items()]


def peak_summary(runs, name):
    good = [run for run in runs if run["name"] == name and not run["error"]]
    if not good:
        return None
    mine = [peak_percent(run) for run in good]
    theirs = [run["stock_percent"] for run in good if "stock_percent" in run]
    result = {"name": name, "unit": "percent", "ours": round(median(mine), 2),
              "runs": len(good), "sizes_mb": sorted({run["size"] for run in good}),
              "from": good[0]["from"], "to": good[0]["to"],
              "fixed_mb": {part: round(median(run["extra"][part + "_kb"] for run in good) / 1024, 1)
                           for part in ("loaded", "evacuated")},
              "spread": {"ours": [round(min(mine), 2), round(max(mine), 2)]}}
    if theirs:
        result |= {"other": round(median(theirs), 1),
                   "ratio": round(median(theirs) / max(median(mine), 0.01), 2)}
        result["spread"]["other"] = spread(theirs)
    return result


def summary(runs):
    found = [growth_summary(runs, name) for name in GROWTH]
    found += [peak_summary(runs, name) for name in PEAK]
    return [result for result in found if result]


def title(result):
    kind = KINDS[(GROWTH | PEAK)[result["name"]][0]]
    sizes = ", ".join(f"{size / 1024:g}" for size in result["sizes_mb"])
    return f"{kind}, {result['from']} to {result['to']}, {sizes} GB"


def as_text(results, runs):
    form = "{:<18} {:>10} {:>10} {:>7}  {}"
    out = ["growth of the blackout in ms per GB; RAM in percent of the program's",
           form.format("", "nvwa", "stock", "ratio", "")]
    for result in results:
        out.append(form.format(result["name"], result["ours"], result.get("other", "-"),
                               result.get("ratio", "-"), title(result)))
        if result["name"] in PEAK:
            fixed = result["fixed_mb"]
            out.append(f"  beyond the fixed part: loaded {fixed['loaded']} MB, "
                       f"evacuated {fixed['evacuated']} MB")
            out += ["  " + line for line in peak_text(runs, result["name"])]
    for name in GROWTH:
        listed = [(kind, part, ms) for kind, part, ms in parts(runs, name)
                  if kind != "steps" or abs(ms) >= 0.1]
        if listed:
            out += ["", f"{name}, ms per GB"]
            out += [f"  {('  ' if kind == 'steps' else '') + part:<46} {ms:9.1f}"
                    for kind, part, ms in listed]
    return "\n".join(out)


def as_markdown(results, runs):
    out = ["| | nvwa | stock | ratio | rounds | |", "|---|---:|---:|---:|---:|---|"]
    for result in results:
        out.append(f"| **{result['name']}** | {result['ours']} | {result.get('other', '-')} | "
                   f"**{result.get('ratio', '-')}** | {result['runs']} | {title(result)} |")
    out += ["", "In ms per GB; `peak_extra_ram` in percent of the program's memory."]
    for result in results:
        if result["name"] in PEAK:
            fixed = result["fixed_mb"]
            out.append(f"Its fixed part: {fixed['loaded']} MB loaded before the freeze, "
                       f"{fixed['evacuated']} MB evacuated.")
            out += ["", "What is in use at the worst moment, beyond before (old kernel) and after "
                    "(new kernel):", ""]
            out += [f"- {line}" for line in peak_text(runs, result["name"])]
    tables = {name: {part: ms for kind, part, ms in parts(runs, name) if kind != "steps"}
              for name in GROWTH}
    tables = {name: table for name, table in tables.items() if table}
    if tables:
        rows = list(dict.fromkeys(part for table in tables.values() for part in table))
        out += ["", "Growth of each phase, ms per GB:", "", "| | " + " | ".join(tables) + " |",
                "|---|" + "---:|" * len(tables)]
        for row in rows:
            cells = (f"{table[row]:.1f}" if row in table else "-" for table in tables.values())
            out.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(out) + "\n"
