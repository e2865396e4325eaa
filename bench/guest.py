# SPDX-License-Identifier: GPL-2.0-only
"""A guest of the lab for one run: booted fresh, with the redis that is measured in it."""

import json
import os
import re
import select
import shutil
import subprocess
import time

BENCH = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(BENCH)
BUILD = os.path.join(TOP, "build")
OUT = os.path.join(BUILD, "bench")
SUITE, OLD, NEW = "trixie", "6.12", "7"
GUEST_IP = "10.77.0.2"
REDIS_PID_FILE = "/run/bench-redis.pid"
# For a step that takes a second to a minute on a machine with nothing else to do.
DEADLINE = int(os.environ.get("NVWA_BENCH_DEADLINE", "900"))
# What lab/sh returns when the connection was lost while the command ran.
LOST = 255

# A PID that nothing has in either kernel, however early the restore is.
START_REDIS = f"""
echo 20000 >/proc/sys/kernel/ns_last_pid &&
cd / && systemd-run --quiet --scope --unit=bench-redis redis-server --daemonize yes \
    --save '' --bind '*' --protected-mode no --dir / \
    --pidfile {REDIS_PID_FILE} --logfile /var/log/bench-redis.log &&
until redis-cli ping >/dev/null 2>&1; do sleep 0.2; done &&
cat {REDIS_PID_FILE}
"""


# The same of the machine's own service, in the sandbox that Debian gives it.
START_SERVICE = """
printf '%s\\n' 'bind *' 'protected-mode no' 'save ""' >>/etc/redis/redis.conf &&
systemctl start redis-server && until redis-cli ping >/dev/null 2>&1; do sleep 0.2; done &&
systemctl show -P MainPID redis-server
"""


class Failure(Exception):
    """A run that does not count, and why."""


def indented(error):
    """What went wrong, below a line that says of what."""
    return "    " + error.replace("\n", "\n    ")


def lab(*words, check=True, deadline=DEADLINE, stdin=None):
    """Run a command of the lab; (status, output)."""
    env = {"NVWA_LAB": "bench", "NVWA_LAB_DEADLINE": str(DEADLINE)} | os.environ
    give = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run([os.path.join(TOP, "lab", words[0]), *words[1:]], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=deadline, check=False, **give)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"lab/{words[0]} took longer than {deadline} s") from late
    if check and done.returncode != 0:
        raise Failure(f"lab/{words[0]} failed ({done.returncode}):\n{done.stdout.strip()}")
    return done.returncode, done.stdout


def release(spec, suite=SUITE):
    return lab("kernels", "--suite", suite, spec)[1].strip().splitlines()[-1]


class Client:
    """bench/client.py in the guest's network: fills redis, is idle, verifies."""

    def __init__(self, megabytes):
        env = {"NVWA_LAB": "bench"} | os.environ
        command = [os.path.join(TOP, "lab", "netns"), "--",
                   os.path.join(BENCH, "client.py"), GUEST_IP, str(megabytes)]
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def hear(self):
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise Failure("the client got no answer" if ready else "redis does not answer")
        answer = json.loads(line)
        if answer["error"]:
            raise Failure(f"the client: {answer['error']}")
        return answer

    def verify(self):
        try:
            self.process.stdin.write("verify\n")
            self.process.stdin.flush()
        except BrokenPipeError as gone:
            raise Failure("the client has ended") from gone
        return self.hear()

    def end(self):
        self.process.terminate()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


