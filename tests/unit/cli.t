#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: tests/unit/cli.t
#
# The command line as users see it: verbs, options, exit codes and messages of
# the nvwa command under the sanitizers, as far as nothing of the machine is
# touched. NVWA names another command to test.

set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
nvwa=${NVWA:-$top/build/asan/nvwa}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
failed=0

# runs TEXT CODE REGEX ARGS...: exit code and output, both streams together.
runs() {
	local text=$1 code=$2 regex=$3 output status
	shift 3
	output=$("$nvwa" "$@" 2>&1)
	status=$?
	count=$((count + 1))
	if [ "$status" -eq "$code" ] && [[ $output =~ $regex ]]; then
		echo "ok $count - $text"
		return
	fi
	failed=1
	echo "not ok $count - $text"
	printf '# nvwa %s: exit code %s (wanted %s)\n' "$*" "$status" "$code"
	printf '# %s\n' "${output//$'\n'/$'\n'# }"
}

runs "no verb" 2 "^usage: nvwa VERB"
runs "help" 0 "check .*update .*status .*init " help
runs "help does not show what is for units only" 0 "^([^r]|r[^e]|re[^s]|res[^u])*$" help
runs "--help" 0 "^usage: nvwa VERB" --help
runs "version" 0 "^nvwa [0-9]+\.[0-9]+\.[0-9]+$" version
runs "--version" 0 "^nvwa [0-9]+\.[0-9]+\.[0-9]+$" --version
runs "version takes nothing" 2 "takes no argument.*more" version more
runs "an unknown verb" 2 "no verb upgrade.*nvwa help" upgrade
runs "an unknown option in a verb's place" 2 "no verb --force" --force
runs "help of an unknown verb" 2 "name of one verb" help upgrade
for verb in check update status init help version resume; do
	runs "help $verb" 0 "^usage: nvwa $verb" help "$verb"
	runs "$verb --help" 0 "^usage: nvwa $verb" "$verb" --help
done
for verb in check update status init; do
	runs "$verb with an unknown option" 2 "nvwa $verb: .*--nonsense" "$verb" --nonsense
done
runs "check of two releases" 2 "one release at most" check a b
runs "update to two releases" 2 "one release at most" update a b
runs "status of something" 2 "takes no argument.*redis" status redis
runs "init of something" 2 "takes no argument.*redis" init redis
runs "an option without its value" 2 "requires an argument" check --config

printf 'services:\n  - redis\nservice: x\n' >"$work/nvwa-restore.yaml"
for verb in check update; do
	runs "$verb with a broken configuration" 5 "$work/nvwa-restore.yaml:3: expected one of" \
		"$verb" --config "$work/nvwa-restore.yaml"
	runs "$verb without a configuration" 5 "$work/none.yaml: cannot be read" \
		"$verb" --config "$work/none.yaml"
done
runs "check --json with a broken configuration" 5 \
	'^\{.*"verdict":"config".*"kind":"config".*nvwa-restore.yaml:3' \
	check --json --config "$work/nvwa-restore.yaml"
runs "status with a broken configuration" 5 "nvwa-restore.yaml:3.*kernel  *$(uname -r)" \
	status --config "$work/nvwa-restore.yaml"
printf 'pids:\n  - 4194303\n' >"$work/nvwa-restore.yaml"
runs "status" 0 "kernel  *$(uname -r).*pid-4194303: does not run" \
	status --config "$work/nvwa-restore.yaml"
runs "status --json" 0 '"running":"'"$(uname -r)"'".*"state":"idle".*"pid-4194303"' \
	status --json --config "$work/nvwa-restore.yaml"
echo "1..$count"
exit $failed
