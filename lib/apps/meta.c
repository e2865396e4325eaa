// SPDX-License-Identifier: GPL-2.0-only
/* What is recorded of an app besides CRIU's images, as JSON. */
#include "lib/apps/meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/json.h"

#define META_VERSION	1

static int write_json(const char *dir, const char *file, struct json_object *o, struct error *err)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);
	char path[4096];
	int r;

	r = path_format(path, sizeof(path), "%s/%s", dir, file);
	if (!r)
		r = text ? file_write(path, text, strlen(text), 0600) : -ENOMEM;
	if (r < 0)
		return error_set(err, -r, "cannot write %s/%s: %s", dir, file, strerror(-r));

	return 0;
}

static int read_json(const char *dir, const char *file, struct json_object **o, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[4096];
	int r;

	r = path_format(path, sizeof(path), "%s/%s", dir, file);
	if (!r)
		r = file_read(path, &text, NULL);
	if (r < 0)
		return error_set(err, -r, "cannot read %s/%s: %s", dir, file, strerror(-r));
	*o = json_tokener_parse(text);
	if (!json_object_is_type(*o, json_type_object))
		return error_set(err, EBADMSG, "%s/%s is not what nvwa wrote", dir, file);

	return 0;
}

static void set_string(struct json_object *o, const char *key, const char *value)
{
	if (value)
		json_object_object_add(o, key, json_object_new_string(value));
}

static void set_number(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static char *get_string(struct json_object *o, const char *key)
{
	struct json_object *value = json_get(o, key);

	return json_object_is_type(value, json_type_string) ?
		strdup(json_object_get_string(value)) : NULL;
}

static uint64_t get_number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_get(o, key));
}

static bool get_flag(struct json_object *o, const char *key)
{
	return json_object_get_boolean(json_get(o, key));
}

static struct json_object *get_list(struct json_object *o, const char *key, size_t *nr)
{
	struct json_object *list = json_get(o, key);

	*nr = json_length(list);

	return *nr ? list : NULL;
}

int meta_add_tree(struct app_meta *meta, const char *path, bool inside)
{
	struct meta_tree *t = realloc(meta->trees, (meta->nr_trees + 1) * sizeof(*t));

	if (!t)
		return -ENOMEM;
	meta->trees = t;
	t += meta->nr_trees;
	memset(t, 0, sizeof(*t));
	t->inside = inside;
	t->path = strdup(path);
	if (asprintf(&t->tar, "files-%zu.tar", meta->nr_trees) < 0)
		t->tar = NULL;
	meta->nr_trees++;

	return t->path && t->tar ? 0 : -ENOMEM;
}

int meta_write(const char *dir, const struct app_meta *meta, struct error *err)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *trees = json_object_new_array();

	set_number(o, "version", META_VERSION);
	set_string(o, "kind", meta->kind == APP_SERVICE ? "service" : "program");
	set_string(o, "name", meta->name);
	set_number(o, "pid", meta->pid);
	set_string(o, "release", meta->release);
	set_string(o, "status_text", meta->status_text);
	set_string(o, "controllers", meta->controllers);
	set_string(o, "cgroup", meta->cgroup);
	for (size_t i = 0; i < meta->nr_trees; i++) {
		struct json_object *t = json_object_new_object();

		set_string(t, "path", meta->trees[i].path);
		set_string(t, "tar", meta->trees[i].tar);
		json_object_object_add(t, "inside",
				       json_object_new_boolean(meta->trees[i].inside));
		json_object_array_add(trees, t);
	}
	json_object_object_add(o, "trees", trees);

	return write_json(dir, "meta.json", o, err);
}

static int read_trees(struct json_object *o, struct app_meta *meta)
{
	size_t nr;
	struct json_object *list = get_list(o, "trees", &nr);

	meta->trees = calloc(nr + 1, sizeof(*meta->trees));
	if (!meta->trees)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct json_object *t = json_object_array_get_idx(list, i);
		struct meta_tree *tree = &meta->trees[meta->nr_trees++];

		tree->path = get_string(t, "path");
		tree->tar = get_string(t, "tar");
		tree->inside = get_flag(t, "inside");
		if (!tree->path || !tree->tar)
			return -EBADMSG;
	}

	return 0;
}

