// SPDX-License-Identifier: GPL-2.0-only
/* Finding an app: a service by its unit, or a process tree by its PID. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/app.h"
#include "lib/apps/bus.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"

static int fill_tree(pid_t pid, struct app *app, struct error *err)
{
	int r = proc_tree(pid, &app->pids, &app->nr_pids);

	if (r < 0)
		return error_set(err, -r, "cannot list the processes below %d: %s", pid,
				 strerror(-r));
	app->pid = pid;

	return 0;
}

static int unit_name(const char *unit, char **name)
{
	const char *dot = strrchr(unit, '.');

	if (dot && !strcmp(dot, ".service"))
		*name = strdup(unit);
	else if (asprintf(name, "%s.service", unit) < 0)
		*name = NULL;

	return *name ? 0 : -ENOMEM;
}

/* The main process of a unit; the name becomes the one that systemd uses. */
static int main_process(char **name, pid_t *pid, struct error *err)
{
	_cleanup_free_ char *path = NULL, *state = NULL, *id = NULL;
	_cleanup_bus_ sd_bus *bus = NULL;
	uint32_t main_pid = 0;
	int r;

	r = bus_open(&bus, err);
	if (!r)
		r = bus_unit(bus, *name, &path, err);
	if (r < 0)
		return r;

	r = bus_string(bus, path, "Unit", "LoadState", &state);
	if (r >= 0)
		r = bus_string(bus, path, "Unit", "Id", &id);
	if (r >= 0)
		r = bus_u32(bus, path, "Service", "MainPID", &main_pid);
	if (r < 0)
		return error_set(err, -r, "systemd does not tell about %s: %s", *name,
				 strerror(-r));
	if (strcmp(state, "loaded"))
		return error_set(err, ENOENT, "there is no service %s (its unit is %s)", *name,
				 state);
	if (!main_pid)
		return error_set(err, ESRCH, "service %s is not running: start it, or take it off "
				 "the list", *name);

	free(*name);
	*name = steal_ptr(id);
	*pid = main_pid;
	return 0;
}

int app_find_service(const char *unit, struct app *app, struct error *err)
{
	pid_t pid = 0;
	int r;

	memset(app, 0, sizeof(*app));
	app->kind = APP_SERVICE;
	r = unit_name(unit, &app->name);
	if (!r)
		r = main_process(&app->name, &pid, err);
	if (!r)
		r = fill_tree(pid, app, err);
	if (r < 0)
		app_free(app);

	return r;
}

int app_find_program(pid_t pid, struct app *app, struct error *err)
{
	struct proc_stat st;
	int r;

	memset(app, 0, sizeof(*app));
	app->kind = APP_PROGRAM;
	r = proc_stat_read(pid, &st);
	if (r < 0)
		return error_set(err, -r, "there is no process %d", pid);
	if (asprintf(&app->name, "pid-%d", pid) < 0) {
		app->name = NULL;
		return -ENOMEM;
	}
	r = fill_tree(pid, app, err);
	if (r < 0)
		app_free(app);

	return r;
}

void app_free(struct app *app)
{
	free(app->name);
	free(app->pids);
	shmem_free(app->shmem, app->nr_shmem);
	free(app->dir);
	memset(app, 0, sizeof(*app));
}

void app_memory_free(struct app_memory *memory, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(memory[i].ranges);
	free(memory);
}
