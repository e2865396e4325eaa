// SPDX-License-Identifier: GPL-2.0-only
/* What stands against carrying an app: its processes, and CRIU itself. */
#include "lib/apps/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/criu.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/*
 * Kernel threads take the lowest PIDs before nvwa-init can move the counter
 * past those of the carried programs.
 */
#define LOWEST_PID	300

void check_say(struct checker *c, bool fatal, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (fatal)
		c->nr_fatal++;
	if (c->reason)
		c->reason(c->ctx, c->app, fatal, text);
}

const char *check_process(pid_t pid, char *buf, size_t size)
{
	struct proc_stat st;

	if (proc_stat_read(pid, &st) < 0)
		snprintf(buf, size, "Process %d", pid);
	else
		snprintf(buf, size, "Process %d (%s)", pid, st.comm);

	return buf;
}

static bool in_tree(const struct app *app, pid_t pid)
{
	for (size_t i = 0; i < app->nr_pids; i++) {
		if (app->pids[i] == pid)
			return true;
	}

	return false;
}

static void check_session(struct checker *c, pid_t pid, const char *who)
{
	struct proc_stat st;

	if (proc_stat_read(pid, &st) < 0)
		return;
	if (st.tty)
		check_say(c, true, "%s has a controlling terminal, which does not outlive the "
			  "kernel. Start it with setsid(1), or as a service", who);
	else if (pid == c->app->pid && st.sid != pid)
		check_say(c, true, "%s does not lead a session of its own. Start it with "
			  "setsid(1), or as a service", who);
	else if (!in_tree(c->app, st.sid))
		check_say(c, true, "%s belongs to session %d, whose leader is not carried with it. "
			  "Start it with setsid(1), or as a service", who, st.sid);
}

static void check_pids(struct checker *c, pid_t pid, const char *who)
{
	_cleanup_free_ int *tids = NULL;
	char path[64];
	size_t nr;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if (proc_numbers(path, &tids, &nr) < 0 || !nr)
		return;
	if (tids[0] < LOWEST_PID)
		check_say(c, true, "%s has the low PID %d, which a thread of the next kernel may "
			  "take first. Start it again: it will get a higher one", who, tids[0]);
}

static bool same_namespace(pid_t a, pid_t b, const char *name)
{
	uint64_t x, y;

	/* A process that is gone is somebody else's question. */
	return proc_ns(a, name, &x) < 0 || proc_ns(b, name, &y) < 0 || x == y;
}

static bool has_capabilities(pid_t pid)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };
	uint64_t caps, no_new_privileges = 0;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if (proc_status_number(pid, sets[i], 16, &caps) < 0 || caps)
			return true;
	}
	/* None now, but executing something could bring some. */
	if (proc_status_number(pid, "CapBnd", 16, &caps) < 0 ||
	    proc_status_number(pid, "NoNewPrivs", 10, &no_new_privileges) < 0)
		return true;

	return caps && !no_new_privileges;
}

/* A user namespace hides groups that it does not map from CRIU. */
static bool has_other_groups(pid_t pid)
{
	_cleanup_free_ char *groups = NULL;
	uint64_t gid;
	char *at, *end;

	if (proc_status_number(pid, "Gid", 10, &gid) < 0 ||
	    proc_status_text(pid, "Groups", &groups) < 0)
		return true;
	for (at = groups;; at = end) {
		unsigned long group = strtoul(at, &end, 10);

		if (end == at)
			return false;
		if (group && group != gid)
			return true;
	}
}

static void check_user_namespace(struct checker *c, pid_t pid, const char *who)
{
	if (same_namespace(pid, 0, "user"))
		return;
	if (c->app->kind != APP_SERVICE)
		check_say(c, true, "%s runs in a user namespace of its own, which cannot be "
			  "restored", who);
	else if (has_capabilities(pid))
		check_say(c, true, "%s runs in a user namespace (PrivateUsers=), which cannot be "
			  "restored, and has capabilities that it must not have outside of it. "
			  "Set CapabilityBoundingSet= and NoNewPrivileges=yes, or "
			  "PrivateUsers=no, in its unit", who);
	else if (has_other_groups(pid))
		check_say(c, true, "%s runs in a user namespace (PrivateUsers=) that hides its "
			  "supplementary groups. Set PrivateUsers=no in its unit", who);
	else if (pid == c->app->pid)
		check_say(c, false, "%s runs without the user namespace of PrivateUsers= after the "
			  "update until it is restarted; it has no capabilities", who);
}