int meta_read(const char *dir, struct app_meta *meta, struct error *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_free_ char *kind = NULL;
	int r;

	memset(meta, 0, sizeof(*meta));
	r = read_json(dir, "meta.json", &o, err);
	if (r < 0)
		return r;
	kind = get_string(o, "kind");
	meta->kind = kind && !strcmp(kind, "service") ? APP_SERVICE : APP_PROGRAM;
	meta->name = get_string(o, "name");
	meta->pid = get_number(o, "pid");
	meta->release = get_string(o, "release");
	meta->status_text = get_string(o, "status_text");
	meta->controllers = get_string(o, "controllers");
	meta->cgroup = get_string(o, "cgroup");
	r = read_trees(o, meta);
	if (!r && (get_number(o, "version") != META_VERSION || !kind || !meta->name ||
		   meta->pid <= 0))
		r = -EBADMSG;
	if (r < 0) {
		meta_free(meta);
		return error_set(err, -r, "%s/meta.json is not what this nvwa writes", dir);
	}

	return 0;
}

void meta_free(struct app_meta *meta)
{
	for (size_t i = 0; i < meta->nr_trees; i++) {
		free(meta->trees[i].path);
		free(meta->trees[i].tar);
	}
	free(meta->trees);
	free(meta->name);
	free(meta->release);
	free(meta->status_text);
	free(meta->controllers);
	free(meta->cgroup);
	memset(meta, 0, sizeof(*meta));
}

static void add_shmem(struct json_object *o, const struct app_dumped *dumped)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < dumped->nr_shmem; i++) {
		const struct shmem *s = &dumped->shmem[i];
		struct json_object *x = json_object_new_object();

		set_number(x, "id", s->id);
		set_number(x, "pid", s->pid);
		json_object_object_add(x, "fd", json_object_new_int(s->fd));
		set_number(x, "addr", s->addr);
		set_number(x, "mode", s->mode);
		if (s->path) {
			set_string(x, "path", s->path);
			set_number(x, "size", s->size);
			set_number(x, "uid", s->uid);
			set_number(x, "gid", s->gid);
		}
		json_object_array_add(list, x);
	}
	json_object_object_add(o, "shmem", list);
}

static void add_extras(struct json_object *o, const struct app_dumped *dumped)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < dumped->nr_extras; i++) {
		const struct process_extra *e = &dumped->extras[i];
		struct json_object *x = json_object_new_object();
		struct json_object *guards = json_object_new_array();

		set_number(x, "pid", e->pid);
		json_object_object_add(x, "lock_future", json_object_new_boolean(e->lock_future));
		json_object_object_add(x, "lock_on_fault",
				       json_object_new_boolean(e->lock_on_fault));
		for (size_t k = 0; k < e->nr_guards; k++) {
			struct json_object *range = json_object_new_object();

			set_number(range, "start", e->guards[k].start);
			set_number(range, "len", e->guards[k].len);
			json_object_array_add(guards, range);
		}
		json_object_object_add(x, "guards", guards);
		json_object_array_add(list, x);
	}
	json_object_object_add(o, "extras", list);
}

int dumped_write(const char *dir, const struct app_dumped *dumped, struct error *err)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	set_number(o, "version", META_VERSION);
	json_object_object_add(o, "hidden_userns",
			       json_object_new_boolean(dumped->hidden_userns));
	json_object_object_add(o, "no_new_privileges",
			       json_object_new_boolean(dumped->no_new_privileges));
	json_object_object_add(o, "has_sysv", json_object_new_boolean(dumped->has_sysv));
	set_number(o, "criu_version", dumped->criu_version);
	set_number(o, "tsc", dumped->tsc);
	set_number(o, "realtime_ns", dumped->realtime_ns);
	set_number(o, "monotonic_ns", dumped->monotonic_ns);
	set_number(o, "boottime_ns", dumped->boottime_ns);
	for (size_t i = 0; i < dumped->externals.nr; i++) {
		const struct external *e = &dumped->externals.list[i];
		struct json_object *x = json_object_new_object();

		set_string(x, "kind", e->kind == EXTERNAL_JOURNAL ? "journal" : "file");
		json_object_object_add(x, "fd", json_object_new_int(e->fd));
		set_number(x, "mount", e->mount);
		set_number(x, "ino", e->ino);
		set_number(x, "flags", e->flags);
		set_string(x, "path", e->path);
		json_object_array_add(list, x);
	}
	json_object_object_add(o, "externals", list);
	add_shmem(o, dumped);
	add_extras(o, dumped);

	return write_json(dir, "dump.json", o, err);
}

