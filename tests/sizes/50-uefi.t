#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A machine booted by UEFI: the firmware's runtime services, its variables and
# its tables are there after an update, and after one from the kernel that this
# has started.

# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

efivars=/sys/firmware/efi/efivars

uefi_facts() {
	guest '
		mountpoint -q /sys/firmware/efi/efivars ||
			mount -t efivarfs efivarfs /sys/firmware/efi/efivars
		cd /sys/firmware/efi && ls efivars
		grep . config_table fw_vendor systab runtime-map/*/*
		sha256sum efivars/Boot* /sys/firmware/dmi/tables/*'
}

guest_up --suite trixie --kernel 6.12 --memory 3072 --cpus 2 --firmware uefi
uefi_facts >"$out/uefi.before"
like "there are variables of the firmware" "$(cat "$out/uefi.before")" BootOrder
redis_start
redis_fill 64
restore_config redis-server
redis_note
for spec in 7 6.12; do
	update_to "$(lab_kernel trixie "$spec")"
	pages_add_up 16384
	uefi_facts >"$out/uefi.$spec"
	is "variables and tables of the firmware are the same" "$(cat "$out/uefi.$spec")" \
		"$(cat "$out/uefi.before")"
	# Under a GUID of its own: the firmware takes no new names under its own.
	variable=$efivars/NvwaTest-3f1c8a52-7d0e-4b6f-9a41-6c2e5d7b8f90
	ok "a variable can be written, read and deleted" guest "
		printf '\\007\\000\\000\\000nvwa' >$variable && grep -q nvwa $variable &&
		chattr -i $variable && rm $variable && ! test -e $variable"
done
redis_same
no_splats
done_testing
