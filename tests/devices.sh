# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016 # out, top are lib.sh's; the guest's shell expands
# A machine with devices of many kinds besides those that the lab gives it, all of which
# have to work after an update. Sourced after tests/lib.sh.

# Of how many MB each is tells which disk it is, whatever it is called.
declare -A devices_disks=([nvme]=61 [sata]=62 [scsi]=63 [usb]=64)

# What a driver says that found its device in a state that it did not expect.
devices_trouble='nobody cared|[Dd]isabling IRQ|timed? ?out|[Ff]ail|[Ee]rror|not halt|not ready|[Ll]ost'
devices_drivers='nvme|ahci|ata[0-9]|sd [0-9]|scsi|e1000e|xhci|usb|irq|IRQ'

# devices_up SUITE KERNEL: boot a guest that has them, with a file system on each disk.
devices_up() {
	local disk options
	options="-device ahci,id=ahci -device virtio-scsi-pci,id=host -device qemu-xhci,id=xhci"
	for disk in "${!devices_disks[@]}"; do
		truncate -s "${devices_disks[$disk]}M" "$out/$disk.img"
		options+=" -drive file=$out/$disk.img,if=none,id=$disk,format=raw,cache=unsafe"
	done
	options+=" -device nvme,serial=nvwa,drive=nvme -device ide-hd,bus=ahci.0,drive=sata"
	options+=" -device scsi-hd,bus=host.0,drive=scsi -device usb-storage,bus=xhci.0,drive=usb"
	options+=" -device usb-tablet,bus=xhci.0"
	options+=" -netdev user,id=second,net=10.88.0.0/24,hostfwd=tcp:127.0.0.1:8088-10.88.0.15:80"
	options+=" -device e1000e,netdev=second,mac=52:54:00:77:00:03,romfile="
	guest_up --suite "$1" --kernel "$2" --memory 2048 --cpus 2 --qemu "$options"
	guest 'cat >/etc/systemd/network/20-second.network && networkctl reload
		systemctl -q enable --now nginx' <<-END ||
	[Match]
	MACAddress=52:54:00:77:00:03
	[Network]
	Address=10.88.0.15/24
	IPv6AcceptRA=no
	LinkLocalAddressing=no
	END
		give_up "the guest is set up"
	for disk in "${!devices_disks[@]}"; do
		guest "mkfs.ext4 -q -L $disk \$(lsblk -ndpbo NAME,SIZE | awk '
				\$2 == ${devices_disks[$disk]} * 1048576 { print \$1 }') &&
			mkdir /srv/$disk" ||
			give_up "the disk $disk takes a file system" "$(guest lsblk -b)"
	done
}

# devices_write NAME: a new file on all of them, not synced.
devices_write() {
	local disk
	for disk in "${!devices_disks[@]}"; do
		guest "mountpoint -q /srv/$disk || mount LABEL=$disk /srv/$disk
			head -c 8M /dev/urandom >/srv/$disk/file-$1 && sha256sum /srv/$disk/file-*" \
			>"$out/$disk.sums" || give_up "$disk takes files"
	done
}

# devices_work: what was on the disks is there, network and USB work, and nobody complains.
devices_work() {
	local disk
	for disk in "${!devices_disks[@]}"; do
		ok "$disk: its file system is found" wait_until 120 guest "mount LABEL=$disk /srv/$disk"
		is "$disk: all that was written before is there" \
			"$(guest "sha256sum /srv/$disk/file-*" 2>&1)" "$(cat "$out/$disk.sums")"
	done
	ok "e1000e: the web server answers over it" wait_until 120 devices_answer
	ok "e1000e: and ping goes through" guest ping -c 3 -W 10 -I 10.88.0.15 10.88.0.2
	ok "xHCI: the tablet is there" wait_until 60 guest \
		'grep -q "QEMU USB Tablet" /proc/bus/input/devices'
	guest dmesg >"$out/dmesg"
	is "no driver complains" "$(grep -E "$devices_drivers" "$out/dmesg" |
		grep -E "$devices_trouble")" ""
	like "no function without a driver may write to memory when nvwa-init starts" \
		"$(grep 'left with bus mastering' "$out/dmesg")" 'nvwa-init: 0 of [1-9][0-9]* PCI'
}

devices_answer() {
	[ "$(http_status / 127.0.0.1 8088)" = 200 ]
}

# What the old kernel said between our word on devices and its last one, in ms.
devices_shutdown_ms() {
	tr -d '\r' <"$("$top/lab/console" --path)" | sed -n \
		-e 's/^\[ *\([0-9.]*\)\] nvwa: \([0-9]*\) devices are quieted.*/from \1 \2/p' \
		-e 's/^\[ *\([0-9.]*\)\] kexec_core: Starting new kernel.*/to \1/p' | awk '
		$1 == "from" { from = $2; nr = $3 }
		$1 == "to" { last = sprintf("%d quieted, all others shut down, in %.1f ms", nr, ($2 - from) * 1000) }
		END { print last }'
}

# devices_update RELEASE N: with a file written just before it.
devices_update() {
	devices_write "$2"
	update_to "$1"
	diag "$(devices_shutdown_ms)"
	devices_work
}

# devices_case SUITE FROM TO: there with devices quieted, and back with all shut down.
devices_case() {
	local from to
	from=$(lab_kernel "$1" "$2")
	to=$(lab_kernel "$1" "$3")
	devices_up "$1" "$2"
	restore_config nginx
	like "the check says which devices are quieted" "$(guest nvwa check "$to")" \
		'are only quieted: ahci \([^)]*\), nvme \([^)]*\), xhci_hcd'

	devices_update "$to" 1
	like "three of them were" "$(devices_shutdown_ms)" '^3 quieted'
	ok "drivers that neither root nor network need came after the programs ran" \
		devices_after_programs
	guest 'echo "device_shutdown: full" >>/etc/nvwa/nvwa-server.yaml'
	like "the check says when all are shut down" "$(guest nvwa check "$from")" \
		'are shut down in full: ahci .*, nvme '
	devices_update "$from" 2
	like "none was quieted" "$(devices_shutdown_ms)" '^0 quieted'
}

devices_after_programs() {
	local resumed
	resumed=$(guest systemctl show -P ActiveEnterTimestampMonotonic nginx)
	[ "${resumed:-0}" -gt 0 ] || return 1
	grep -E 'nvme nvme0: pci function|xhci_hcd .*: xHCI Host Controller|ahci .*: AHCI' \
		"$out/dmesg" | sed 's/^\[ *//; s/\].*//' | awk -v resumed="$resumed" '
		{ n++; if ($1 * 1000000 < resumed) early++ }
		END { exit !(n >= 3 && !early) }'
}
