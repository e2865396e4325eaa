#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Of two programs that go ahead of systemd one cannot be restored: once as criu fails, once as it hangs.
# The other one goes on, the machine boots, and the report tells. A third one, of a user without rights,
# finds something of root's in the place of its own, and must not run. At last a next kernel that panics: the
# machine comes up again with the kernel that it had, and does not try the other one a second time.

# shellcheck disable=SC2016 # the guest's shell and jq expand
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

port=7
make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
extra_debs=(grub2-common)
# Nothing about panic=, as on most machines.
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2 --cmdline "oops=panic panic_on_warn=1"
guest 'mkdir -p /boot/grub && update-grub' >"$out/grub.log" 2>&1 || give_up "GRUB is configured" "$(cat "$out/grub.log")"
"$top/lab/push" "$top/build/tests/workloads/echo" /usr/local/bin/
# In the place of criu: of images in a directory that /root/bad names it restores none.
guest 'cat >/root/criu && chmod +x /root/criu
	printf "criu_exe: /root/criu\nahead_seconds: 15\n" >/etc/nvwa/nvwa-server.yaml' <<'END'
#!/bin/bash
as_user() {
	setpriv --reuid=65534 --clear-groups sh -c "$1"
}
# of FILE ARGS...: are the images those of the program that the file names?
of() {
	[ -e "$1" ] && readlink -- "${@:2}" | grep -q "/apps/$(cat "$1")/"
}
# /root/exchange.dir: after the dump the user makes a link of a directory above his working directory.
if [ "$1" = dump ] && of /root/exchange.dir "$@"; then
	/usr/sbin/criu "$@" || exit
	as_user "cd /tmp/user && mv a away && ln -s /root/secret a"
	exit
fi
# /root/exchange: at the last moment the user makes a link of the directory of his file.
if [ "$1" = restore ] && of /root/exchange "$@"; then
	as_user "cd /var/tmp/user && mv d away && ln -s /root/secret d && touch go"
