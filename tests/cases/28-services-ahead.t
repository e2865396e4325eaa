#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Services go on before systemd starts, in sandboxes like those that it had built for them, and it
# takes them over when it does: with their main processes, limits, journal, watchdog. One whose
# sandbox only systemd can build waits for it, and one that cannot be restored starts afresh.

# shellcheck disable=SC2016,SC2034 # the guest's shell and jq expand; lib.sh reads extra_debs
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

port=7
make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
"$top/lab/push" "$top/build/tests/workloads/echo" "$top/build/tests/workloads/criu-fails" \
	/usr/local/bin/
# None of them is enabled: they run as somebody has started them.
guest 'useradd -r said
	install -m 755 /root/guest/said.py /usr/local/bin/said
	# As packages have it: emptied at boot.
	echo "D /run/said 0755 said said -" >/etc/tmpfiles.d/said.conf
	cat >/etc/systemd/system/said.service <<-END
	[Service]
	Type=notify
	ExecStart=/usr/local/bin/said
	User=said
	Slice=said-numbers.slice
	RuntimeDirectory=said
	StateDirectory=said
	PrivateTmp=yes
	PrivateDevices=yes
	ProtectSystem=strict
	ProtectHome=tmpfs
	ProtectKernelTunables=yes
	ProtectKernelModules=yes
	ProtectControlGroups=yes
	ProtectHostname=yes
	InaccessiblePaths=/opt
	BindReadOnlyPaths=/etc/passwd:/var/lib/said/users
	NoNewPrivileges=yes
	CapabilityBoundingSet=
	SystemCallFilter=@system-service
	RestrictNamespaces=yes
	MemoryMax=200M
	CPUWeight=50
	TasksMax=20
	WatchdogSec=60
	Restart=always
	LogRateLimitIntervalSec=0
	END
	printf "[Service]\nExecStart=/usr/local/bin/echo '$port'\nTasksMax=20\n" >/etc/systemd/system/echo.service
	printf "[Service]\nExecStart=/bin/sleep infinity\nIPAddressDeny=192.0.2.0/24\n" >/etc/systemd/system/waits.service
	systemctl daemon-reload; systemctl start said echo waits' || give_up "the services start"
restore_config "said echo waits"

# facts UNIT: how systemd, the kernel and the service itself see it; ids of mounts count up.
facts() {
	guest "unit=$1; pid=\$(systemctl show -P MainPID \$unit)"'
	/root/guest/service-facts $unit
	systemctl show $unit -p InvocationID -p ActiveEnterTimestamp -p ExecMainStartTimestamp \
		-p NRestarts -p StatusText -p Slice -p MemoryMax -p CPUWeight -p TasksMax -p Result \
		-p WatchdogUSec -p UID -p GID
	/root/guest/facts.py $pid | grep -v "^namespace time"
	cd /sys/fs/cgroup$(systemctl show -P ControlGroup $unit) &&
		grep -H . memory.max cpu.weight pids.max memory.high
	stat -c "%n %F %a %U:%G" /proc/$pid/root/{dev,dev/*,tmp,var/tmp,home,opt,run/said,run/said/*} \
		2>/dev/null | sed "s,^/proc/[0-9]*/root,,"' | sed 's/^listen \(.*\): uid .*/listen \1/'
}

# opens FILE: what comes of opening it in the control group of the service.
opens() {
	guest "echo \$\$ >/sys/fs/cgroup\$(systemctl show -P ControlGroup said)/cgroup.procs
		head -c 1 $1 2>&1 >/dev/null | grep -o 'not permitted' || echo opened"
}

# numbers WHAT: how many the journal has of the running service, and how many of them are out of turn.
numbers() {
	guest 'journalctl --sync; journalctl -o json --no-pager _PID=$(systemctl show -P MainPID said)' |
		jq -r 'select(.MESSAGE | startswith("'"$1"' ")) |
			"\(.MESSAGE) \(._SYSTEMD_UNIT) \(.SYSLOG_IDENTIFIER) \(._SYSTEMD_INVOCATION_ID)"' |
		awk '{ if (NR > 1 && $2 != last + 1) bad++; last = $2; seen[$3 " " $4 " " $5] }
			END { print NR, bad + 0; for (s in seen) print s }'
}

# updated RELEASE
updated() {
	facts said >"$out/said.before"
	facts echo >"$out/echo.before"
	client_start probe "$tests_dir/clients/probe.py" "$guest_ip" "$port" --period 10 --tcp
	update_to "$1"
	ok "the service answers again" client_advances probe
	client_stop probe
	is "no datagram is answered twice, and its TCP connection lives" \
		"$(jq -r '"\(.twice) \(.unknown) \(.tcp.outcome) \(.tcp.wrong)"' "$out/probe.json")" \
		"0 0 ok 0"
	is "two went ahead of systemd, and the one that has to wait did not" \
		"$(when said.service) $(when echo.service) $(when waits.service)" "$2"
	facts said >"$out/said.after"
	facts echo >"$out/echo.after"
	ok "to systemd, and in its sandbox, the service is as before" \
		diff -U0 "$out/said.before" "$out/said.after"
	ok "so is one without a sandbox" diff -U0 "$out/echo.before" "$out/echo.after"
	is "it may open its devices, and no others" "$(opens /dev/null) $(opens /dev/vda)" \
		"opened not permitted"
	invocation=$(sed -n 's/^InvocationID=//p' "$out/said.before")
	for what in said warned; do
		numbers $what >"$out/numbers"
		is "the journal has all that it $what, in turn, under one name ($(head -n 1 "$out/numbers"))" \
			"$(sed '1s/.* //' "$out/numbers" | paste -sd' ')" \
			"0 said.service said $invocation"
	done
	is "nothing has removed its private directories, and those of other boots are gone" \
		"$(private_tmp said)" "tmp/systemd-private-BOOT-said.service var/tmp/systemd-private-BOOT-said.service 0"
	is "nothing has failed, nothing complains" "$(guest 'systemctl --failed --plain --no-legend
		dmesg | grep "nvwa-init: .*fail"
		journalctl -b --no-pager -u nvwa-scopes | grep nvwa:')" ""
}

like "the check says which has to wait, and why" "$(guest nvwa check 2>&1)" \
	"waits.service .*not before: only systemd can bring about what its unit says of IPAddressDeny="
updated "$(lab_kernel trixie 7)" "before before after"
guest 'systemctl stop waits'
restore_config "said echo"
updated "$(lab_kernel trixie 6.12)" "before before "
is "the boot was one as ever" "$(guest 'systemctl is-active nvwa-net nvwa-resume multi-user.target' |
	paste -sd' ')" "inactive inactive active"

