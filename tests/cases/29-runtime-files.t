#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Services with much below /run that no unit names: slapd with a socket by another spelling, fail2ban that watches
# a directory of the journal's, Apache and Dovecot with pid files in directories that their commands
# make, Varnish. All go on, and afterwards they can be told to reload. A program of a user has a FIFO
# in a directory with an access list, and a file in memory that nobody holds open.

# shellcheck disable=SC2016,SC2034 # the guest's shell expands; lib.sh reads extra_debs
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

services="slapd fail2ban apache2 dovecot varnish"

# Processes that come and go by themselves are left out.
processes() {
	guest "for unit in $services; do
		ps -o pid=,comm= -p \$(paste -sd, /sys/fs/cgroup\$(systemctl show -P ControlGroup \$unit)/cgroup.procs)
	done" | grep -v -e stats -e auth -e imap | sort -n
}

# What there is below /run, but for what other services have.
files() {
	guest 'cd /run && stat -c "%n %F %a %U:%G %s" log/journal \
		$(find apache2 dovecot fail2ban slapd lock/notes | sort) 2>&1
		sha256sum slapd/slapd.args dovecot/dovecot.conf.binary lock/notes/kept
		readlink dovecot/dovecot.conf
		python3 -c "import os; print(*(os.getxattr(d, \"system.posix_acl_\" + a).hex()
			for d in (\"log/journal\", \"lock/notes\") for a in (\"access\", \"default\")),
			os.getxattr(\"lock/notes/kept\", \"system.posix_acl_access\").hex())"'
}

# ldap: an anonymous bind, and whether it succeeds.
ldap() {
	guest 'python3 -c "
import socket
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(\"/run/slapd/ldapi\")
s.send(bytes.fromhex(\"300c020101600702010304008000\"))
print(s.recv(14).hex())"'
}

# login_fails: as sshd says it, who is still there when journald looks who it was.
login_fails() {
	guest 'echo "Failed password for root from 192.0.2.1 port 22 ssh2" >/root/says'
}

# What fail2ban has counted so far.
failed_logins_are() {
	[ "$(guest "fail2ban-client status sshd | sed -n 's/.*Total failed:[^0-9]*//p'")" = "$1" ]
}

says_as_sshd() {
	guest 'rm -f /root/says; mkfifo /root/says
		setsid /usr/local/bin/sshd -t sshd <>/root/says >/dev/null 2>&1 &'
}

imap() {
	guest 'exec 3<>/dev/tcp/127.0.0.1/143 && read -r -t 60 -n 4 hello <&3 && echo "$hello"'
}

extra_debs=(slapd fail2ban apache2 dovecot-imapd varnish)
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
# It is as its package has it; only one of two web servers can have the port.
guest 'systemctl stop nginx; systemctl restart apache2 && cp /usr/bin/logger /usr/local/bin/sshd
	useradd notes; mkdir -m 2750 /run/lock/notes && chown notes:notes /run/lock/notes
	python3 -c "
import os, struct
acl = struct.pack(\"<I\", 2) + b\"\".join(struct.pack(\"<HHI\", *e) for e in (
	(1, 7, 0xffffffff), (2, 7, 33), (4, 0, 0xffffffff), (16, 7, 0xffffffff), (32, 0, 0xffffffff)))
for kind in \"access\", \"default\":
	os.setxattr(\"/run/lock/notes\", \"system.posix_acl_\" + kind, acl)"
	head -c 100000 /dev/urandom >/run/lock/notes/kept
	mkfifo -m 620 /run/lock/notes/fifo; head -c 2M /dev/zero >/run/lock/notes/large
	chown notes /run/lock/notes/*; chmod 751 /run/lock/notes/kept
	echo 20000 >/proc/sys/kernel/ns_last_pid' || give_up "the services start" "$(guest systemctl --failed)"
wait_until 60 guest fail2ban-client ping || give_up "fail2ban starts"
pid=$(guest "setsid setpriv --reuid notes --regid notes --clear-groups sleep infinity \
	<>/run/lock/notes/fifo >/dev/null 2>&1 & echo \$!")
wait_until 30 guest "grep -q '^Uid:.*[1-9]' /proc/$pid/status" || give_up "the program runs"
says_as_sshd
login_fails
wait_until 60 failed_logins_are 1 || give_up "fail2ban sees what comes into the journal"
restore_config "$services" "$pid"
check=$(guest nvwa check)
like "the check says what is too large to be copied" "$check" \
	"/run/lock/notes/large is in memory, and more than is copied"
is "and nothing else of the kind" "$(grep -c 'is in memory' <<<"$check")" 1
guest rm /run/lock/notes/large

processes >"$out/processes.before"
files >"$out/files.before"
update_to "$(lab_kernel trixie 7)"
is "all went on before systemd started" \
	"$(for app in $services; do when "$app.service"; done | paste -sd' ') $(when "pid-$pid")" \
	"before before before before before before"
processes >"$out/processes.after"
files >"$out/files.after"
ok "the same processes run" diff -U0 "$out/processes.before" "$out/processes.after"
ok "what they have below /run is what it was" diff -U0 "$out/files.before" "$out/files.after"

is "slapd answers at its local socket" "$(ldap)" 300c02010161070a010004000400
is "fail2ban answers" "$(guest fail2ban-client ping)" "Server replied: pong"
says_as_sshd
login_fails
ok "and counts on when something comes into the journal" wait_until 60 failed_logins_are 2
for unit in fail2ban apache2 dovecot; do
	ok "$unit can be told to reload" guest "systemctl reload $unit ||
		{ journalctl -b --no-pager -n 20 -u $unit; false; }"
done
# The script behind reload gives the compiler 5 s, which an emulated machine may not keep to.
ok "Varnish can be told to load another configuration" guest 'varnishadm -t 200 vcl.load after /etc/varnish/default.vcl'
is "Apache answers" "$(http_status /)" 200
is "Dovecot answers" "$(imap)" "* OK"
processes >"$out/processes.after"
ok "the same main processes run" diff -U0 <(grep -w -e slapd -e fail2ban -e dovecot -e varnishd "$out/processes.before") \
	<(grep -w -e slapd -e fail2ban -e dovecot -e varnishd "$out/processes.after")
ok "all can be stopped and started" guest "systemctl restart $services"
no_splats
done_testing
