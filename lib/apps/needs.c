// SPDX-License-Identifier: GPL-2.0-only
/* Units that cannot be stopped without stopping a carried one. */
#include "lib/apps/needs.h"

#include <errno.h>
#include <string.h>

#include "lib/apps/bus.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/strv.h"

/* By what systemd hands a stop on, seen from the unit that is hit; systemd.unit(5). */
static const char *const relations[] = {
	"Requires", "Requisite", "BindsTo", "PartOf", "StopPropagatedFrom",
};

int needs_closure(char ***units, needs_fn needs, void *ctx)
{
	int r = 0;

	/* The list grows while it is gone through. */
	for (size_t i = 0; r == 0 && *units && (*units)[i]; i++) {
		_cleanup_strv_ char **more = NULL;

		r = needs(ctx, (*units)[i], &more);
		for (char **m = more; r == 0 && m && *m; m++)
			if (!strv_has(*units, *m))
				r = strv_append(units, *m);
	}
	return r;
}

/* As systemd knows it. A unit or a relation that it does not know needs nothing. */
static int ask_systemd(void *bus, const char *unit, char ***needs)
{
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (bus_unit(bus, unit, &path, NULL) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < sizeof(relations) / sizeof(relations[0]); i++) {
		_cleanup_strv_ char **names = NULL;

		if (bus_strings(bus, path, "Unit", relations[i], &names) < 0)
			continue;
		for (char **n = names; r == 0 && n && *n; n++)
			r = strv_append(needs, *n);
	}
	return r;
}

/* The service or scope in whose control group a process is: the innermost name of one. */
static int append_unit_of(pid_t pid, char ***units)
{
	_cleanup_free_ char *group = NULL;
	const char *found = NULL;
	char *rest, *word;

	if (proc_cgroup(pid, &group) < 0)
		return 0;
	rest = group;
	while ((word = strsep(&rest, "/"))) {
		const char *dot = strrchr(word, '.');

		if (dot && (!strcmp(dot, ".service") || !strcmp(dot, ".scope")))
			found = word;
	}
	return found && !strv_has(*units, found) ? strv_append(units, found) : 0;
}

int needs_of_apps(const struct app *apps, size_t nr_apps, char ***units, struct error *err)
{
	_cleanup_bus_ sd_bus *bus = NULL;
	int r;

	*units = NULL;
	r = bus_open(&bus, err);
	for (size_t i = 0; r == 0 && i < nr_apps; i++) {
		if (apps[i].kind == APP_SERVICE)
			r = strv_append(units, apps[i].name);
		for (size_t j = 0; r == 0 && j < apps[i].nr_pids; j++)
			r = append_unit_of(apps[i].pids[j], units);
	}
	if (r == 0)
		r = needs_closure(units, ask_systemd, bus);
	return r < 0 ? error_set(err, -r, "cannot tell what the programs need: %s",
				 strerror(-r)) : 0;
}