# --- systemd has it in hand ----------------------------------------------------------

guest 'systemctl restart systemd-journald; sleep 2'
numbers said >"$out/numbers"
is "the journal goes on when journald is restarted" "$(sed -n '1s/.* //p' "$out/numbers")" 0
is "every end of a stream that journald keeps is one that somebody uses" "$(guest '
	echo $(($(ls /run/systemd/journal/streams | wc -l) - $(systemctl show -P NFileDescriptorStore systemd-journald)))')" 0
pid=$(guest systemctl show -P MainPID said)
guest "mkdir -p /etc/systemd/system/said.service.d
	printf '[Service]\nWatchdogSec=5\n' >/etc/systemd/system/said.service.d/soon.conf
	systemctl daemon-reload; ls -d /tmp/systemd-private-*-said.service-*" >"$out/private"
is "its private directory has the name of this boot" "$(sed 's/.*private-\(.*\)-said.*/\1/' "$out/private")" \
	"$(guest_boot_id | tr -d -)"
guest "kill -KILL $pid"
restarted() {
	[ "$(guest systemctl show -P NRestarts said)" = 1 ]
}
ok "systemd starts it again when it is killed" wait_until 30 restarted
ok "and it can be stopped" guest systemctl stop said
is "then nothing is left of it" "$(guest "ls -d /tmp/systemd-private-*-said.service-* /run/said \
	/sys/fs/cgroup/said.slice/said-numbers.slice/said.service 2>/dev/null")" ""

# --- one that cannot be restored ---------------------------------------------------------

guest 'rm -r /etc/systemd/system/said.service.d; systemctl daemon-reload; systemctl start said
	echo "criu_exe: /usr/local/bin/criu-fails" >/etc/nvwa/nvwa-server.yaml'
# incomplete RELEASE OUTCOMES: an update after which not all are what they were.
incomplete() {
	boot=$(guest_boot_id)
	guest "nvwa update $1" >"$out/update.log" 2>&1
	"$top/lab/wait-boot" --deadline 900 "$boot" >/dev/null || give_up "the machine boots"
	wait_until "$NVWA_TEST_DEADLINE" update_settled || give_up "the update settles"
	is "the new kernel is $1" "$(guest_release)" "$1"
	is "the report tells of both" "$(jq -r '.last | .outcome, (.apps[] | "\(.name) \(.outcome)")' \
		"$out/status.json" | paste -sd, )" "incomplete,$2"
	diag "$(jq -r '.last.apps[].detail' "$out/status.json")"
	is "both run, each once" "$(guest 'systemctl is-active said echo
		pgrep -fc "python3 /usr/local/bin/said$"; pgrep -c -x echo' | paste -sd' ')" "active active 1 1"
}
pids() {
	guest systemctl show -P MainPID said echo | paste -sd' '
}
before=$(pids)
client_start probe "$tests_dir/clients/probe.py" "$guest_ip" "$port" --period 10 --tcp
incomplete "$(lab_kernel trixie 7)" "said.service failed,echo.service resumed"
ok "the one that can be restored answers again" client_advances probe
client_stop probe
after=$(pids)
ok "the other one is another process ($before, $after)" \
	test "${after#* }" = "${before#* }" -a "${after% *}" != "${before% *}"

# --- systemd is not told -------------------------------------------------------------------

# Something takes its place as the first program when it is too late to see that.
guest 'rm /etc/nvwa/nvwa-server.yaml; cat >/root/init; chmod +x /root/init
	setsid sh -c "echo 0 >/sys/fs/cgroup/cgroup.procs
		until test -d /run/nvwa/out/apps/said.service/img; do sleep 0.02; done
		mv -f /root/init /usr/sbin/init" </dev/null >/dev/null 2>&1 &' <<'END'
#!/bin/sh
exec /usr/lib/systemd/systemd "$@"
END
before=$(pids)
incomplete "$(lab_kernel trixie 6.12)" "said.service failed,echo.service failed"
like "with the reason" "$(jq -r '.last.apps[].detail' "$out/status.json")" \
	"systemd has not taken over said.service.*systemd has not taken over echo.service"
like "the next check says what is in the way" "$(guest nvwa check 2>&1)" \
	"not before: /sbin/init is not systemd itself"
no_splats
done_testing
