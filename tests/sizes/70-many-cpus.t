#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2016 # the guest's shell expands
# CPUs that wait by MWAIT, as on the bare machine; and 64 of them, with x2APIC.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# woken CPUS QEMU-OPTIONS: two updates in a row under redis.
woken() {
	local last=$(($1 - 1)) release
	guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus "$1" --qemu "$2"
	redis_start
	redis_fill 16
	restore_config redis-server
	for release in 7 6.12; do
		redis_note
		update_to "$(lab_kernel trixie "$release")"
		redis_same
		is "$1 CPUs are woken by mailbox" "$(guest /root/guest/cpus.py)" \
			"wakeup 1 online 0-$last ran on $(seq -s ' ' 0 "$last")"
		diag "$(guest 'dmesg | grep -E "smp: Br|x2apic"')"
		ok "they go offline and come back" guest '
			set -e
			cd /sys/devices/system/cpu
			for cpu in cpu1 cpu3 cpu2; do echo 0 >$cpu/online; done
			for cpu in cpu1 cpu3 cpu2; do echo 1 >$cpu/online; done'
	done
	no_splats
}

woken 4 "-cpu max,erms=off,fsrm=off,svm=off,hypervisor=off"
woken 64 "-device intel-iommu,intremap=on,eim=on"
done_testing
