# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034 # out, top, guest_is_up are lib.sh's
# What the cases share that compare the machine after an update with what an
# ordinary boot of the same kernel makes of it. Sourced after tests/lib.sh.

# What an owner of the machine has that depends on the size of its RAM: modules
# that measure it, limits in parts of it, and settings that must win.
machine_settings() {
	guest 'printf "%s\n" nf_conntrack fuse dm-bufio >/etc/modules-load.d/machine.conf
		printf "%s\n" "vm.admin_reserve_kbytes = 7000" "net.ipv4.udp_mem = 1000 2000 3000" \
			>/etc/sysctl.d/20-machine.conf
		cat >/etc/systemd/system/nvwa-percent.service
		systemctl daemon-reload && systemctl -q enable nvwa-percent' <<-END
	[Service]
	ExecStart=/usr/bin/sleep infinity
	MemoryMax=50%
	MemoryHigh=25%
	TasksMax=10%
	[Install]
	WantedBy=multi-user.target
	END
}

# machine_facts FILE
machine_facts() {
	guest python3 /root/guest/machine.py >"$1" ||
		give_up "the guest tells what it is"
}

machine_reboot() {
	local boot
	boot=$(guest_boot_id)
	guest 'systemctl reboot' >/dev/null 2>&1
	"$top/lab/wait-boot" --deadline "$NVWA_TEST_DEADLINE" "$boot" >/dev/null ||
		give_up "the guest reboots"
	guest 'systemctl is-system-running --wait' >/dev/null
}

# machine_ordinary SUITE SPEC LAB-UP-OPTIONS...: the facts of an ordinary boot of
# that kernel, in $out/ordinary. This machine never hears of nvwa.
machine_ordinary() {
	local suite=$1 spec=$2
	shift 2
	guest_boot --suite "$suite" --kernel "$spec" "$@"
	"$top/lab/push" "$tests_dir/guest/" /root/guest >/dev/null ||
		give_up "the guest takes files"
	machine_settings
	machine_reboot
	machine_facts "$out/ordinary"
	cp "$("$top/lab/console" --path)" "$out/console-ordinary.log"
}

# machine_updated SUITE FROM TO MB LAB-UP-OPTIONS...: the facts after an update
# with a redis of so many MB, in $out/updated.
machine_updated() {
	local suite=$1 from=$2 to=$3 mb=$4
	shift 4
	guest_up --suite "$suite" --kernel "$from" "$@"
	machine_settings
	redis_start
	redis_fill "$mb"
	restore_config redis-server
	redis_note
	update_to "$(lab_kernel "$suite" "$to")"
	pages_add_up $((mb * 256))
	machine_facts "$out/updated"
	redis_same
}

# machine_case SUITE FROM TO MB LAB-UP-OPTIONS...: all of it.
machine_case() {
	local suite=$1 from=$2 to=$3 mb=$4
	shift 4
	machine_ordinary "$suite" "$to" "$@"
	machine_updated "$suite" "$from" "$to" "$mb" "$@"
	machine_same
}

# machine_same: what differs, and why it may, is in $out/differences.
machine_same() {
	if "$tests_dir/guest/machine.py" --compare "$out/ordinary" "$out/updated" \
		>"$out/differences"; then
		pass "the machine is what an ordinary boot makes of it ($(wc -l <"$out/ordinary") facts)"
	else
		fail "the machine is what an ordinary boot makes of it" \
			"$(grep ^WRONG "$out/differences")"
	fi
	diag "$(grep -v ^WRONG "$out/differences" | cut -f 2-)"
}
