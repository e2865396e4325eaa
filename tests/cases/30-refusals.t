#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Everything that nvwa refuses: the documented exit code, the reason in words,
# and nothing touched: the same programs run and a connection is answered all
# the while. Then all kinds of failures half way, which must be undone: CRIU's,
# and of the command itself, which is killed, interrupted, or hangs;
# and last, as proof that nothing stayed behind, an update that works.

# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
target=$(lab_kernel trixie 7)
guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2
"$top/lab/push" "$top/build/tests/workloads/uring" "$top/build/tests/workloads/aiopoll" /usr/local/bin/
# In redis' sandbox there is no other program: what stands in for CRIU is to find some.
guest 'mkdir /etc/systemd/system/redis-server.service.d
	printf "[Service]\nNoExecPaths=\n" >/etc/systemd/system/redis-server.service.d/exec.conf
	systemctl daemon-reload'
redis_start
redis_fill 16
restore_config redis-server
running=$(guest_release)
boot=$(guest_boot_id)
redis_note

yaml=/etc/nvwa/nvwa-restore.yaml
image=/boot/vmlinuz-$target
module=/lib/modules/$target/updates/nvwa.ko

# untouched TEXT STATE
untouched() {
	ok "$1: the client is still answered" client_advances incr
	is "$1: nothing was touched" "$2" "$state_before"
}