static int read_externals(struct json_object *o, struct externals *externals)
{
	size_t nr;
	struct json_object *list = get_list(o, "externals", &nr), *fd;

	externals->list = calloc(nr + 1, sizeof(*externals->list));
	if (!externals->list)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct json_object *x = json_object_array_get_idx(list, i);
		struct external *e = &externals->list[externals->nr++];
		_cleanup_free_ char *kind = get_string(x, "kind");

		e->kind = kind && !strcmp(kind, "journal") ? EXTERNAL_JOURNAL : EXTERNAL_FILE;
		e->fd = json_object_object_get_ex(x, "fd", &fd) ? json_object_get_int(fd) : -1;
		e->mount = get_number(x, "mount");
		e->ino = get_number(x, "ino");
		e->flags = get_number(x, "flags");
		e->path = get_string(x, "path");
		if (!kind || !e->path)
			return -EBADMSG;
	}

	return 0;
}

static int read_shmem(struct json_object *o, struct app_dumped *dumped)
{
	size_t nr;
	struct json_object *list = get_list(o, "shmem", &nr), *fd;

	dumped->shmem = calloc(nr + 1, sizeof(*dumped->shmem));
	if (!dumped->shmem)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct json_object *x = json_object_array_get_idx(list, i);
		struct shmem *s = &dumped->shmem[dumped->nr_shmem++];
		uint32_t segment;

		s->id = get_number(x, "id");
		s->pid = get_number(x, "pid");
		s->fd = json_object_object_get_ex(x, "fd", &fd) ? json_object_get_int(fd) : -1;
		s->addr = get_number(x, "addr");
		s->path = get_string(x, "path");
		s->size = get_number(x, "size");
		s->mode = get_number(x, "mode");
		s->uid = get_number(x, "uid");
		s->gid = get_number(x, "gid");
		if (!s->id || s->pid <= 0 || !(s->fd >= 0 || s->addr || shmem_is_sysv(s, &segment)))
			return -EBADMSG;
	}

	return 0;
}

static int read_guards(struct json_object *o, struct process_extra *e)
{
	size_t nr;
	struct json_object *list = get_list(o, "guards", &nr);

	e->guards = calloc(nr + 1, sizeof(*e->guards));
	if (!e->guards)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct json_object *range = json_object_array_get_idx(list, i);

		e->guards[i].start = get_number(range, "start");
		e->guards[i].len = get_number(range, "len");
		if (!e->guards[i].len)
			return -EBADMSG;
	}
	e->nr_guards = nr;

	return 0;
}

static int read_extras(struct json_object *o, struct app_dumped *dumped)
{
	size_t nr;
	struct json_object *list = get_list(o, "extras", &nr);
	int r = 0;

	dumped->extras = calloc(nr + 1, sizeof(*dumped->extras));
	if (!dumped->extras)
		return -ENOMEM;
	for (size_t i = 0; i < nr && !r; i++) {
		struct json_object *x = json_object_array_get_idx(list, i);
		struct process_extra *e = &dumped->extras[dumped->nr_extras++];

		e->pid = get_number(x, "pid");
		e->lock_future = get_flag(x, "lock_future");
		e->lock_on_fault = get_flag(x, "lock_on_fault");
		r = e->pid > 0 ? read_guards(x, e) : -EBADMSG;
	}

	return r;
}

int dumped_read(const char *dir, struct app_dumped *dumped, struct error *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	int r;

	memset(dumped, 0, sizeof(*dumped));
	r = read_json(dir, "dump.json", &o, err);
	if (r < 0)
		return r;
	dumped->hidden_userns = get_flag(o, "hidden_userns");
	dumped->no_new_privileges = get_flag(o, "no_new_privileges");
	dumped->has_sysv = get_flag(o, "has_sysv");
	dumped->criu_version = get_number(o, "criu_version");
	dumped->tsc = get_number(o, "tsc");
	dumped->realtime_ns = get_number(o, "realtime_ns");
	dumped->monotonic_ns = get_number(o, "monotonic_ns");
	dumped->boottime_ns = get_number(o, "boottime_ns");
	r = read_externals(o, &dumped->externals);
	if (!r)
		r = read_shmem(o, dumped);
	if (!r)
		r = read_extras(o, dumped);
	if (!r && get_number(o, "version") != META_VERSION)
		r = -EBADMSG;
	if (r < 0) {
		dumped_free(dumped);
		return error_set(err, -r, "%s/dump.json is not what this nvwa writes", dir);
	}

	return 0;
}

void dumped_free(struct app_dumped *dumped)
{
	externals_free(&dumped->externals);
	shmem_free(dumped->shmem, dumped->nr_shmem);
	dumped->shmem = NULL;
	dumped->nr_shmem = 0;
	for (size_t i = 0; i < dumped->nr_extras; i++)
		free(dumped->extras[i].guards);
	free(dumped->extras);
	dumped->extras = NULL;
	dumped->nr_extras = 0;
}
