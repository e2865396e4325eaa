# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
# What the lab's commands share: where things are, the package source, the
# state of a guest, and how to reach it.  Sourced, never run.

set -eu
# Errors inside $(...) count as well.
shopt -s inherit_errexit

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab_top=$(dirname "$lab_dir")
lab_cache=${NVWA_LAB_CACHE:-/var/cache/nvwa-lab}
lab_suites="bookworm trixie"
lab_default_suite=trixie
# Where lab/chroot has the checkout: kbuild takes no path with blanks, and what is built
# there does not depend on where the checkout is.
lab_source=/usr/src/nvwa
# Where Debian's package ovmf has its firmware.
lab_ovmf=/usr/share/OVMF

# The same on every guest: each has a network namespace of its own.
lab_guest_ip=10.77.0.2
lab_peer_ip=10.77.0.1
lab_guest_ip6=fd77::2
lab_peer_ip6=fd77::1
lab_guest_mac=52:54:00:77:00:02

lab_prog=$(basename "$0")

die() {
	printf '%s: %s\n' "$lab_prog" "$*" >&2
	exit 1
}

say() {
	printf '%s: %s\n' "$lab_prog" "$*" >&2
}

# The help of a command is the comment at its top.
lab_help() {
	sed -n '3,${/^#/!q;s/^# \{0,1\}//;p}' "$0"
	exit 0
}

usage_error() {
	printf '%s: %s (see --help)\n' "$lab_prog" "$*" >&2
	exit 2
}

# need_value OPTION COUNT: an option that takes a value must have one.
need_value() {
	[ "$2" -ge 2 ] || usage_error "$1 needs a value"
}

need_root() {
	[ "$(id -u)" -eq 0 ] && return 0
	command -v sudo >/dev/null || die "needs root, and there is no sudo"
	exec sudo --preserve-env=NVWA_LAB,NVWA_LAB_CACHE,NVWA_LAB_DEADLINE "$0" "$@"
}

need_tool() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null ||
			die "$tool is not installed: run lab/setup first"
	done
}

check_suite() {
	case " $lab_suites " in
	*" $1 "*) ;;
	*) die "suite '$1' is not one of: $lab_suites" ;;
	esac
}

# lab_lock FILE: held until this process ends.
lab_lock() {
	mkdir -p "$(dirname "$1")"
	exec {lab_lock_fd}>"$1"
	flock -n "$lab_lock_fd" && return 0
	say "waiting for another lab command that works on $(basename "$1" .lock)"
	flock "$lab_lock_fd"
}

# --- package source -------------------------------------------------------

# The machine's own sources as lines "URI SUITE", both file formats.
lab_host_sources() {
	local file
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] && awk '
			function flush(   i, j, n, m) {
				n = split(uris, u); m = split(suites, s)
				if (on) for (i = 1; i <= n; i++)
					for (j = 1; j <= m; j++) print u[i], s[j]
				uris = suites = ""; on = 1; field = ""
			}
			BEGIN { on = 1 }
			/^#/ { next }
			/^[ \t]*$/ { flush(); next }
			/^[ \t]/ { if (field == "uris") uris = uris " " $0
				if (field == "suites") suites = suites " " $0; next }
			{ field = tolower($1); sub(/:$/, "", field); v = $0; sub(/^[^:]*:/, "", v)
				if (field == "uris") uris = v
				if (field == "suites") suites = v
				if (field == "enabled" && v ~ /no/) on = 0 }
			END { flush() }' "$file"
	done
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] && sed -n 's/^deb[ \t]\{1,\}\(\[[^]]*\][ \t]*\)\{0,1\}\([^ \t]*\)[ \t]\{1,\}\([^ \t]*\).*/\2 \3/p' "$file"
	done
	return 0
}

# lab_source_uri PATTERN: the address that the machine uses for a suite that
# matches the pattern.
lab_source_uri() {
	local uri suite
	while read -r uri suite; do
		# shellcheck disable=SC2254 # a pattern is meant
		case $suite in
		$1) ;;
		*) continue ;;
		esac
		case $uri in
		mirror+file:*) uri=$(awk '!/^#/ && NF { print $1; exit }' "${uri#mirror+file:}") ;;
		esac
		printf '%s\n' "${uri%/}"
		return 0
	done < <(lab_host_sources)
	return 1
}

