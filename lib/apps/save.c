// SPDX-License-Identifier: GPL-2.0-only
/* In the old kernel: what of an app is recorded besides CRIU's images. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "lib/apps/app.h"
#include "lib/apps/archive.h"
#include "lib/apps/bus.h"
#include "lib/apps/criu.h"
#include "lib/apps/images-size.h"
#include "lib/apps/meta.h"
#include "lib/apps/mountinfo.h"
#include "lib/apps/places.h"
#include "lib/apps/proc.h"
#include "lib/apps/scope.h"
#include "lib/apps/takeover.h"
#include "lib/apps/tree-size.h"
#include "lib/apps/unitfile.h"
#include "lib/base/beneath.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

struct unit_facts {
	char *fragment;
	char **dropins;
	char **runtime_directories;
	char *pid_file;
	char *status_text;
	bool private_tmp;
};

static void unit_facts_free(struct unit_facts *f)
{
	free(f->fragment);
	free(f->pid_file);
	free(f->status_text);
	cleanup_strv(&f->dropins);
	cleanup_strv(&f->runtime_directories);
}

static int read_unit_facts(const char *unit, struct unit_facts *f, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_bus_ sd_bus *bus = NULL;
	int r;

	r = bus_open(&bus, err);
	if (!r)
		r = bus_unit(bus, unit, &path, err);
	if (r < 0)
		return r;
	r = bus_string(bus, path, "Unit", "FragmentPath", &f->fragment);
	if (r >= 0)
		r = bus_strings(bus, path, "Unit", "DropInPaths", &f->dropins);
	if (r >= 0)
		r = bus_strings(bus, path, "Service", "RuntimeDirectory", &f->runtime_directories);
	if (r >= 0)
		r = bus_string(bus, path, "Service", "PIDFile", &f->pid_file);
	if (r >= 0)
		r = bus_string(bus, path, "Service", "StatusText", &f->status_text);
	if (r >= 0)
		r = bus_bool(bus, path, "Service", "PrivateTmp", &f->private_tmp);
	if (r < 0)
		return error_set(err, -r, "systemd does not tell about %s: %s", unit,
				 strerror(-r));
	if (!f->fragment[0])
		return error_set(err, ENOENT, "service %s has no unit file: it cannot be made "
				 "again in the next kernel", unit);

	return 0;
}

static size_t strv_length(char **list)
{
	size_t nr = 0;

	while (list && list[nr])
		nr++;
	return nr;
}

/* The stand-in unit, and the names of the drop-ins that must not apply to it. */
static int write_unit(const char *dir, const char *unit, const struct unit_facts *f,
		      struct error *err)
{
	_cleanup_free_ char *text = NULL, *masks = NULL;
	size_t nr = 1 + strv_length(f->dropins), size;
	_cleanup_strv_ char **sources = calloc(nr + 1, sizeof(char *));
	FILE *out = open_memstream(&masks, &size);
	const char *path = f->fragment;
	char target[4096];
	int r = 0;

	for (size_t i = 0; sources && out && !r && i < nr; i++) {
		if (i)
			path = f->dropins[i - 1];
		r = file_read(path, &sources[i], NULL);
		if (i)
			fprintf(out, "%s\n", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	}
	if (!sources || !out || fclose(out))
		return -ENOMEM;
	if (r < 0)
		return error_set(err, -r, "cannot read the unit file %s: %s", path, strerror(-r));

	r = unitfile_transform((const char *const *)sources, nr, &text);
	if (!r)
		r = path_format(target, sizeof(target), "%s/unit/%s", dir, unit);
	if (!r)
		r = file_write(target, text, strlen(text), 0600);
	if (!r)
		r = path_format(target, sizeof(target), "%s/unit/masks", dir);
	if (!r)
		r = file_write(target, masks, strlen(masks), 0600);
	if (r < 0)
		return error_set(err, -r, "cannot write %s/unit: %s", dir, strerror(-r));

	return 0;
}

/* Which files must be carried along. */
static int list_trees(const struct unit_facts *f, struct app_meta *meta)
{
	const char *pid_file = f->pid_file ?: "";
	char path[4096];
	int r = 0;

	for (char **name = f->runtime_directories; !r && name && *name; name++) {
		r = path_format(path, sizeof(path), "/run/%s", *name);
		if (!r)
			r = meta_add_tree(meta, path, false);
		if (!r && path_is_below(pid_file, path))
			pid_file = "";
	}
	if (!r && f->private_tmp)
		r = meta_add_tree(meta, "/tmp", true);
	if (!r && f->private_tmp)
		r = meta_add_tree(meta, "/var/tmp", true);
	if (!r && *pid_file)
		r = meta_add_tree(meta, pid_file, false);

	return r;
}

int meta_find_trees(const struct app *app, struct app_meta *meta, struct error *err)
{
	__attribute__((cleanup(unit_facts_free))) struct unit_facts facts = { 0 };
	int r = read_unit_facts(app->name, &facts, err);

	return r < 0 ? r : list_trees(&facts, meta);
}

static int save_service(const struct app *app, const char *dir, struct app_meta *meta,
			struct error *err)
{
	__attribute__((cleanup(unit_facts_free))) struct unit_facts facts = { 0 };
	struct error waits = { "" };
	int r;

