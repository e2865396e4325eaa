#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A machine booted by UEFI: also its variables, tables and clock are as before.

# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

uefi_facts() {
	guest 'mountpoint -q /sys/firmware/efi/efivars || mount -t efivarfs efivarfs /sys/firmware/efi/efivars
		ls /sys/firmware/efi/efivars
		for f in config_table fw_vendor runtime systab; do echo "$f $(cat /sys/firmware/efi/$f)"; done
		cat /sys/firmware/efi/runtime-map/*/*
		sha256sum /sys/firmware/efi/efivars/Boot* /sys/firmware/dmi/tables/*'
}

machine_case trixie 6.12 7 64 --memory 3072 --cpus 2 --firmware uefi
uefi_facts >"$out/uefi.1"
# From a kernel that nvwa started.
update_to "$(lab_kernel trixie 6.12)"
uefi_facts >"$out/uefi.2"
like "there are variables of the firmware" "$(cat "$out/uefi.1")" BootOrder
is "they and the firmware's tables are the same after the next update" "$(cat "$out/uefi.2")" \
	"$(cat "$out/uefi.1")"
variable=/sys/firmware/efi/efivars/NvwaTest-8be4df61-93ca-11d2-aa0d-00e098032b8c
ok "a variable can be written, read and deleted" guest "
	printf '\\007\\000\\000\\000nvwa' >$variable && grep -q nvwa $variable &&
	chattr -i $variable && rm $variable && ! test -e $variable"
no_splats
done_testing
