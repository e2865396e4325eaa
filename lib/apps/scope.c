// SPDX-License-Identifier: GPL-2.0-only
/* The scope of a program that is no service. */
#include "lib/apps/scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "lib/apps/bus.h"
#include "lib/apps/cgroup.h"
#include "lib/apps/proc.h"
#include "lib/apps/stand-in.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Where systemd puts a scope that names no other slice. */
#define SLICE	"/system.slice"

static void scope_name(pid_t pid, char *name, size_t size)
{
	snprintf(name, size, "nvwa-%d.scope", pid);
}

/* As systemd makes the control group of a scope, which finds it there later. */
static int make_cgroup(const char *name, const char *controllers, pid_t first, struct error *err)
{
	char group[128];
	int r;

	r = path_format(group, sizeof(group), SLICE "/%s", name);
	if (!r)
		r = cgroup_make(group, controllers, err);
	if (!r)
		r = cgroup_enter(group, first);

	return r < 0 ? error_set(err, -r, "cannot make the control group of %s: %s", name,
				 strerror(-r)) : 0;
}

static int start_scope(pid_t pid, const char *name, const pid_t *pids, size_t nr,
		       struct error *err)
{
	_cleanup_bus_ sd_bus *bus = NULL;
	char description[96];
	int r;

	snprintf(description, sizeof(description), "Program %d carried by nvwa", pid);
	r = bus_open(&bus, err);

	return r < 0 ? r : bus_start_scope(bus, name, description, pids, nr, err);
}

int scope_make(pid_t pid, const char *controllers, pid_t *placeholder, struct error *err)
{
	char name[64];
	pid_t p;

	p = stand_in_start();
	if (p < 0)
		return error_set(err, -p, "cannot start a process: %s", strerror(-p));
	*placeholder = p;
	scope_name(pid, name, sizeof(name));

	return sd_booted() > 0 ? start_scope(pid, name, placeholder, 1, err) :
		make_cgroup(name, controllers, p, err);
}

/* The processes of a scope; *pids malloc()ed. */
static int read_members(const char *name, pid_t **pids, size_t *nr)
{
	_cleanup_free_ char *text = NULL;
	char path[128], *at, *end;
	pid_t *list;
	int r;

	*nr = 0;
	r = path_format(path, sizeof(path), CGROUP_ROOT SLICE "/%s/cgroup.procs", name);
	if (!r)
		r = file_read(path, &text, NULL);
	if (r < 0)
		return r;
	/* A number has a digit and an end of line at least. */
	list = calloc(strlen(text) / 2 + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (at = text; strtol(at, &end, 10) > 0; at = end)
		list[(*nr)++] = strtol(at, NULL, 10);
	*pids = list;

	return 0;
}

int scope_register(pid_t pid, struct error *err)
{
	_cleanup_free_ pid_t *pids = NULL;
	char name[64];
	size_t nr;
	int r;

	scope_name(pid, name, sizeof(name));
	r = read_members(name, &pids, &nr);
	if (r < 0)
		return error_set(err, -r, "cannot read the control group of %s: %s", name,
				 strerror(-r));

	/* It may have come to its end by now. */
	return nr ? start_scope(pid, name, pids, nr, err) : 0;
}

int scope_controllers(pid_t pid, char **controllers)
{
	_cleanup_free_ char *cgroup = NULL;
	char path[4200];
	int r;

	r = proc_cgroup(pid, &cgroup);
	if (!r)
		r = path_format(path, sizeof(path), CGROUP_ROOT "%s/cgroup.controllers", cgroup);
	if (!r)
		r = file_read(path, controllers, NULL);
	if (!r)
		(*controllers)[strcspn(*controllers, "\n")] = '\0';

	return r;
}
