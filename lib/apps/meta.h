/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is recorded of an app besides CRIU's images, as JSON in its directory:
 * meta.json by app_save() while the app runs, dump.json by app_dump().
 */
#ifndef NVWA_APPS_META_H
#define NVWA_APPS_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/apps/app.h"
#include "lib/apps/files.h"
#include "lib/apps/shmem.h"

/* Files that live in memory or in a directory that the next boot makes anew. */
struct meta_tree {
	char *path;		/* of the directory (or of one file), as the app sees it */
	char *tar;		/* name of the archive beside meta.json */
	bool inside;		/* path is below the root of the app's mount namespace */
};

struct app_meta {
	enum app_kind kind;
	char *name;
	pid_t pid;
	char *release;		/* of the kernel it ran on */
	char *status_text;	/* what the service last told systemd of itself, "" if nothing */
	char *controllers;	/* of its control group, see cgroup_make() */
	char *cgroup;		/* of a service: the group's path below CGROUP_ROOT */
	struct meta_tree *trees;
	size_t nr_trees;
};

int meta_add_tree(struct app_meta *meta, const char *path, bool inside);
int meta_write(const char *dir, const struct app_meta *meta, struct error *err);
int meta_read(const char *dir, struct app_meta *meta, struct error *err);
void meta_free(struct app_meta *meta);

/* In the old kernel: which trees a service has, by what its unit says. */
int meta_find_trees(const struct app *app, struct app_meta *meta, struct error *err);

/* What a process has that CRIU does not see: mend.c brings it back. */
struct process_extra {
	pid_t pid;
	bool lock_future;	/* mlockall(2) with MCL_FUTURE */
	bool lock_on_fault;	/* and MCL_ONFAULT */
	struct nvwa_range *guards;	/* of MADV_GUARD_INSTALL */
	size_t nr_guards;
};

/* How it was when it was frozen. */
struct app_dumped {
	struct externals externals;
	struct shmem *shmem;	/* which the record has, besides what each process has */
	size_t nr_shmem;
	struct process_extra *extras;	/* of the processes that have any */
	size_t nr_extras;
	bool hidden_userns;	/* it had a user namespace, which is not restored */
	bool has_sysv;		/* segments of shmget(2) */
	bool no_new_privileges;	/* all of its processes have that flag */
	int criu_version;
	uint64_t tsc;		/* these four read together, after the freeze */
	uint64_t realtime_ns, monotonic_ns, boottime_ns;
};

int dumped_write(const char *dir, const struct app_dumped *dumped, struct error *err);
int dumped_read(const char *dir, struct app_dumped *dumped, struct error *err);
void dumped_free(struct app_dumped *dumped);

#endif
