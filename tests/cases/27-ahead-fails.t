#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Of two programs that go ahead of systemd one cannot be restored: once as criu fails, once as it hangs.
# The other one goes on, the machine boots, and the report tells.

# shellcheck disable=SC2016 # the guest's shell and jq expand
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

port=7
make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
"$top/lab/push" "$top/build/tests/workloads/echo" /usr/local/bin/
# In the place of criu: of images in a directory that /root/bad names it restores none.
guest 'cat >/root/criu && chmod +x /root/criu
	echo "criu_exe: /root/criu" >/etc/nvwa/nvwa-server.yaml' <<'END'
#!/bin/bash
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

# update RELEASE HOW: another program, in whose place HOW is executed.
update() {
	local bad
	bad=$(guest 'setsid sleep 1000000 </dev/null >/dev/null 2>&1 & echo $!')
	restore_config "" "$good $bad"
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
		"$out/status.json" | paste -sd, )" "incomplete,pid-$good resumed,pid-$bad failed"
	diag "$(jq -r '.last.apps[1].detail' "$out/status.json")"
	is "nothing is left of the other one" "$(guest "test -e /proc/$bad && cat /proc/$bad/status
		systemctl is-active nvwa-$bad.scope; test ! -s /sys/fs/cgroup/system.slice/nvwa-$bad.scope/cgroup.procs ||
		echo its control group is not empty")" inactive
	ok "the machine has all its memory, and nothing failed but that" guest '
		systemctl is-active multi-user.target
		test "$(awk "/MemTotal/ { print \$2 }" /proc/meminfo)" -gt 1900000'
}

update "$(lab_kernel trixie 7)" "exit 1"
is "the kernel's log has criu's end" "$(guest "dmesg | grep -c 'is not resumed: criu restore ended with status 1'")" 1
update "$(lab_kernel trixie 6.12)" "sleep 10000"
like "nvwa-init says that it gave up" "$(guest 'dmesg | grep nvwa-init')" \
	"programs were not restored within 360 s"
is "no criu is left" "$(guest 'pgrep -c criu')" 0
no_splats
done_testing