class Guest:
    """A context: in it the guest runs."""

    def __init__(self, memory, cpus, label, suite=SUITE, kernel=OLD, packages=(),
                 options=()):
        self.label, self.suite = label, suite
        self.up = ["--suite", suite, "--kernel", kernel, "--memory", str(memory),
                   "--cpus", str(cpus), "--packages", " ".join(packages), *options]
        self.client = None
        self.pid = 0

    def __enter__(self):
        lab("down", check=False)
        try:
            lab("up", *self.up)
        except Failure:
            lab("down", check=False)
            raise
        return self

    def __exit__(self, kind, value, trace):
        if self.client:
            self.client.end()
        log = lab("console", "--path", check=False)[1].strip()
        if os.path.isfile(log):
            shutil.copy(log, os.path.join(OUT, f"{self.label}.console.log"))
        lab("down", check=False)

    def sh(self, command, check=True, stdin=None):
        return lab("sh", "--", command, check=check, stdin=stdin)[1]

    def push(self, *words):
        lab("push", *words)

    def pull(self, source, target):
        shutil.rmtree(target, ignore_errors=True)
        lab("pull", source, target)

    def start_redis(self, megabytes, as_service=False):
        """Start and fill it; the client stays connected."""
        start = START_SERVICE if as_service else START_REDIS
        self.pid = int(self.sh(start).strip().splitlines()[-1])
        self.client = Client(megabytes)
        return self.client.hear()

    def boot_id(self):
        return self.sh("cat /proc/sys/kernel/random/boot_id").strip()

    @staticmethod
    def wait_boot(before):
        """Until the guest has another boot id than this."""
        lab("wait-boot", "--deadline", str(DEADLINE), before)

    def run_to_boot(self, command):
        """Run a command that ends with a boot of this machine, whatever of."""
        before = self.boot_id()
        lab("sh", "--", command, check=False)
        self.wait_boot(before)

    def run_to_jump(self, command, target=NEW):
        """Run a command that ends with the kernel that it runs on; wait for the next one."""
        before = self.boot_id()
        status, output = lab("sh", "--", command, check=False)
        if status != LOST:
            raise Failure(f"no new kernel was started (status {status}):\n{output.strip()}")
        self.wait_boot(before)
        running = self.sh("uname -r").strip()
        if running != release(target, self.suite):
            raise Failure(f"the kernel that runs now is {running}")

    def wait_for(self, *paths):
        """Until one of these files is there; says which."""
        test = " ".join(f"[ ! -e {path} ] || {{ echo {path}; exit 0; }};" for path in paths)
        found = self.sh(f"for i in $(seq {DEADLINE}); do {test} sleep 1; done").strip()
        if not found:
            raise Failure(f"none of {', '.join(paths)} appeared")
        return found

    def check(self):
        """What makes a run count: redis with all its keys, and a kernel without complaint."""
        answer = self.client.verify()
        self.no_splats()
        return answer

    @staticmethod
    def no_splats():
        """No kernel of the guest's has complained so far."""
        status, output = lab("splats", check=False)
        if status != 0:
            raise Failure(f"the kernel complained:\n{output.strip()}")

    def qemu(self):
        """How QEMU emulates: accelerator, machine, CPU model and devices, from its command line."""
        pid_file = os.path.join(BUILD, "lab", os.environ.get("NVWA_LAB", "bench"), "qemu.pid")
        with open(pid_file, encoding="ascii") as file:
            pid = file.read().split()[0]
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            words = file.read().split("\0")
        found = {name: words[words.index(option) + 1]
                 for name, option in (("accel", "-accel"), ("cpu_model", "-cpu"),
                                      ("machine", "-machine"))}
        devices = [after.split(",")[0] for word, after in zip(words, words[1:])
                   if word == "-device"]
        return found | {"devices": ", ".join(devices)}


def machine():
    """What the figures depend on besides the guest."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    version = subprocess.run(["qemu-system-x86_64", "--version"], check=True,
                             capture_output=True, text=True).stdout
    return {"cpu": " ".join(model.group(1).split()) if model else "unknown",
            "cpus": os.cpu_count(), "load": os.getloadavg()[0],
            "qemu": version.splitlines()[0].removeprefix("QEMU emulator version "),
            "old": release(OLD), "new": release(NEW), "suite": SUITE,
            "date": time.strftime("%Y-%m-%d")}