# One-line sources of a suite, with updates, backports and security.
lab_sources() {
	local main security
	main=$(lab_source_uri '@(bookworm|trixie|stable|oldstable|forky|testing)') ||
		die "found no Debian package source in this machine's apt configuration"
	printf 'deb %s %s main\n' "$main" "$1" "$main" "$1-updates" "$main" "$1-backports"
	if security=$(lab_source_uri '*-security'); then
		printf 'deb %s %s main\n' "$security" "$1-security"
	fi
}
shopt -s extglob

# What this machine's apt needs to reach its source (proxy, date checks), as
# lines of apt.conf.
lab_apt_conf() {
	apt-config dump Acquire |
		grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy[^ ]*) "' || :
	printf 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n'
}

# What kernels from backports need from backports, as apt preferences.
lab_apt_pins() {
	printf 'Package: linux-base\nPin: release n=%s-backports\nPin-Priority: 990\n' "$1"
}

# lab_apt SUITE TOOL ARGS...: an apt tool with a state of the lab's own.
lab_apt() {
	local state=$lab_cache/apt/$1 tool=$2
	shift 2
	"$tool" -o Dir::Etc::sourcelist="$state/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$state/lists" \
		-o Dir::Cache="$state/cache" \
		-o APT::Update::Post-Invoke-Success= \
		-o Acquire::Languages=none "$@"
}

# Bring the package index of a suite up to date, once a day.
lab_apt_update() {
	local state=$lab_cache/apt/$1
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	lab_sources "$1" >"$state/sources.new"
	if cmp -s "$state/sources.new" "$state/sources.list" &&
	    [ "$(cat "$state/day" 2>/dev/null)" = "$(date +%F)" ]; then
		return 0
	fi
	mv "$state/sources.new" "$state/sources.list"
	say "reading the package index of $1"
	if lab_apt "$1" apt-get -q update >"$state/update.log" 2>&1; then
		date +%F >"$state/day"
	elif [ -f "$state/day" ]; then
		say "the package source does not answer, going on with the index of $(cat "$state/day")"
	else
		tail -n 5 "$state/update.log" >&2
		die "cannot read the package index of $1"
	fi
}

# lab_prune DIR SUITE KEEP: what is made anew when its recipe changes goes when
# it was not used for two weeks, and what was left half made at once.  The lock
# of DIR/SUITE is held.
lab_prune() {
	touch "$3"
	find "$1" -mindepth 1 -maxdepth 1 -name "$2-*.new*" -exec rm -rf {} +
	find "$1" -mindepth 1 -maxdepth 1 -name "$2-*" -mtime +14 -exec rm -rf {} +
}

# --- kernels --------------------------------------------------------------

# lab_kernels SUITE: lines "SPEC RELEASE", in the order of kernels.list.
lab_kernels() {
	local state=$lab_cache/apt/$1 suite spec pattern rank release
	(
		lab_lock "$lab_cache/apt/$1.lock"
		lab_apt_update "$1"
		if [ -f "$state/kernels" ] && [ "$state/kernels" -nt "$state/day" ] &&
		    [ "$state/kernels" -nt "$lab_dir/kernels.list" ]; then
			exit 0
		fi
		comm -12 <(lab_releases "$1" linux-image-) <(lab_releases "$1" linux-headers-) |
			sort -rV >"$state/releases"
		while read -r suite spec pattern rank; do
			[ "$suite" = "$1" ] || continue
			# shellcheck disable=SC2254 # a pattern is meant
			release=$(while read -r r; do case $r in $pattern) echo "$r" ;; esac; done \
				<"$state/releases" | sed -n "${rank}p")
			[ -n "$release" ] || die "no kernel for '$suite $spec' of kernels.list"
			echo "$spec $release"
		done <"$lab_dir/kernels.list" >"$state/kernels.new"
		mv "$state/kernels.new" "$state/kernels"
	) || exit
	cat "$state/kernels"
}

