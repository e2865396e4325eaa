#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2016 # the guest's shell expands
# Memory that the host gives and takes while the guest runs is not in the map that a kernel
# finds when it boots: an update is refused, with the reason, and allowed again where that has gone.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# monitor COMMAND: to QEMU.
monitor() {
	echo "$1" | socat - "UNIX-CONNECT:$top/build/lab/$NVWA_LAB/monitor.sock" >>"$out/monitor.log"
}

# What stands against an update, if anything does.
against() {
	guest "nvwa check --json $target" | jq -r '.reasons[] | select(.fatal) | .text'
}

# balloon_has MIN MAX: pages that the guest has given away.
balloon_has() {
	local given
	given=$(guest 'awk "/^balloon_inflate/ { n += \$2 } /^balloon_deflate/ { n -= \$2 }
		END { print n }" /proc/vmstat')
	[ "$given" -ge "$1" ] && [ "$given" -le "$2" ]
}

target=$(lab_kernel trixie 7)
# 256 MiB of it as a firmware has CXL memory ("soft reserved", type 0xefffffff): for the driver dax.
guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2 --qemu "-device virtio-balloon-pci" \
	--append "memmap=256M%0x40000000-1+0xefffffff modprobe.blacklist=kmem"
restore_config "" ""
is "a balloon that is empty stands against nothing" "$(against)" ""
monitor "balloon 1280"
ok "the balloon is inflated" wait_until 60 balloon_has 65536 65536
like "the check says how much it has" "$(against)" \
	"A balloon driver has given 256 MiB of this machine's memory to its host. Deflate"
is "an update is refused, too" "$(guest "nvwa update $target >/dev/null 2>&1; echo \$?")" 17
monitor "balloon 1536"
ok "the balloon is deflated" wait_until 60 balloon_has 0 0
is "and nothing stands against an update any more" "$(against)" ""
ok "a driver adds memory" guest 'modprobe -a dax_hmem kmem'
ok "the kernel has it" wait_until 60 guest 'grep -q "System RAM (kmem)" /proc/iomem'
like "the check refuses memory that a driver has added, and says how much" "$(against)" \
	"256 MiB of this machine's memory were added by a driver .*daxctl"
no_splats

guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2 --qemu "-m maxmem=4G,slots=2 \
	-object memory-backend-ram,id=plug,size=256M -device virtio-mem-pci,memdev=plug"
restore_config "" ""
like "the check refuses a machine with virtio-mem" "$(against)" "memory that its host can plug"
monitor "object_add memory-backend-ram,id=module,size=128M"
monitor "device_add pc-dimm,id=dimm,memdev=module"
plugged() {
	guest 'cat /sys/bus/acpi/devices/PNP0C80:*/status' | grep -q 15
}
ok "a memory module is plugged in" wait_until 60 plugged
like "and the check refuses one with that" "$(against)" "memory modules that can be unplugged"
no_splats
done_testing
