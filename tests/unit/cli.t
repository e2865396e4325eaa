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
for verb in check prepare update status report init help version resume; do
	runs "help $verb" 0 "^usage: nvwa $verb" help "$verb"
	runs "$verb --help" 0 "^usage: nvwa $verb" "$verb" --help
done
for verb in check prepare update status report init; do
	runs "$verb with an unknown option" 2 "nvwa $verb: .*--nonsense" "$verb" --nonsense
done
runs "check of two releases" 2 "one release at most" check a b
runs "prepare of two releases" 2 "one release at most" prepare a b
runs "prepare --remove of a release" 2 "takes no release" prepare --remove a
runs "update to two releases" 2 "one release at most" update a b
runs "status of something" 2 "takes no argument.*redis" status redis
runs "report of something" 2 "takes no argument.*redis" report redis
runs "report as two things" 2 "not both" report --json --svg "$work/x.svg"
runs "report of no file" 1 "cannot read $work/none.json" report --file "$work/none.json"
echo '{' >"$work/broken.json"
runs "report of a broken file" 1 "broken.json is no JSON" report --file "$work/broken.json"
echo '{"from":"6.12","to":"7.3","outcome":"failed"}' >"$work/failed.json"
runs "report of an update without a time line" 1 "failed.json has no time line" \
	report --file "$work/failed.json"
# 1000 ticks a ms; a blackout of 300 ms, of which the jump and the boot take 100.
cat >"$work/last.json" <<'END'
{"from": "6.12", "to": "7.3", "tsc_khz": 1000, "apps": [
 {"name": "a<b", "outcome": "resumed", "stop_tsc": 1004000, "start_tsc": 1250000, "tsc": 1300000,
  "insert_ticks": 20000},
 {"name": "never", "outcome": "failed"}],
 "timeline": [{"step": "prepare", "tsc": 1000}, {"step": "freeze", "tsc": 1000000},
 {"step": "jump", "tsc": 1100000}, {"step": "init-start", "tsc": 1200000},
 {"step": "settled", "tsc": 1500000}, {"step": "restore", "tsc": 1250000},
 {"step": "a<b", "tsc": 1300000}]}
END
runs "report" 0 "blackout 300.0 ms.* 200.0 +100.0 +33.3 % +new +the kernel boots .* 4.0 +250.0 +300.0 +20.0 +a<b$" \
	report --file "$work/last.json"
runs "report: what comes after the blackout has no share" 0 " 500.0 +200.0 +new +the machine settles" \
	report --file "$work/last.json"
runs "report --json" 0 '"blackout_ms": ?300.0.*"step": ?"init-start".*"share": ?0.3333' \
	report --json --file "$work/last.json"
runs "report --json of a TSC that nothing speaks against" 0 '"approximate": ?false' \
	report --json --file "$work/last.json"
sed 's/"tsc_khz"/"clock_doubt": "the TSC stops at night", &/' "$work/last.json" >"$work/doubt.json"
runs "report: times are approximate" 0 "The times are approximate: the TSC stops at night" \
	report --file "$work/doubt.json"
runs "report --json: times are approximate" 0 '"approximate": ?true.*"the TSC stops at night"' \
	report --json --file "$work/doubt.json"
runs "report --svg" 0 "^$" report --svg "$work/last.svg" --file "$work/last.json"
runs "report --svg into nowhere" 1 "cannot write $work/none/x.svg" \
	report --svg "$work/none/x.svg" --file "$work/last.json"
count=$((count + 1))
if python3 -c "import sys, xml.dom.minidom as x
lanes = [t.firstChild.data for t in x.parse(sys.argv[1]).getElementsByTagName('text')]
sys.exit('a<b' not in lanes or 'the kernel boots: 100.0 ms, 33.3 %' not in lanes)" "$work/last.svg"; then
	echo "ok $count - the drawing is XML, with a lane for the program and the shares"
else
	failed=1
	echo "not ok $count - the drawing is XML, with a lane for the program and the shares"
fi
runs "init of something" 2 "takes no argument.*redis" init redis
runs "an option without its value" 2 "requires an argument" check --config

printf 'services:\n  - redis\nservice: x\n' >"$work/nvwa-restore.yaml"
for verb in check prepare update; do
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