# refused TEXT CODE REGEX PREPARE CMD UNDO: the command, run in the guest, ends
# with the code, and a line of it matches the regular expression.
refused() {
	local text=$1 output status
	output=$(guest "set -e
		{ ${4:-:}
		} >/dev/null
		set +e
		{ $5
		} >/run/said 2>&1
		echo \$? >/run/status
		set -e
		{ ${6:-:}
		} >/dev/null
		cat /run/status /run/said
		echo ---
		/root/guest/state") || fail "$text: it can be staged and undone" "$output"
	status=${output%%$'\n'*}
	is "$text: exit code $2" "$status" "$2" || diag "$output"
	like "$text: says why" "${output%---*}" "$3"
	untouched "$text" "${output##*---$'\n'}"
}

ok "without any of that, the check finds nothing" guest "nvwa check $target"
state_before=$(guest /root/guest/state)
ok "who asks does not stand in an update's way" guest "rm -f /run/nvwa.lock
	nvwa status && nvwa check $target && [ ! -e /run/nvwa.lock ]"
ok "a dry run changes nothing" guest "nvwa update --dry-run $target"
untouched "a dry run" "$(guest /root/guest/state)"

refused "unknown release" 8 "9.9.9-none.*not installed" "" "nvwa update 9.9.9-none" ""
refused "same release" 9 "${running//+/\\+}.*--force" "" "nvwa update $running" ""
refused "no module for the target" 10 "nvwa\.ko|module nvwa" \
	"mv $module /root/; depmod $target" "nvwa update $target" \
	"mv /root/nvwa.ko $module; depmod $target"
refused "no module for the running kernel" 10 "nvwa" \
	"rmmod nvwa; mv ${module/$target/$running} /root/; depmod" "nvwa update $target" \
	"mv /root/nvwa.ko ${module/$target/$running}; depmod; modprobe nvwa"
refused "no CRIU" 11 "[Cc][Rr][Ii][Uu].*(not|install)" \
	"mv /usr/sbin/criu /root/criu" "nvwa update $target" "mv /root/criu /usr/sbin/criu"
refused "CRIU too old" 11 "3\.15" \
	"mv /usr/sbin/criu /root/criu
	printf '#!/bin/sh\necho Version: 3.15\n' >/usr/sbin/criu; chmod 755 /usr/sbin/criu" \
	"nvwa update $target" "mv /root/criu /usr/sbin/criu"
refused "not root" 7 "root" "" "setpriv --reuid=65534 --clear-groups nvwa update $target" ""

# malformed TEXT LINE REGEX CONTENT
malformed() {
	refused "config: $1" 5 "$yaml:$2: .*$3" \
		"cp $yaml /root/; printf '$4' >$yaml" "nvwa update $target" "mv /root/nvwa-restore.yaml $yaml"
}
malformed "an unknown key" 2 "expected one of the keys" 'pids:\nservice:\n- redis-server\n'
malformed "no list" 1 "expected a list of services" 'services: redis-server\n'
malformed "no YAML" 2 "expected YAML" 'services:\n\t- redis-server\n'
malformed "no PID" 3 "expected a PID" 'services:\npids:\n- one\n'
malformed "PID 1" 2 "expected a PID" 'pids:\n- 1\n'
malformed "no such switch" 2 "expected true or false" 'services:\nrestore_net: perhaps\n'
malformed "no name" 2 "expected the name of a service" 'services:\n- "a b"\n'
malformed "twice" 3 "second time" 'services:\n- redis-server\n- redis-server.service\n'
refused "config: missing" 5 "$yaml" "mv $yaml /root/" "nvwa update $target" \
	"mv /root/nvwa-restore.yaml $yaml"

# with_config TEXT CODE REGEX LINES...
with_config() {
	refused "$1" "$2" "$3" "cp $yaml /root/; printf '$4' >$yaml" "nvwa update $target" \
		"mv /root/nvwa-restore.yaml $yaml"
}
with_config "no such service" 13 "nonesuch" 'services:\n- redis-server\n- nonesuch\n'
with_config "a service that does not run" 13 "nginx" 'services:\n- redis-server\n- nginx\n'
with_config "no such PID" 13 "4194303" 'services:\n- redis-server\npids:\n- 4194303\n'

# held NAME CMD: a program of that name in the background; its PID.
held() {
	guest "systemd-run -q --unit=held-$1 --collect $2 &&
		systemctl show -P MainPID held-$1"
}
uring=$(held uring uring)
device=$(held device "bash -c 'exec 7</dev/hwrng; exec sleep infinity'")
sleeper=$(guest "setpriv --reuid=65534 --clear-groups ipcmk -S 3 >/dev/null &&
	systemd-run -q --unit=held-sleeper --collect --uid=65534 sleep infinity &&
	systemctl show -P MainPID held-sleeper")
wait_until 20 guest "readlink /proc/$device/fd/7" || fail "a program holds a device"
wait_until 20 guest "ls -l /proc/$uring/fd | grep io_uring" || fail "a program holds an io_uring"
state_before=$(guest /root/guest/state)
with_config "an io_uring" 14 "$uring.*descriptor 3.*io_uring" "pids:\n- $uring\n"
with_config "a semaphore set" 14 "semaphore set .*$sleeper.*ipcrm -s" "pids:\n- $sleeper\n"
with_config "a device" 14 "$device.*descriptor 7.*/dev/hwrng" "pids:\n- $device\n"
guest 'fallocate -l 128M /swap && chmod 600 /swap && mkswap -q /swap && swapon /swap'
swapped=$(held swapped "-p MemoryMax=40M python3 -c 'import time; b = b\"x\" * (80 << 20); time.sleep(1e6)'")
wait_until 60 guest '[ "$(cat /sys/fs/cgroup/system.slice/held-swapped.service/memory.swap.current)" -gt 20000000 ]' ||
	fail "a program is swapped out"
state_before=$(guest /root/guest/state)
with_config "memory that its limit does not let in" 14 \
	"[0-9]+ MiB of pid-$swapped are in the swap space.*held-swapped.*40 MiB" "pids:\n- $swapped\n"
guest "systemctl stop held-swapped; swapoff /swap; rm /swap"
guest "systemctl stop held-uring held-device held-sleeper
	ipcrm --all=sem --all=msg"

# --- connections -----------------------------------------------------------------

# holds NAME ARGUMENTS...: the program in the background; its PID is in pid[NAME].
declare -A pid
holds() {
	local name=$1
	shift
	pid[$name]=$(guest "setsid python3 /root/guest/holds.py $* </dev/null >/run/said.$name 2>&1 & echo \$!")
}
names=(stream seqpacket accepted dgram tcp late tls md5 mptcp udplite linklocal pidfd epoll)
guest 'echo 20000 >/proc/sys/kernel/ns_last_pid'
holds peers peers /run/holds 7300
wait_until 30 guest 'ss -xa | grep -q /run/holds.dgram' || give_up "somebody listens"
for name in stream seqpacket accepted dgram; do
	holds "$name" local /run/holds "$name"
done
holds tcp tcp 7300
holds late late /run/nvwa/out/apps 7300
guest 'ip addr add fe80::7/64 dev lo nodad'
holds linklocal linklocal fe80::7%lo
for name in tls md5 mptcp udplite pidfd epoll; do
	holds "$name" "$name"
done
for name in "${names[@]}"; do
	[ "$name" = late ] || wait_until 30 guest "grep -q ready /run/said.$name" ||
		fail "$name: the program is connected" "$(guest "cat /run/said.$name")"
done
# against NAME REGEX: what stands against it, and nothing else does.
against() {
	like "$1: the check says why" "$(jq -r --arg app "pid-${pid[$1]}" \
		'.reasons[] | select(.fatal and .app == $app) | .text' "$out/check-connections.json")" \
		"^Process ${pid[$1]} \(python3\) holds descriptor [0-9]+,? $2[^
]*\$"
}
restore_config "" "$(for name in "${names[@]}"; do echo "${pid[$name]}"; done)"
guest "nvwa check --json $target" >"$out/check-connections.json"
for name in stream seqpacket accepted dgram; do
	against "$name" "a local connection through /run/holds.$name to process ${pid[peers]} \(python3\), which would not survive\. "
done
against tcp "a TCP connection within this machine, at port 7300, to process ${pid[peers]} \(python3\), which is not carried"
against tls "a TCP connection that the kernel encrypts"
against md5 "a TCP socket with keys for MD5"
against mptcp "a socket of Multipath TCP.*GODEBUG=multipathtcp=0"
against udplite "a socket of UDP-Lite, which Linux ${target//+/\\+} does not have"
against pidfd "on process 1 \\(systemd\\) \\(pidfd\\), which is not carried"
like "epoll: the check says why" "$(jq -r .reasons[].text "$out/check-connections.json")" \
	"Process ${pid[epoll]} [^ ]* watches \(epoll, descriptor [0-9]+\) what was its descriptor [0-9]+"
like "linklocal: the check says why" "$(jq -r .reasons[].text "$out/check-connections.json")" \
	"Process ${pid[linklocal]} [^ ]* holds descriptor [0-9]+, a TCP connection at an address of one network link"
is "nothing stands against one without a connection" "$(jq -r --arg app "pid-${pid[late]}" \
	'[.reasons[] | select(.fatal and .app == $app)] | length' "$out/check-connections.json")" 0
# The one who listens can be carried, with those who are connected to it over TCP.
guest "kill ${pid[accepted]}"
restore_config "" "${pid[peers]} ${pid[tcp]}"
guest "nvwa check --json $target" >"$out/check-together.json"
is "over TCP both can be carried together" "$(jq -r '[.reasons[] | select(.fatal)] | length' "$out/check-together.json")" 0
restore_config "" "${pid[peers]}"
like "a server is told which client ends" "$(guest "nvwa check $target" 2>&1)" \
	"Process ${pid[peers]} \(python3\) serves process ${pid[tcp]} \(python3\) .*its connection ends"
restore_config redis-server
state_before=$(guest /root/guest/state)
with_config "a connection that was opened after the check" 4 \
	"pid-${pid[late]}: .*a TCP connection within .* to process ${pid[peers]} .*nothing was changed" \
	"services:\\n- redis-server\\npids:\\n- ${pid[late]}\\n"
guest "kill ${pid[*]}; ip addr del fe80::7/64 dev lo; rm -f /run/holds.* /run/said.*"
# Of a program that never says a word: to look at the file system is to wait for ever.
guest 'modprobe fuse; cat >/root/fuse.py
	systemd-run -q --unit=held-fuse --collect python3 /root/fuse.py' <<'END'
import ctypes, os, signal
fd = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fd
assert ctypes.CDLL(None, use_errno=True).mount(b"fuse", b"/mnt", b"fuse.silent", 0, options) == 0
signal.pause()
END
wait_until 20 guest "grep -q ' /mnt ' /proc/self/mountinfo" || fail "a program has a file system"
output=$(guest "nvwa update $target" 2>&1)
is "a file system of a program: exit code 17" "$?" 17 || diag "$output"
like "a file system of a program: says which" "$output" "on /mnt \(fuse\.silent\).*Unmount it"
guest "systemctl stop held-fuse; umount -l /mnt"
state_before=$(guest /root/guest/state)

refused "too little memory" 15 "1[0-9]{3} MiB" \
	"echo 'scratch_mb: 3000' >/etc/nvwa/nvwa-server.yaml.new
	cp /etc/nvwa/nvwa-server.yaml /root/ 2>/dev/null
	mv /etc/nvwa/nvwa-server.yaml.new /etc/nvwa/nvwa-server.yaml" \
	"nvwa update $target" \
	"rm /etc/nvwa/nvwa-server.yaml; [ ! -e /root/nvwa-server.yaml ] ||
		mv /root/nvwa-server.yaml /etc/nvwa/"
refused "a large file in /tmp" 15 \
	"files of 40[0-9] MiB, in /tmp.* [0-9]+ MiB fit .*/tmp/large \(400 MiB, of nobody\).*scratch_mb to [0-9]{4}" \
	"head -c 400M /dev/zero >/tmp/large; chown nobody /tmp/large" "nvwa update $target" "rm /tmp/large"
refused "too many files in /tmp" 15 "more than 20000 files.* is /tmp/crowd/[0-9]+, of user 65534" \
	"mkdir -m 777 /tmp/crowd; cd /tmp/crowd; seq 20001 | setpriv --reuid=65534 --clear-groups xargs touch" \
	"nvwa update $target" "rm -r /tmp/crowd"
refused "another update in progress" 6 "another update" \
	"systemd-run -q --unit=held-lock --collect flock /run/nvwa.lock sleep infinity
	until ! flock -n /run/nvwa.lock true; do sleep 0.1; done" \
	"nvwa update $target" "systemctl stop held-lock"
refused "the image is no kernel" 16 "vmlinuz-${target//+/\\+}" \
	"mv $image /root/image; head -c 5000000 /dev/urandom >$image" \
	"nvwa update $target" "mv /root/image $image"
refused "the image is truncated" 16 "truncated|cut|short|ends" \
	"mv $image /root/image; head -c 5000000 /root/image >$image" \
	"nvwa update $target" "mv /root/image $image"
refused "a broken image, empty" 16 "vmlinuz-${target//+/\\+}" \
	"mv $image /root/image; : >$image" "nvwa update $target" "mv /root/image $image"
refused "a wrong option" 2 "nvwa" "" "nvwa update --nonsense" ""
refused "too many words" 2 "one release" "" "nvwa update a b" ""

# CRIU itself fails half way through its dump, when it has stopped the program:
# FI_PARASITE_CONNECT of its criu/include/fault-injection.h. Then because what
# it writes to is full.
# It lies where redis' sandbox has it as well.
guest 'cat >/usr/local/bin/watcher && chmod 755 /usr/local/bin/watcher' <<'END'
#!/bin/bash
# This process is in redis' namespaces already, and has no descriptors of them any more.
export NVWA_CRIU_NAMESPACES=
/usr/sbin/criu "$@" || exit
[ "$1" = dump ] || exit 0
{
	find /run/nvwa -mindepth 1 -perm /077
	setpriv --reuid=65534 --clear-groups bash -c 'cd / && ! ls /run/nvwa /run/nvwa/out /run/nvwa/out/apps &&
		test -d /run/nvwa/out && echo there && nvwa status | grep ^update'
# It is in the sandbox of redis by now.
} >/var/lib/redis/seen 2>/dev/null
exit 1
END
refused "a dump that fails half way" 4 "Error \((criu|compel)/.*nothing was changed" "" \
	"CRIU_FAULT=5 nvwa update $target" ""
aiopoll=$(guest 'setsid aiopoll </dev/null >/dev/null 2>&1 & echo $!')
wait_until 20 guest "grep -q aio /proc/$aiopoll/maps" || fail "a program does asynchronous I/O"
with_config "asynchronous I/O that does not end" 4 \
	"process $aiopoll has 1 request of .*IOCB_CMD_POLL.*nothing was changed" \
	"services:\n- redis-server\npids:\n- $aiopoll\n"
guest "kill $aiopoll"
# Another user looks for what he may see, at the end of a dump. It fails, as its command does.
refused "a dump that somebody watches" 4 "nothing was changed" \
	"echo 'criu_exe: /usr/local/bin/watcher' >/etc/nvwa/nvwa-server.yaml.new
	cp /etc/nvwa/nvwa-server.yaml /root/ 2>/dev/null
	mv /etc/nvwa/nvwa-server.yaml.new /etc/nvwa/nvwa-server.yaml" \
	"nvwa update $target" \
	"rm /etc/nvwa/nvwa-server.yaml; [ ! -e /root/nvwa-server.yaml ] ||
		mv /root/nvwa-server.yaml /etc/nvwa/"
is "a dump that somebody watches: he sees that there is one, and nothing of it" \
	"$(guest 'cat /var/lib/redis/seen')" "there
update       one is in progress"
refused "a dump that finds no space" 4 "(Error \(criu/|room left).*nothing was changed" \
	"mkdir -p /run/nvwa; mount -t tmpfs -o size=112k nvwa /run/nvwa" \
	"nvwa update $target" "umount /run/nvwa"
refused "not even room to prepare" 4 "(No space left|Wrote only).*nothing was changed" \
	"mkdir -p /run/nvwa; mount -t tmpfs -o size=16k nvwa /run/nvwa" \
	"nvwa update $target" "umount /run/nvwa"

# What redis needs, over two steps, is not stopped, as that would stop redis.
guest 'cd /etc/systemd/system
	printf "[Unit]\nRequires=needed.service\n" >redis-server.service.d/needs.conf
	printf "[Unit]\nRequires=deep.service\n[Service]\nExecStart=sleep infinity\n" >needed.service
	printf "[Service]\nExecStart=sleep infinity\n" >deep.service
	cat >armed.service
	systemctl daemon-reload; systemctl start needed armed' <<'END' || give_up "the services start"
[Service]
ExecStart=sleep infinity
ExecStop=-sh -c '[ ! -e /run/armed ] || kill -9 $$(pgrep -x nvwa)'
END
state_before=$(guest /root/guest/state)
refused "killed while services are stopped" 4 "signal 9 .prepare..*nothing was changed" \
	"touch /run/armed" "nvwa update $target" "rm /run/armed"

# In criu's place: does what is in /usr/local/lib/odd when it is to dump.
guest 'cat >/usr/local/bin/criu-odd; chmod +x /usr/local/bin/criu-odd
	echo "criu_exe: /usr/local/bin/criu-odd" >/etc/nvwa/nvwa-server.yaml' <<'END'
#!/bin/bash
# This process is in them already, and has no descriptors of them any more.
export NVWA_CRIU_NAMESPACES=
[[ " $* " != *" dump "* ]] || . /usr/local/lib/odd
exec /usr/sbin/criu "$@"
END
# odd WHAT: done by the process whose parent is the command.
odd() {
	echo "echo '$1' >/usr/local/lib/odd"
}
refused "killed in the freeze" 4 "signal 9 .the dump of redis-server.*nothing was changed" \
	"$(odd 'kill -9 $PPID')" "nvwa update $target" "rm /usr/local/lib/odd"
# As a terminal does on Ctrl-C: to the group of processes that it knows of.
refused "interrupted in the freeze" 4 "interrupted by signal 2.*nothing was changed" \
	"$(odd 'kill -INT -- -$(ps -o pgid= -p $(pgrep -x nvwa-guard) | tr -d " ")')" \
	"setsid -w nvwa update $target" "rm /usr/local/lib/odd"
# Sooner than ssh gives up.
refused "hangs in the freeze" 4 "(freeze|redis-server.service) did not come to an end in 10 seconds.*nothing was changed" \
	"$(odd 'exec sleep infinity'); echo 'freeze_timeout: 10' >>/etc/nvwa/nvwa-server.yaml" \
	"nvwa update $target" "rm /usr/local/lib/odd; sed -i /freeze_timeout/d /etc/nvwa/nvwa-server.yaml"

# From outside of all that is frozen: a stopped program is sent on its way, and stands still
# all the same; and when file systems are being frozen, the command is killed.
guest 'cat >/usr/local/bin/late; chmod +x /usr/local/bin/late' <<'END'
#!/bin/bash
echo $$ >/sys/fs/cgroup/cgroup.procs
redis=$(pgrep -o -x redis-server)
seen() {
	[[ $(</run/nvwa/trail) == *$'\n'"$1"* ]]
} 2>/dev/null
until seen "group /system.slice/redis-server.service"; do sleep 0.01; done
nvwa=$(pgrep -x nvwa)
kill -STOP "$nvwa"
kill -CONT "$redis"
while grep -q "^State:.T" /proc/"$redis"/status ||
		! grep -q get_signal /proc/"$redis"/stack; do sleep 0.01; done
{ grep ^frozen /sys/fs/cgroup/system.slice/redis-server.service/cgroup.events
	cat /proc/"$redis"/stack; } >/run/late
# It runs while one looks, and no longer.
until seen "mount "; do
	kill -CONT "$nvwa"
	seen "mount "
	kill -STOP "$nvwa"
done
kill -KILL "$nvwa"
END
refused "killed in the jump" 4 "signal 9 .(jump|writing to disks)..*nothing was changed" \
	"setsid late </dev/null >/dev/null 2>&1 &" "nvwa update $target" ""
like "a program that is sent on its way in the freeze stands still" "$(guest cat /run/late)" \
	"^frozen 1.*(get_signal|freezer)"
guest 'rm /etc/nvwa/nvwa-server.yaml /etc/systemd/system/redis-server.service.d/needs.conf
	systemctl daemon-reload; systemctl stop armed needed deep'
is "the kernel is still the old one" "$(guest_boot_id)" "$boot"

# What users have in /tmp stands against nothing, but is carried: 16 MiB, a file of which most is
# hole, and not what is mounted there.
guest 'cd /tmp && head -c 16M /dev/urandom >kept && chown nobody kept && chmod 604 kept &&
	python3 -c "import os; os.setxattr(\"kept\", \"user.note\", b\"an attribute\")" &&
	setpriv --reuid=65534 --clear-groups truncate -s 1T hole &&
	mkdir -m 700 mounted && mount -t tmpfs -o size=300m,mode=700 other mounted &&
	head -c 200M /dev/zero >mounted/large'
tmp_facts() {
	guest 'cd /tmp && sha256sum kept && stat -c "%n %s %u %a" kept hole && stat -c "%n %u %a" mounted &&
		python3 -c "import os; print(os.getxattr(\"kept\", \"user.note\"))"'
}
tmp_before=$(tmp_facts)

update_to "$target"
redis_same
is "files of /tmp are as they were, with owners, modes and attributes" "$(tmp_facts)" "$tmp_before"
ok "holes are holes" guest '[ "$(stat -c %b /tmp/hole)" -lt 100 ]'
is "what was mounted below /tmp was not taken along" "$(guest 'ls /tmp/mounted | wc -l')" 0
# The newest one runs: an update does not go back.
boot=$(guest_boot_id)
for verb in update check prepare; do
	output=$(guest "nvwa $verb" 2>&1)
	is "$verb to the newest kernel, which runs: exit code 9" "$?" 9
	like "$verb to the newest kernel, which runs: says so" "$output" \
		"^${target//+/\\+} runs, and no newer kernel is installed: nothing to do"
done
is "the kernel is still the newest one" "$(guest_boot_id)" "$boot"
# A kernel that locks itself down may not be replaced. This cannot be undone.
output=$(guest "echo integrity >/sys/kernel/security/lockdown; nvwa update $running" 2>&1)
status=$?
is "lockdown: exit code 12" "$status" 12
like "lockdown: says why" "$output" "lockdown"
is "lockdown: redis answers" "$(redis ping)" PONG
no_splats
done_testing