	r = read_unit_facts(app->name, &facts, err);
	if (!r)
		r = write_unit(dir, app->name, &facts, err);
	if (!r)
		r = list_trees(&facts, meta);
	meta->status_text = steal_ptr(facts.status_text);
	if (!r)
		r = proc_cgroup(app->pid, &meta->cgroup);
	/* What systemd alone can make waits for it. */
	if (!r && takeover_save(app, dir, &waits) < 0)
		return 0;

	return r;
}

int app_save(const struct app *app, const char *dir, struct error *err)
{
	__attribute__((cleanup(meta_free))) struct app_meta meta = { 0 };
	struct utsname uts;
	char path[4096];
	int r;

	uname(&uts);
	meta.kind = app->kind;
	meta.pid = app->pid;
	meta.name = strdup(app->name);
	meta.release = strdup(uts.release);
	if (!meta.name || !meta.release)
		return error_set(err, ENOMEM, "out of memory");

	/* The dump would do it, with the program frozen. */
	r = criu_warm(err);
	if (r < 0)
		return r;
	r = path_format(path, sizeof(path), "%s/%s", dir, app->name);
	if (!r)
		r = tree_remove(path);
	if (!r)
		r = dir_make_private(path);
	if (r < 0)
		return error_set(err, -r, "cannot make %s/%s: %s", dir, app->name, strerror(-r));
	if (app->kind == APP_SERVICE) {
		r = save_service(app, path, &meta, err);
		if (r < 0)
			return error_set(err, -r, "cannot record service %s: %s", app->name,
					 strerror(-r));
	}
	r = scope_controllers(app->pid, &meta.controllers);
	if (r < 0)
		return error_set(err, -r, "cannot see the control group of process %d: %s",
				 app->pid, strerror(-r));

	r = places_save(app, &meta, path, err);

	return r < 0 ? r : meta_write(path, &meta, err);
}

int app_save_files(const struct app *app, const char *dir, uint64_t *left, struct error *err)
{
	__attribute__((cleanup(meta_free))) struct app_meta meta = { 0 };
	char path[4096], tar[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/%s", dir, app->name);
	if (!r)
		r = meta_read(path, &meta, err);
	for (size_t i = 0; !r && i < meta.nr_trees; i++) {
		const struct meta_tree *t = &meta.trees[i];

		r = path_format(tar, sizeof(tar), "%s/%s", path, t->tar);
		if (!r)
			r = archive_save(tar, t->inside ? app->pid : 0, t->path, left, err);
	}

	return r < 0 ? r : places_save_files(app, path, err);
}

/* As archive_save() finds it: no link of somebody else's is followed. */
static int size_tree(const struct app *app, const struct meta_tree *t, struct tree_size *size,
		     struct error *err)
{
	_cleanup_close_ int root = beneath_root(t->inside ? app->pid : 0), dir = -1;
	char name[NAME_MAX + 1], path[NAME_MAX + 64];

	dir = root < 0 ? root : beneath_parent(root, t->path, name);
	if (dir < 0)
		return dir == -ENOENT ? 0 : error_set(err, -dir, "cannot see %s: %s", t->path,
						      strerror(-dir));
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);

	return tree_size_add(path, t->path, NULL, size);
}

static int size_trees(const struct app *app, struct tree_size *size, struct error *err)
{
	__attribute__((cleanup(unit_facts_free))) struct unit_facts facts = { 0 };
	__attribute__((cleanup(meta_free))) struct app_meta meta = { 0 };
	int r = 0;

	if (app->kind != APP_SERVICE)
		return 0;
	r = read_unit_facts(app->name, &facts, err);
	if (!r)
		r = list_trees(&facts, &meta);
	for (size_t i = 0; !r && i < meta.nr_trees; i++)
		r = size_tree(app, &meta.trees[i], size, err);

	return r;
}

int app_size_files(const struct app *app, struct tree_size *size, uint64_t *images,
		   struct error *err)
{
	int r = size_trees(app, size, err);

	if (!r)
		r = images_size(app, images);

	return r;
}
