#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2016 # the guest's shell expands
# Four CPUs go from kernel to kernel: through the mailbox where both kernels allow it, else by INIT
# and SIPI; three updates in a row under redis. Afterwards they can be taken offline and brought
# back as on any machine.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# cpus_are WANT TEXT: see tests/guest/cpus.py.
cpus_are() {
	is "$2" "$(guest /root/guest/cpus.py)" "$1" ||
		diag "$(guest 'dmesg | grep -iE "smp|mailbox|wakeup|nvwa" | tail -n 30')"
}

# Every CPU that can be is offline in turn, all at once in the end, and comes back.
hotplug() {
	ok "CPUs go offline and come back, one by one and all" guest '
		set -e
		cd /sys/devices/system/cpu
		for cpu in cpu1 cpu2 cpu3; do
			echo 0 >$cpu/online
			[ "$(cat $cpu/online)" = 0 ]
			echo 1 >$cpu/online
		done
		for cpu in cpu1 cpu2 cpu3; do echo 0 >$cpu/online; done
		[ "$(cat online)" = 0 ]
		for cpu in cpu3 cpu1 cpu2; do echo 1 >$cpu/online; done'
}

# updated RELEASE WAKEUP HOW
updated() {
	redis_note
	update_to "$1"
	redis_same
	cpus_are "wakeup $2 online 0-3 ran on 0 1 2 3" "four CPUs are up, $3"
	diag "$(guest 'dmesg | grep "smp: Br"; nvwa report')"
}

# says WHAT: the check's note about CPUs; nothing if WHAT is empty.
says() {
	local said
	said=$(guest "nvwa check --json $newest" | jq -r '.reasons[].text' | grep "INIT and SIPI")
	if [ -z "$1" ]; then
		is "the check has nothing to say of CPUs" "$said" ""
	else
		like "the check says why CPUs are not woken by mailbox" "$said" "$1"
	fi
}

# offline_costs: percent of one of this machine's CPUs that a CPU of the guest takes while it is offline.
offline_costs() {
	guest 'echo 0 >/sys/devices/system/cpu/cpu3/online' &&
		"$tests_dir/clients/vcpu.py" "$top/build/lab/$NVWA_LAB/qmp.sock" 3 5 &&
		guest 'echo 1 >/sys/devices/system/cpu/cpu3/online'
}

newest=$(lab_kernel trixie 7)
guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 4
redis_start
redis_fill 16
restore_config redis-server
cpus_are "wakeup none online 0-3 ran on 0 1 2 3" "the firmware knows of no mailbox"

ordinary=$(offline_costs)
says ""
updated "$newest" 1 "woken by mailbox"
parked=$(offline_costs)
ok "a CPU that waits in the park area takes $parked % of a CPU's time (on an ordinary kernel $ordinary %)" \
	awk -v parked="$parked" -v ordinary="$ordinary" \
	'BEGIN { exit !(parked != "" && ordinary != "" && parked < ordinary + 25) }'
hotplug
updated "$(lab_kernel trixie 6.12)" 1 "woken by mailbox again"
hotplug

# A CPU that is offline waits in the area that the next kernel must leave alone then.
guest 'echo 0 >/sys/devices/system/cpu/cpu2/online'
says "CPUs are offline"
redis_note
update_to "$newest"
redis_same
cpus_are "wakeup none online 0-3 ran on 0 1 2 3" "four CPUs are up, without a mailbox"
diag "$(guest 'dmesg | grep "smp: Br"')"
hotplug
no_splats
done_testing