# Releases of plain amd64 kernels for which the suite has PREFIX-RELEASE.
lab_releases() {
	lab_apt "$1" apt-cache pkgnames "$2" |
		sed -n "s/^$2\([0-9]\)/\1/p" | grep -E -- '^[0-9.]+([-+][a-z0-9.]+)*-amd64$' |
		grep -vE -- '-(cloud|rt|dbg|unsigned)-' | grep -E '^[0-9]+\.[0-9]+\.[0-9]' | LC_ALL=C sort -u
}

# lab_release SUITE SPEC-OR-RELEASE: one release.
lab_release() {
	local list
	list=$(lab_kernels "$1")
	awk -v want="$2" '$1 == want || $2 == want || want == "" { print $2; found = 1; exit }
		END { exit !found }' <<<"$list" ||
		die "'$2' is not a kernel of $1; there are: $(tr '\n' ';' <<<"$list")"
}

# --- guests ---------------------------------------------------------------

# lab_guest NAME: where a guest keeps its things.
lab_guest() {
	vm_name=$1
	case $vm_name in
	*[!a-zA-Z0-9_.-]* | "" | .*) die "'$vm_name' is not a name for a guest" ;;
	esac
	vm=$lab_top/build/lab/$vm_name
	vm_netns=nvwa-$(printf '%s' "$vm" | cksum | cut -d' ' -f1)
}

# alive PIDFILE: its process runs, and is the one that was started.
alive() {
	local pid start
	[ -f "$1" ] && read -r pid start <"$1" &&
		[ "$(proc_start "$pid")" = "$start" ]
}

