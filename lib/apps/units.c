// SPDX-License-Identifier: GPL-2.0-only
/* The generated units of the first boot: how they come, and how they go. */
#include "lib/apps/units.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/apps/bus.h"
#include "lib/apps/first.h"
#include "lib/apps/ifupdown.h"
#include "lib/apps/paths.h"
#include "lib/apps/tmpfiles.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "uapi/record.h"

/* In the directory of an app: it was given up, its own unit is to be used. */
#define FRESH_MARK	"fresh"

/* What systemd puts into sandboxes that show /proc/sys, where there are any. */
static const char *const of_sandboxes[] = {
	"proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service",
};

/* nvwa's own units, and what starts each. */
static const struct {
	const char *unit, *wanted_by;
	bool restores;		/* nothing is left to do for it if all went ahead of systemd */
} static_units[] = {
	{ "nvwa-resume.service", "sysinit.target", true },
	{ "nvwa-scopes.service", "sysinit.target", false },
	{ "nvwa-filter.service", "sysinit.target", false },
	{ "nvwa-open.service", "sysinit.target", false },
	{ "nvwa-memory.service", "sysinit.target", false },
	{ "nvwa-settle.service", "multi-user.target", false },
};

/*
 * If systemd has not understood that a service runs, it must not start another one beside it.
 * A unit that is active is not started, and so nothing is asked.
 */
#define GUARD_NAME	"nvwa-ahead.conf"
#define GUARD_TEXT	"[Unit]\nAssertPathExists=!" APPS_UNVERIFIED "\n"

int units_want(const char *early, const char *wanted_by, const char *unit, const char *file)
{
	char path[4096], target[4096];
	int r;

	r = path_format(path, sizeof(path), "%s/%s.wants", early, wanted_by);
	if (!r)
		r = dir_make(path);
	if (!r)
		r = path_format(path, sizeof(path), "%s/%s.wants/%s", early, wanted_by, unit);
	if (!r)
		r = path_format(target, sizeof(target), "%s/%s", app_paths()->units, file);
	if (!r && symlink(target, path) && errno != EEXIST)
		r = -errno;

	return r;
}