fi
for word; do
	case $(readlink "$word") in
	"/run/nvwa/apps/$(cut -d' ' -f1 /root/bad)"/*)
		[ "$1" != restore ] || $(cut -d' ' -f2- /root/bad)
		;;
	esac
done
exec /usr/sbin/criu "$@"
END
guest 'echo 20000 >/proc/sys/kernel/ns_last_pid'
good=$(guest "setsid /usr/local/bin/echo $port </dev/null >/dev/null 2>&1 & echo \$!")

# The user's program writes to its file when it is told to. Root has one of the same size and mode.
attacked=$(guest 'mkdir -m 700 /root/secret && echo "of root" >/root/secret/file
	mkdir -p /var/tmp/user/d && echo "of user" >/var/tmp/user/d/file
	chown -R 65534 /var/tmp/user
	cat >/var/tmp/user/program
	setpriv --reuid=65534 --clear-groups setsid python3 /var/tmp/user/program \
		</dev/null >/dev/null 2>&1 & echo $!' <<'END'
import os, time
file = os.open("/var/tmp/user/d/file", os.O_RDWR)
while not os.path.exists("/var/tmp/user/go"):
    time.sleep(0.1)
os.write(file, b"was here")
time.sleep(1000000)
END
)
wait_until 60 guest "ls -l /proc/$attacked/fd | grep /var/tmp/user/d/file" ||
	give_up "the user's program opens its file"
guest "echo pid-$attacked >/root/exchange"

# update RELEASE HOW: another program, in whose place HOW is executed.
update() {
	local bad
	bad=$(guest 'setsid sleep 1000000 </dev/null >/dev/null 2>&1 & echo $!')
	restore_config "" "$good $bad $attacked"
	guest "echo pid-$bad $2 >/root/bad"
	client_start probe "$tests_dir/clients/probe.py" "$guest_ip" "$port" --period 10 --tcp
	boot=$(guest_boot_id)
	guest "nvwa update $1" >"$out/update.log" 2>&1
	"$top/lab/wait-boot" --deadline 900 "$boot" >/dev/null || give_up "the machine boots"
	wait_until "$NVWA_TEST_DEADLINE" update_settled || give_up "the update settles"
	is "the new kernel is $1" "$(guest_release)" "$1"
	ok "the one that can be restored answers again" client_advances probe
	client_stop probe
	is "nothing of it is answered twice, and its TCP connection lives" \
		"$(jq -r '"\(.twice) \(.unknown) \(.tcp.outcome) \(.tcp.wrong)"' "$out/probe.json")" \
		"0 0 ok 0"
	is "the report tells of both" "$(jq -r '.last | .outcome, (.apps[] | "\(.name) \(.outcome)")' \
		"$out/status.json" | paste -sd, )" "incomplete,pid-$good resumed,pid-$bad failed${attacked:+,pid-$attacked failed}"
	diag "$(jq -r '.last.apps[1].detail' "$out/status.json")"
	is "nothing is left of the other one" "$(guest "test -e /proc/$bad && cat /proc/$bad/status
		systemctl is-active nvwa-$bad.scope; test ! -s /sys/fs/cgroup/system.slice/nvwa-$bad.scope/cgroup.procs ||
		echo its control group is not empty")" inactive
	ok "the machine has all its memory, and nothing failed but that" guest '
		systemctl is-active multi-user.target
		test "$(awk "/MemTotal/ { print \$2 }" /proc/meminfo)" -gt 1900000'
}

# What the boot loader is to start at the next reset; nothing if it was told nothing.
next_entry() {
	guest 'grub-editenv /boot/grub/grubenv list' | sed -n 's/^next_entry=//p'
}

update "$(lab_kernel trixie 7)" "exit 1"
is "until it settled a panic or a hang would have reset the machine, and does not any more" \
	"$(guest 'grep -o "panic=10 softlockup_panic=1 nmi_watchdog=panic" /proc/cmdline
		cd /proc/sys/kernel && cat panic softlockup_panic hardlockup_panic' | paste -sd' ')" \
	"panic=10 softlockup_panic=1 nmi_watchdog=panic 0 0 0"
is "the boot loader has its own choice again" "$(next_entry)" ""
is "the kernel's log has criu's end" "$(guest "dmesg | grep -c 'is not resumed: criu restore ended with status 1'")" 1
like "the user's program was not resumed, as its file was another one" \
	"$(jq -r '.last.apps[2].detail' "$out/status.json")" \
	"descriptor 3 of process $attacked, /var/tmp/user/d/file, is not what it was: its name leads elsewhere \(/root/secret/file\)"
is "it had been exchanged, and the program wrote to neither file" "$(guest 'cd /var/tmp/user
	readlink d; cat away/file /root/secret/file')" "/root/secret
of user
of root"
is "no process is left of it" "$(guest "test -e /proc/$attacked && cat /proc/$attacked/status")" ""
guest 'rm /root/exchange'
attacked=$(guest 'install -d -o 65534 /tmp/user /tmp/user/a /tmp/user/a/ssh.service.d
	cd /tmp/user/a/ssh.service.d && findmnt -n -o FSTYPE -T . >&2
	setpriv --reuid=65534 --clear-groups setsid sleep 1000000 </dev/null >/dev/null 2>&1 & echo $!' \
	2>"$out/fstype")
is "/tmp is in memory" "$(cat "$out/fstype")" tmpfs
guest "echo pid-$attacked >/root/exchange.dir"
update "$(lab_kernel trixie 6.12)" "sleep 10000"
like "nvwa-init says that it gave up" "$(guest 'dmesg | grep nvwa-init')" \
	"programs are not restored: none was within 15 s"
is "no criu is left" "$(guest 'pgrep -c criu')" 0
like "another program of the user was not resumed, as the way to its directory led elsewhere" \
	"$(jq -r '.last.apps[2].detail' "$out/status.json")" "link that is not root's"
is "it had been exchanged, and root has made nothing where it led to" \
	"$(guest 'readlink /tmp/user/a; ls -A /root/secret')" "/root/secret
file"
no_splats

# panic_on_taint: the next kernel panics when nvwa.ko, which is not of its source, is inserted.
seven=$(lab_kernel trixie 7)
guest "echo 'extra_cmdline: panic_on_taint=0x1000' >/etc/nvwa/nvwa-server.yaml"
restore_config "" "$good"
boot=$(guest_boot_id)
guest "nvwa update $seven" >"$out/update.log" 2>&1
"$top/lab/wait-boot" --deadline 900 "$boot" >/dev/null || give_up "the machine comes up after a panic"
is "it has the kernel that it had" "$(guest_release)" "$(lab_kernel trixie 6.12)"
ok "the next one did panic" grep -q 'panic_on_taint set' "$("$top/lab/console" --path)"
is "the boot loader was told to start that one" \
	"$(next_entry | sed 's/.*>//; s/-advanced-.*//')" "gnulinux-$(lab_kernel trixie 6.12)"
is "the status tells of it" "$(guest nvwa status --json | jq -r '.state, .failed.to' | paste -sd' ')" \
	"idle $seven"
restore_config ""
like "the one that panicked is not tried again" "$(guest "nvwa check $seven" 2>&1; echo "status $?")" \
	"that was begun at .* never came to its end.*--force.*status 17"
is "but if somebody insists" "$(guest "nvwa check --force $seven" >/dev/null 2>&1; echo $?)" 0
done_testing