# When a process started, in ticks since boot; nothing if there is none.
proc_start() {
	local stat
	{ stat=$(cat "/proc/$1/stat"); } 2>/dev/null || return 0
	# shellcheck disable=SC2086 # words are wanted
	set -- ${stat##*) }
	[ "$1" = Z ] || echo "${20}"
}

# remember PIDFILE PID
remember() {
	echo "$2 $(proc_start "$2")" >"$1"
}

# end_process PIDFILE: ask, wait, insist.
end_process() {
	local pid start i
	if alive "$1"; then
		read -r pid start <"$1"
		kill "$pid" 2>/dev/null || :
		for ((i = 0; i < 50; i++)); do
			alive "$1" || break
			sleep 0.1
		done
		alive "$1" && kill -KILL "$pid"
	fi
	rm -f "$1"
}

need_guest() {
	alive "$vm/qemu.pid" || die "guest '$vm_name' is not running (start it with lab/up)"
}

in_netns() {
	nsenter --net="/run/netns/$vm_netns" -- "$@"
}

# The guests of this checkout.
lab_guest_names() {
	local dir
	for dir in "$lab_top"/build/lab/*/; do
		[ ! -d "$dir" ] || basename "$dir"
	done
}

# Take down what a guest has on this machine, whatever of it there is.
guest_teardown() {
	local file
	ssh_leave exit
	for file in "$vm"/*.pid; do
		[ ! -f "$file" ] || end_process "$file"
	done
	[ ! -e "/run/netns/$vm_netns" ] || ip netns del "$vm_netns"
}

# lab_accel IMAGE RELEASE: kvm if it boots a Debian kernel here, else tcg.  The
# answer is kept for this machine's kernel and QEMU.
lab_accel() {
	local state key
	state=$lab_cache/accel
	key="$(uname -r) $(qemu-system-x86_64 --version | head -n 1)"
	if [ ! -f "$state" ] || [ "$(head -n 1 "$state")" != "$key" ]; then
		printf '%s\n%s\n' "$key" "$(try_kvm "$1" "$2")" >"$state.$$.new"
		mv "$state.$$.new" "$state"
	fi
	tail -n 1 "$state"
}

try_kvm() {
	[ -w /dev/kvm ] || { echo tcg; return; }
	# The kernel finds no root file system, panics and so ends QEMU.
	timeout 10 qemu-system-x86_64 -machine q35 -accel kvm -cpu host -smp 2 -m 512 \
		-display none -nodefaults -no-reboot -serial stdio \
		-kernel "$1/vmlinuz-$2" -append "console=ttyS0 panic=-1" \
		</dev/null 2>/dev/null | grep -q 'Unable to mount root fs' && echo kvm || echo tcg
}

lab_ssh_options() {
	printf '%s\n' -i "$lab_cache/ssh/id_ed25519" -F none \
		-o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o GlobalKnownHostsFile=/dev/null -o CheckHostIP=no \
		-o ConnectTimeout=10 \
		-o ServerAliveInterval=2 -o ServerAliveCountMax=$((lab_deadline / 36))
}

# ssh_greets SECONDS: the guest's sshd says hello within that time. Fails with a
# status above 128 if it has taken the connection and said nothing.
ssh_greets() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_netns timeout $(($1 + 1)) bash -c \
		'exec 3<>"/dev/tcp/$0/22" && read -r -t "$1" hello <&3 && [[ $hello == SSH-* ]]' \
		"$lab_guest_ip" "$1" 2>/dev/null
}

# A connection to the guest is kept between commands, as to make one takes an emulated machine
# a second. Its socket is named as seen from $vm: a path in full may be too long for one.
in_ssh() {
	local options
	mapfile -t options < <(lab_ssh_options)
	(cd "$vm" && in_netns ssh "${options[@]}" -o ControlPath=ssh.sock "$@")
}

ssh_is_kept() {
	[ -S "$vm/ssh.sock" ] && in_ssh -O check "$lab_guest_ip" </dev/null >/dev/null 2>&1
}

# ssh_leave [exit]: the next command makes a new connection. Those that run over the old one go
# on, or end with "exit".
ssh_leave() {
	[ ! -S "$vm/ssh.sock" ] ||
		in_ssh -O "${1:-stop}" "$lab_guest_ip" </dev/null >/dev/null 2>&1 || :
	rm -f "$vm/ssh.sock"
}

# ssh_keep SECONDS: have one connection, also if several commands begin at once. Fails with the
# status of ssh_greets if the guest does not answer within that time.
ssh_keep() {
	local lock status=0
	! ssh_is_kept || return 0
	exec {lock}>"$vm/ssh.lock"
	flock "$lock"
	if ! ssh_is_kept; then
		rm -f "$vm/ssh.sock"
		ssh_greets "$1" || status=$?
		[ "$status" -ne 0 ] || in_ssh -o ControlMaster=yes -E ssh.log -N -f \
			"root@$lab_guest_ip" </dev/null >/dev/null 2>&1 || status=1
	fi
	exec {lock}>&-
	return "$status"
}

# guest_ssh DEADLINE_SECONDS SSH-ARGS...: run ssh, again and again until the guest has
# taken the command; from then on its outcome is the outcome.
guest_ssh() {
	local deadline=$((SECONDS + $1)) mark status patience=2
	shift
	need_guest
	mark=$(mktemp "$vm/ssh.XXXXXX")
	while :; do
		need_guest
		status=0
		ssh_keep "$patience" || status=$?
		# On a busy machine, sshd may take longer to start than anyone would like to wait
		# for a guest that is just booting.
		if [ "$status" -gt 128 ] && [ "$patience" -lt 60 ]; then
			patience=$((patience * 2))
		fi
		if [ "$status" -eq 0 ]; then
			# If the kernel at the other end has gone, nobody takes the command, and ssh goes
			# on to make a connection by itself: that must fail, and leaves a mark.
			in_ssh -o ProxyCommand="sh -c 'echo missed >${mark##*/}'" -E "$mark.log" \
				"root@$lab_guest_ip" "$@" || status=$?
			if [ "$status" -ne 255 ] || [ ! -s "$mark" ]; then
				[ "$status" -eq 255 ] && cat "$mark.log" >&2
				rm -f "$mark" "$mark.log"
				return "$status"
			fi
			: >"$mark"
			ssh_leave
		fi
		if [ "$SECONDS" -ge "$deadline" ]; then
			cat "$vm/ssh.log" "$mark.log" >&2 2>/dev/null || :
			rm -f "$mark" "$mark.log"
			die "guest '$vm_name' does not answer on ssh (see lab/console)"
		fi
		sleep 0.3
	done
}

lab_deadline=${NVWA_LAB_DEADLINE:-180}