static void check_namespaces(struct checker *c, pid_t pid, const char *who)
{
	static const struct {
		const char *name, *words;
		bool shared;	/* a service's placeholder has the like of it */
	} kinds[] = {
		{ "pid", "PID", false },
		{ "net", "network", false },
		{ "ipc", "IPC", false },
		{ "mnt", "mount", true },
		{ "uts", "UTS", true },
		{ "cgroup", "cgroup", true },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (same_namespace(pid, 0, kinds[i].name))
			continue;
		if (!kinds[i].shared || c->app->kind != APP_SERVICE)
			check_say(c, true, "%s runs in a %s namespace of its own, which is not "
				  "carried yet", who, kinds[i].words);
		else if (!same_namespace(pid, c->app->pid, kinds[i].name))
			check_say(c, true, "%s runs in another %s namespace than the main process "
				  "%d, which is not carried yet", who, kinds[i].words,
				  c->app->pid);
	}
	check_user_namespace(c, pid, who);
}

static bool has_numa_nodes(void)
{
	_cleanup_free_ char *nodes = NULL;

	/* "0" or "0-1" or "0,2". */
	return !file_read("/sys/devices/system/node/has_memory", &nodes, NULL) &&
	       strpbrk(nodes, "-,");
}

/* CRIU knows nothing of them; where pages lie already is kept without. */
static void check_policy(struct checker *c, pid_t pid, const char *who)
{
	_cleanup_free_ char *maps = NULL;
	char path[64], *line, *rest;

	snprintf(path, sizeof(path), "/proc/%d/numa_maps", pid);
	if (!has_numa_nodes() || file_read(path, &maps, NULL))
		return;
	rest = maps;
	while ((line = strsep(&rest, "\n"))) {
		char policy[64];

		if (sscanf(line, "%*x %63s", policy) != 1 || !strcmp(policy, "default"))
			continue;
		check_say(c, true, "%s has a NUMA policy of its own (%s: mbind, set_mempolicy or "
			  "NUMAPolicy=), which is not carried", who, policy);
		return;
	}
}

static void check_one(struct checker *c, pid_t pid)
{
	uint64_t tracer = 0;
	char who[96];

	check_process(pid, who, sizeof(who));
	check_pids(c, pid, who);
	check_session(c, pid, who);
	if (!proc_status_number(pid, "TracerPid", 10, &tracer) && tracer)
		check_say(c, true, "%s is being traced by process %" PRIu64 ". End the debugger",
			  who, tracer);
	check_namespaces(c, pid, who);
	check_memory(c, pid, who);
	check_policy(c, pid, who);
}

int app_check(const struct app *app, const char *target_release, app_reason_fn reason, void *ctx)
{
	struct checker c = {
		.app = app, .target = target_release, .reason = reason, .ctx = ctx,
	};

	for (size_t i = 0; i < app->nr_pids; i++)
		check_one(&c, app->pids[i]);
	check_files(&c);
	check_places(&c);
	check_ipc(&c);
	check_swapped(&c);
	if (app->kind == APP_SERVICE)
		check_unit(&c);

	return c.nr_fatal;
}

/*
 * What was seen to work. CRIU follows the kernel: a version knows the kernels
 * that were there when it was made, and some later ones.
 */
static const struct {
	int from;			/* version of CRIU */
	int kernel;			/* newest kernel, major * 1000 + minor */
} known_criu[] = {
	{ 31701, 6012 },		/* restores on 6.1 and 6.12, fails on 6.18 */
	{ 40101, 7999 },		/* restores on 6.12 and 7.3 */
};

int apps_check_criu(const char *target_release, struct error *err)
{
	int version = criu_version(), major, minor, newest = 0;

	if (version < 0)
		return error_set(err, ENOENT, "The criu command is not installed. Install the "
				 "package criu");
	if (sscanf(target_release, "%d.%d", &major, &minor) != 2)
		return error_set(err, EINVAL, "'%s' is not a kernel release", target_release);
	for (size_t i = 0; i < sizeof(known_criu) / sizeof(known_criu[0]); i++) {
		if (version >= known_criu[i].from)
			newest = known_criu[i].kernel;
	}
	if (major * 1000 + minor > newest)
		return error_set(err, ENOTSUP, "CRIU %d.%d.%d is too old for Linux %s. Install a "
				 "newer package criu%s", version / 10000, version / 100 % 100,
				 version % 100, target_release,
				 newest ? ", or choose an older kernel" : "");

	return 0;
}
