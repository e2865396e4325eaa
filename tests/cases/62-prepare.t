#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nvwa prepare: what it keeps outlives an ordinary reboot and does not change it,
# is used by the update, and is not used when it or its kernel has changed. And
# a word of extra_cmdline reaches the next kernel; others are refused.

# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

kept=/var/cache/nvwa/kernel
target=$(lab_kernel trixie 7)
guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2
redis_start
redis_fill 16
restore_config redis-server
guest 'echo "extra_cmdline: case62.word=1" >/etc/nvwa/nvwa-server.yaml'
running=$(guest_release)

# prepared KEY: what nvwa status says of it.
prepared() {
	guest nvwa status --json | jq -r ".prepared.$1"
}

# refuses TEXT CODE REGEX PREPARE UNDO
refuses() {
	local output status
	output=$(guest "$4 && { nvwa prepare $target; echo status \$?; $5; }" 2>&1)
	status=$(sed -n 's/^status //p' <<<"$output")
	is "$1: exit code $2" "$status" "$2"
	like "$1: says why" "$output" "$3"
}
image=/boot/vmlinuz-$target
refuses "an image with one byte changed" 16 "vmlinuz-${target//+/\\+} is damaged" \
	"cp -p $image /root/image && printf '\\x5a' | dd of=$image bs=1 seek=3000000 conv=notrunc status=none" \
	"mv /root/image $image"
refuses "a command line that leads elsewhere" 17 "command line has single: .*rescue shell" \
	"sed 's/$/ single/' /proc/cmdline >/run/cmdline && mount --bind /run/cmdline /proc/cmdline" \
	"umount /proc/cmdline"
server=/etc/nvwa/nvwa-server.yaml
refuses "a command line that is too long" 17 "and it takes 2047\. Shorten extra_cmdline" \
	"cp $server /root/ && printf 'extra_cmdline: case62.long=%02000d\n' 1 >$server" "mv /root/nvwa-server.yaml $server"
refuses "a word that cannot be added" 5 "$server:1: .*cma=1G, which an update cannot add" \
	"cp $server /root/ && echo 'extra_cmdline: quiet cma=1G' >$server" "mv /root/nvwa-server.yaml $server"
is "nothing is kept of all that" "$(prepared release)" null

output=$(guest "nvwa prepare $target" 2>&1)
is "prepare: exit code 0" $? 0
like "prepare: says what it did" "$output" "${target//+/\\+} is prepared: [0-9]+ MiB in /var/cache/nvwa"
is "nothing is loaded" "$(guest cat /sys/kernel/kexec_loaded)" 0
is "what is kept is root's alone" "$(guest "stat -c '%U %a' /var/cache/nvwa $kept" | xargs)" \
	"root 700 root 600"
is "nvwa status --json names it" "$(prepared release) $(prepared fits)" "$target true"
like "nvwa status names it" "$(guest nvwa status)" "prepared +${target//+/\\+}, on 20"
like "preparing again has nothing to do" "$(guest "nvwa prepare $target" 2>&1)" "prepared already, on 20"

boot=$(guest_boot_id)
guest 'systemctl reboot' >/dev/null 2>&1
"$top/lab/wait-boot" --deadline "$NVWA_TEST_DEADLINE" "$boot" >"$out/reboot.log" 2>&1 ||
	give_up "the guest reboots" "$(cat "$out/reboot.log")"
is "an ordinary reboot lands in the old kernel" "$(guest_release)" "$running"
like "started by firmware and boot loader" "$(guest cat /proc/cmdline)" "^([^n]|n[^v])*$"
is "what was prepared is still there, and fits" "$(prepared release) $(prepared fits)" "$target true"
guest systemctl start redis-server
wait_until 60 redis_answers || give_up "redis starts again"
redis_fill 16

# unfit TEXT REGEX SPOIL [UNDO]: the check finds it of no use, and says why.
unfit() {
	guest "$3" >/dev/null || fail "$1: it can be staged"
	like "$1: the check says why it is of no use" "$(guest "nvwa check $target" 2>&1)" \
		"note: what was prepared is of no use any more, and will be made anew: $2"
	[ $# -lt 4 ] || guest "$4" >/dev/null || fail "$1: it can be undone"
}
unfit "truncated" "its length is wrong" \
	"cp $kept /root/ && truncate -s -1 $kept" "cp /root/kernel $kept"
unfit "of another user" "it belongs to another user" "chown daemon $kept" "chown root $kept"
unfit "of another mode" "other users had access to it" "chmod 755 /var/cache/nvwa" "chmod 700 /var/cache/nvwa"
unfit "the kernel's package has changed" "/boot/vmlinuz-${target//+/\\+} has changed since" \
	"touch /boot/vmlinuz-$target"
is "nvwa status says so, too" "$(prepared fits)" false
like "preparing makes it anew" "$(guest "nvwa prepare $target" 2>&1)" "is prepared: "
is "and it fits" "$(prepared fits)" true

guest 'nvwa prepare --remove' >/dev/null
is "it can be removed" "$? $(prepared release) $(guest 'ls /var/cache | grep -c nvwa')" "0 null 0"
output=$(guest "mount -t tmpfs -o size=90m small /var/cache && nvwa prepare $target; echo status \$?
	umount /var/cache" 2>&1)
like "too little room on the disk: exit code 1, and says how much is needed" "$output" \
	"/var/cache/nvwa has [0-9]+ MiB free, and 1[0-9]{2} MiB are needed.*status 1"
guest "nvwa prepare $target" >/dev/null

# The 3000000th byte. CRIU fails, so that the update is undone (see case 30).
guest "printf '\\x5a' | dd of=$kept bs=1 seek=3000000 conv=notrunc status=none"
sum=$(guest sha256sum "$kept")
output=$(guest "CRIU_FAULT=5 nvwa update $target" 2>&1)
is "an update that is undone: exit code 4" $? 4
like "a byte that has changed: the update says so" "$output" \
	"nvwa: what was prepared of ${target//+/\\+} is made anew: it is damaged"
ok "and has made it anew" test "$(guest sha256sum "$kept")" != "$sum"
is "nothing is loaded any more" "$(guest cat /sys/kernel/kexec_loaded)" 0

redis_note
update_to "$target"
like "the update has used what was prepared" "$(cat "$out/update.log")" \
	"nvwa: ${target//+/\\+} was prepared on 20.*, which is used"
redis_same
like "the word of extra_cmdline is on the command line, last" "$(guest cat /proc/cmdline)" \
	" nvwa=1 .* case62\.word=1$"
is "what was prepared is gone after it" "$(prepared release)" null
no_splats
done_testing
