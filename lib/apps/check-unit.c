// SPDX-License-Identifier: GPL-2.0-only
/* What stands against carrying a service: its unit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/bus.h"
#include "lib/apps/cgroup.h"
#include "lib/apps/check.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

struct unit {
	struct checker *c;
	sd_bus *bus;
	char *path;
};

static bool is_set(const struct unit *u, const char *property)
{
	_cleanup_free_ char *text = NULL;

	return bus_string(u->bus, u->path, "Service", property, &text) >= 0 && *text;
}

static bool is_true(const struct unit *u, const char *property)
{
	bool flag = false;

	return bus_bool(u->bus, u->path, "Service", property, &flag) >= 0 && flag;
}

static void check_state(struct unit *u)
{
	_cleanup_free_ char *state = NULL, *fragment = NULL;
	const char *name = u->c->app->name;

	if (bus_string(u->bus, u->path, "Unit", "ActiveState", &state) >= 0 &&
	    strcmp(state, "active"))
		check_say(u->c, true, "Service %s is %s. Wait until it is active", name, state);
	if (bus_string(u->bus, u->path, "Unit", "FragmentPath", &fragment) >= 0 &&
	    (!*fragment || !strncmp(fragment, "/run/systemd/transient/", 23)))
		check_say(u->c, true, "Service %s has no unit file that the next kernel could "
			  "start it from. Write one", name);
}

static void check_sandbox(struct unit *u)
{
	_cleanup_free_ char *subset = NULL;
	const char *name = u->c->app->name;
	uint32_t stored = 0;

	if (is_set(u, "RootDirectory") || is_set(u, "RootImage"))
		check_say(u->c, true, "Service %s has a root directory of its own (RootDirectory=, "
			  "RootImage=), which is not carried yet", name);
	if (is_true(u, "DynamicUser"))
		check_say(u->c, true, "Service %s runs as a dynamic user (DynamicUser=yes), who "
			  "may be another one in the next boot. Give it a user of its own (User=)",
			  name);
	if (bus_string(u->bus, u->path, "Service", "ProcSubset", &subset) >= 0 &&
	    !strcmp(subset, "pid"))
		check_say(u->c, true, "Service %s sees a part of /proc only (ProcSubset=pid), and "
			  "CRIU needs the rest. Set ProcSubset=all in its unit", name);
	if (bus_u32(u->bus, u->path, "Service", "NFileDescriptorStore", &stored) >= 0 && stored)
		check_say(u->c, true, "Service %s keeps %u descriptors in systemd, which are not "
			  "carried", name, stored);
	if (is_true(u, "MemoryDenyWriteExecute"))
		check_say(u->c, false, "Service %s may map memory writable and executable after "
			  "the update until it is restarted, where MemoryDenyWriteExecute= is "
			  "enforced by prctl(2) and not by a system call filter", name);
}

/* The first value of LISTEN_FDS= in the main process' environment. */
static void check_activation(struct unit *u)
{
	_cleanup_free_ char *environment = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/environ", u->c->app->pid);
	if (file_read(path, &environment, &len) < 0)
		return;
	for (const char *at = environment; at < environment + len; at += strlen(at) + 1) {
		if (!strncmp(at, "LISTEN_FDS=", 11))
			check_say(u->c, true, "Service %s got its sockets from systemd, which "
				  "would open them a second time. Start it without its .socket "
				  "unit", u->c->app->name);
	}
}

static bool in_tree(const struct app *app, pid_t pid)
{
	for (size_t i = 0; i < app->nr_pids; i++) {
		if (app->pids[i] == pid)
			return true;
	}

	return false;
}

/* All of the unit's processes must be in the tree that CRIU takes, and in one cgroup. */
static void check_cgroup(struct unit *u)
{
	_cleanup_free_ char *main_group = NULL, *procs = NULL;
	const struct app *app = u->c->app;
	char path[4200], who[96], *line, *rest;

	if (proc_cgroup(app->pid, &main_group) < 0 ||
	    path_format(path, sizeof(path), CGROUP_ROOT "%s/cgroup.procs", main_group) < 0 ||
	    file_read(path, &procs, NULL) < 0) {
		check_say(u->c, true, "The cgroup of service %s cannot be read; nvwa needs cgroups "
			  "version 2", app->name);
		return;
	}
	rest = procs;
	while ((line = strsep(&rest, "\n"))) {
		if (*line && !in_tree(app, atoi(line)))
			check_say(u->c, true, "%s belongs to service %s but is no descendant of "
				  "its main process %d, and would be lost",
				  check_process(atoi(line), who, sizeof(who)), app->name, app->pid);
	}
	for (size_t i = 1; i < app->nr_pids; i++) {
		_cleanup_free_ char *group = NULL;

		if (!proc_cgroup(app->pids[i], &group) && strcmp(group, main_group))
			check_say(u->c, true, "%s is in the cgroup %s and not in that of the main "
				  "process, which is not carried yet",
				  check_process(app->pids[i], who, sizeof(who)), group);
	}
}

void check_unit(struct checker *c)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_bus_ sd_bus *bus = NULL;
	struct error err = { "" };
	struct unit u = { .c = c };
	int r;

	r = bus_open(&bus, &err);
	if (!r)
		r = bus_unit(bus, c->app->name, &path, &err);
	if (r < 0) {
		check_say(c, true, "Service %s cannot be looked at: %s", c->app->name, err.text);
		return;
	}
	u.bus = bus;
	u.path = path;
	check_state(&u);
	check_sandbox(&u);
	check_activation(&u);
	check_cgroup(&u);
}
