#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks make of a report: phases, growth with memory, RAM in use."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
# pylint: disable=wrong-import-position
import memory  # noqa: E402

KHZ = 1000
# Step: ms, of an update whose program goes on before systemd starts.
STEPS = {"prepare": 0, "freeze": 500, "stopped": 505, "jump": 700, "kernel-entry": 750,
         "init-start": 1900, "root-entered": 2300, "network": 2380, "restore": 2400,
         "pid-77": 2600, "exec-init": 3400, "systemd": 3500, "settled": 9000}
# As tool/outcome.c cuts it.
CUTS = [("prepare", "prepare", "freeze"), ("freeze", "freeze", "jump"),
        ("jump and boot", "jump", "init-start"), ("adopt", "init-start", "root-entered"),
        ("resume", "root-entered", "pid-77"), ("settle", "pid-77", "settled")]
IN_BLACKOUT = ("freeze", "jump and boot", "adopt", "resume")


def report(restore_ms=200):
    """What nvwa status --json has as "last", of a restore that takes so long."""
    late = restore_ms - 200
    steps = {step: ms + (late if ms > STEPS["restore"] else 0) for step, ms in STEPS.items()}
    phases = [{"name": name, "ms": steps[end] - steps[start], "start_tsc": steps[start] * KHZ,
               "end_tsc": steps[end] * KHZ} for name, start, end in CUTS]
    return {"tsc_khz": KHZ, "from": "6.12", "to": "7", "blackout_ms": 2100 + late,
            "phases": phases, "pages": {"evacuated": 10, "copied": 3},
            "timeline": [{"step": step, "tsc": ms * KHZ} for step, ms in steps.items()]}


class Spans(unittest.TestCase):
    def test_phases_make_up_the_blackout(self):
        found = memory.spans(report(), [])
        self.assertEqual(found["phases"], {"prepare": 500, "freeze": 200, "jump and boot": 1200,
                                           "adopt": 400, "resume": 300, "settle": 6400})
        self.assertEqual(sum(found["phases"][name] for name in IN_BLACKOUT), 2100)
        self.assertEqual(found["blackout_ms"], 2100)
        self.assertEqual(found["boot_ms"], 100)
        self.assertGreaterEqual(min(found["steps"].values()), 0)

    def test_waits_are_left_out_everywhere(self):
        # 60 ms of the 100 between 2350 and 2450, half of which is before the restore.
        found = memory.spans(report(), [(2350 * KHZ, 2450 * KHZ, 60)])
        self.assertAlmostEqual(found["waited_ms"], 60)
        self.assertAlmostEqual(found["blackout_ms"], 2040)
        self.assertAlmostEqual(found["boot_ms"], 70)
        self.assertAlmostEqual(sum(found["phases"][name] for name in IN_BLACKOUT), 2040)


class Growth(unittest.TestCase):
    def test_slope_of_what_is_ours(self):
        runs = []
        for size, restore, dump in ((256, 250, 100), (1024, 400, 400)):
            runs.append({"name": "anon_per_gb", "size": size, "pair": 1, "error": None,
                         "from": "6.12", "to": "7", "floor": size / 1024,
                         "stock": {"dump": dump, "restore": 2 * dump}} |
                        memory.spans(report(restore), []))
        result, = memory.summary(runs)
        self.assertEqual(result["ours"], 200)       # 150 ms in 0.75 GB
        self.assertEqual(result["other"], 1200)     # 900 ms
        self.assertEqual(result["ratio"], 6)
        grown = {(kind, part): ms for kind, part, ms in memory.parts(runs, "anon_per_gb")}
        self.assertAlmostEqual(grown["phases", "resume"], 200)
        self.assertAlmostEqual(grown["phases", "adopt"], 0)
        self.assertAlmostEqual(grown["phases", "settle"], 0)
        self.assertAlmostEqual(grown["steps", "restore > resumed"], 200)

    def test_one_size_is_no_growth(self):
        run = {"name": "anon_per_gb", "size": 256, "pair": 1, "error": None}
        self.assertEqual(memory.summary([run]), [])


class Extra(unittest.TestCase):
    @staticmethod
    def sample(ms, available, total=1000000, slab=1000):
        return {"tsc": ms * KHZ, "total": total, "added": 0, "available": available,
                "slab": slab, "shmem": 0, "anon": 0, "tables": 0}

    def test_what_an_update_takes(self):
        samples = [self.sample(-1, 900000), self.sample(200, 700000), self.sample(499, 750000),
                   self.sample(650, 740000, slab=4000), self.sample(1950, 400000, 500000),
                   self.sample(2500, 380000, 500000), self.sample(9500, 900000)]
        found = memory.extra(samples, report(), 80)
        self.assertEqual(found["loaded_kb"], 200000)
        self.assertEqual(found["evacuated_kb"], 40)
        # 10000 kB more in use than at the freeze, less what was evacuated.
        self.assertEqual(found["old_kb"], 10000 - 40)
        self.assertEqual(found["old_parts"]["slab"], 3000)
        self.assertEqual(found["old_ms"], 150)
        # 120000 kB in use where it is 100000 in the end; the record, and the copied pages.
        self.assertEqual(found["new_kb"], 20000 + 80 + 12)
        self.assertEqual(found["new_ms"], 600)


class Tap(unittest.TextTestResult):
    count = 0

    def say(self, word, test, why=""):
        Tap.count += 1
        name = test.id().split(".", 1)[1].replace("_", " ")
        print(f"{word} {Tap.count} - {name}" + why.replace("\n", "\n# "), flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("not ok", test, "\n" + self._exc_info_to_string(err, test))

    addError = addFailure


if __name__ == "__main__":
    runner = unittest.TextTestRunner(stream=open(os.devnull, "w", encoding="ascii"),
                                     resultclass=Tap)
    outcome = runner.run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]))
    print(f"1..{Tap.count}")
    sys.exit(not outcome.wasSuccessful())