/* Drop-ins are part of the stand-in already; each is hidden by one of its name that is empty. */
static int mask_dropins(const char *dir, const char *early, const char *unit)
{
	_cleanup_free_ char *masks = NULL;
	char path[4096], *line, *rest;
	int r;

	r = path_format(path, sizeof(path), "%s/unit/masks", dir);
	if (!r)
		r = file_read(path, &masks, NULL);
	if (!r && *masks) {
		r = path_format(path, sizeof(path), "%s/%s.d", early, unit);
		if (!r)
			r = dir_make(path);
	}
	rest = masks;
	while (!r && (line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		r = path_format(path, sizeof(path), "%s/%s.d/%s", early, unit, line);
		if (!r && symlink("/dev/null", path) && errno != EEXIST)
			r = -errno;
	}

	return r;
}

/*
 * It runs by its own unit. systemd starts the default target as one that replaces all that ran
 * before, as that of an initramfs would be; a service that nothing enables would be stopped.
 */
static int want_ahead(const char *early, const char *unit)
{
	char path[4096];
	int r;

	r = units_want(early, FIRST_TARGET, unit, unit);
	if (!r)
		r = units_want(early, "nvwa-scopes.service", unit, unit);
	if (!r)
		r = path_format(path, sizeof(path), "%s/%s.d/" GUARD_NAME, early, unit);

	return r < 0 ? r : file_write(path, GUARD_TEXT, strlen(GUARD_TEXT), 0644);
}

/* 1 if the app has a stand-in now, 0 if it needs none. */
static int generate_stand_in(const char *dir, const char *early, const char *unit)
{
	_cleanup_free_ char *text = NULL;
	char path[4096];
	size_t len;
	int r;

	r = path_format(path, sizeof(path), "%s/%s", dir, FRESH_MARK);
	if (r < 0)
		return r;
	if (!access(path, F_OK))
		return 0;
	r = path_format(path, sizeof(path), "%s/unit/%s", dir, unit);
	if (!r)
		r = file_read(path, &text, &len);
	/* A program, or something that was not recorded to its end. */
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = path_format(path, sizeof(path), "%s/" APPS_AHEAD, dir);
	if (!r && !access(path, F_OK))
		return want_ahead(early, unit);
	if (!r)
		r = path_format(path, sizeof(path), "%s/%s", early, unit);
	if (!r)
		r = file_write(path, text, len, 0644);
	if (!r)
		r = mask_dropins(dir, early, unit);
	if (!r)
		r = units_want(early, "nvwa-resume.service", unit, unit);

	return r < 0 ? r : 1;
}

int apps_generate_units(const char *state, const char *early, struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char apps[4000], path[4096], mark[4200];
	bool stand_ins = false, ahead = false, whole;
	struct dirent *entry;
	int r;

	r = path_format(path, sizeof(path), "%s/" APPS_WHOLE, state);
	whole = !r && !access(path, F_OK);
	if (!r)
		r = path_format(apps, sizeof(apps), "%s/apps", state);
	if (r < 0)
		return r;
	dir = opendir(apps);
	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return error_set(err, errno, "cannot read %s: %s", apps, strerror(errno));

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		r = path_format(path, sizeof(path), "%s/%s", apps, entry->d_name);
		if (!r)
			r = generate_stand_in(path, early, entry->d_name);
		stand_ins |= r > 0;
		ahead |= !path_format(mark, sizeof(mark), "%s/" APPS_AHEAD, path) &&
			 !access(mark, F_OK);
		/* Without its stand-in a service starts afresh: the others go on. */
		if (r < 0)
			error_set(err, -r, "cannot generate %s: %s", entry->d_name, strerror(-r));
	}
	for (size_t i = 0; stand_ins && i < sizeof(of_sandboxes) / sizeof(of_sandboxes[0]); i++)
		units_want(early, FIRST_READY, of_sandboxes[i], of_sandboxes[i]);
	for (size_t i = 0; i < sizeof(static_units) / sizeof(static_units[0]); i++) {
		if (whole && static_units[i].restores)
			continue;
		r = units_want(early, static_units[i].wanted_by, static_units[i].unit,
			       static_units[i].unit);
		if (r < 0)
			return error_set(err, -r, "cannot start %s: %s", static_units[i].unit,
					 strerror(-r));
	}
	r = tmpfiles_keep("", app_paths()->tmpfiles);
	if (!r && ahead)
		r = tmpfiles_only_create(early);
	if (r < 0)
		return error_set(err, -r, "cannot keep /tmp: %s", strerror(-r));
	/* Without it the network is there all the same. */
	r = ifupdown_generate("", early);
	if (r < 0)
		error_set(err, -r, "cannot prepare ifupdown: %s", strerror(-r));

	/* Only when everything else is there. */
	return whole ? 0 : first_generate(state, early, err);
}

int apps_forget_units(struct error *err)
{
	_cleanup_bus_ sd_bus *bus = NULL;
	int r;

	r = file_write(APPS_FORGOTTEN, "", 0, 0600);
	if (r < 0)
		return error_set(err, -r, "cannot write %s: %s", APPS_FORGOTTEN, strerror(-r));
	tmpfiles_forget(app_paths()->tmpfiles);
	r = bus_open(&bus, err);
	if (!r)
		r = bus_reload(bus, err);

	return r;
}

int apps_start_fresh(const char *unit, struct error *err)
{
	_cleanup_bus_ sd_bus *bus = NULL;
	char path[4096];
	int r;

	r = path_format(path, sizeof(path), "%s/apps/%s", NVWA_STATE_DIR, unit);
	if (r < 0 || access(path, F_OK))
		return error_set(err, ENOENT, "%s was not carried", unit);
	r = path_format(path, sizeof(path), "%s/apps/%s/%s", NVWA_STATE_DIR, unit, FRESH_MARK);
	if (!r)
		r = file_write(path, "", 0, 0600);
	if (r < 0)
		return error_set(err, -r, "cannot write %s: %s", path, strerror(-r));
	r = bus_open(&bus, err);
	if (!r)
		r = bus_reload(bus, err);
	if (!r)
		r = bus_job(bus, "StartUnit", unit, err);

	return r;
}
