// SPDX-License-Identifier: GPL-2.0-only
/* What stands against carrying an app: its open files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/apps/check.h"
#include "lib/apps/criu.h"
#include "lib/apps/files.h"
#include "lib/apps/meta.h"
#include "lib/apps/places.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/net/net.h"

/* Documentation/admin-guide/devices.txt of the kernel: memory devices */
#define MEMORY_MAJOR	1

/* app_dump() tells CRIU to copy deleted files up to this size. */
#define GHOST_LIMIT	(64UL << 20)

struct file_checker {
	struct checker *c;
	char *late;			/* of net_late_addresses() */
};

/* It makes them again since this version, of processes that it makes again (criu/pidfd.c). */
#define CRIU_PIDFD	40100
#define PIDFD		"anon_inode:[pidfd]"

static bool is_harmless_device(dev_t dev)
{
	static const unsigned int minors[] = { 3, 5, 7, 8, 9 };	/* null zero full random urandom */

	for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++) {
		if (dev == makedev(MEMORY_MAJOR, minors[i]))
			return true;
	}

	return false;
}

/* What CRIU can restore of files that have no path, by the text of their link. */
static bool is_known_anonymous(const char *target)
{
	static const char *const known[] = {
		"anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[signalfd]",
		"anon_inode:[timerfd]", "anon_inode:inotify", "anon_inode:[fanotify]",
		PIDFD, NULL,
	};

	for (const char *const *k = known; *k; k++) {
		if (!strcmp(target, *k))
			return true;
	}

	return false;
}

static void check_device(struct file_checker *fc, const struct open_file *f, const char *who)
{
	bool terminal = !strncmp(f->target, "/dev/pts/", 9) || !strncmp(f->target, "/dev/tty", 8);

	if (S_ISCHR(f->st.st_mode) && is_harmless_device(f->st.st_rdev))
		return;
	check_say(fc->c, true, "%s holds descriptor %d on the %s %s, which cannot be restored. %s",
		  who, f->fd, terminal ? "terminal" : "device", f->target,
		  terminal ? "Redirect its input and output" : "Stop it before the update, or take "
		  "it off the list");
}

static void check_path(struct file_checker *fc, const struct open_file *f, const char *who)
{
	struct stat st;

	if (!f->st.st_nlink && (unsigned long)f->st.st_size > GHOST_LIMIT)
		check_say(fc->c, true, "%s holds descriptor %d on the deleted file %s of %lu MB, "
			  "more than is copied", who, f->fd, f->target,
			  (unsigned long)f->st.st_size >> 20);
	/* It is opened by its path, which must lead there from here. */
	if (f->foreign && (stat(f->target, &st) || st.st_dev != f->st.st_dev ||
			   st.st_ino != f->st.st_ino))
		check_say(fc->c, true, "%s holds descriptor %d on %s, which is on a mount that is "
			  "not its own and cannot be found from outside", who, f->fd, f->target);
}

/* "Pid:" of Documentation/filesystems/proc.rst: 0 not of our namespace, -1 it has ended. */
static long pidfd_target(const struct open_file *f)
{
	_cleanup_free_ char *text = NULL;
	const char *line;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", f->pid, f->fd);
	line = file_read(path, &text, NULL) < 0 ? NULL : strstr(text, "\nPid:");

	return line ? strtol(line + strlen("\nPid:"), NULL, 10) : -1;
}

static void check_pidfd(struct file_checker *fc, const struct open_file *f, const char *who)
{
	const struct app *app = fc->c->app;
	long pid = pidfd_target(f);
	char whom[96];
	int version = criu_version();

	if (version >= 0 && version < CRIU_PIDFD)
		check_say(fc->c, true, "%s holds descriptor %d on a process (pidfd), which CRIU "
			  "restores since version 4.1. Install a newer package criu, or take the "
			  "program off the list", who, f->fd);
	for (size_t i = 0; i < app->nr_pids; i++) {
		if (pid < 0 || pid == app->pids[i])
			return;
	}
	check_process(pid, whom, sizeof(whom));
	check_say(fc->c, true, "%s holds descriptor %d on %c%s (pidfd), which is not carried with "
		  "it. Have it close that, or take it off the list", who, f->fd, 'p', whom + 1);
}

/* Those who use it unasked, or are asked to most often. */
#define IO_URING_OFF	" (MariaDB: innodb_use_native_aio=OFF; PostgreSQL: io_method=worker)"

static int check_file(void *ctx, const struct open_file *f)
{
	struct file_checker *fc = ctx;
	char who[96];

	check_process(f->pid, who, sizeof(who));
	if (S_ISSOCK(f->st.st_mode) && !strncmp(f->target, "socket:", 7))
		check_socket(fc->c, f, fc->late, who);
	else if (S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode))
		check_device(fc, f, who);
	else if (!strncmp(f->target, "anon_inode:", 11) && !is_known_anonymous(f->target))
		check_say(fc->c, true, "%s holds descriptor %d, the kernel object %s, which cannot "
			  "be restored. Stop it before the update, or make it do without%s",
			  who, f->fd, f->target + strlen("anon_inode:"),
			  strcmp(f->target, "anon_inode:[io_uring]") ? "" : IO_URING_OFF);
	else if (!strcmp(f->target, "anon_inode:[eventpoll]"))
		check_epoll(fc->c, f, who);
	else if (!strcmp(f->target, PIDFD))
		check_pidfd(fc, f, who);
	else if (f->target[0] == '/')
		check_path(fc, f, who);

	return 0;
}

void check_files(struct checker *c)
{
	struct file_checker fc = { .c = c };
	int r;

	r = net_late_addresses(&fc.late, NULL);
	if (!r)
		r = open_files_scan(c->app->pids, c->app->nr_pids, check_file, &fc);
	if (r < 0)
		check_say(c, true, "The open files of %s cannot be looked at: %s", c->app->name,
			  strerror(-r));
	free(fc.late);
}

static void say_too_large(void *ctx, const char *path)
{
	struct checker *c = ctx;

	check_say(c, false, "%s is in memory, and more than is copied of what %s has there: it "
		  "will be gone", path, c->app->name);
}

void check_places(struct checker *c)
{
	__attribute__((cleanup(meta_free))) struct app_meta meta = { 0 };
	struct error err = { "" };
	int r = 0;

	if (c->app->kind == APP_SERVICE)
		r = meta_find_trees(c->app, &meta, &err);
	if (!r)
		r = places_check(c->app, &meta, say_too_large, c);
	if (r < 0)
		check_say(c, true, "What %s has in memory file systems cannot be looked at: %s",
			  c->app->name, err.text[0] ? err.text : strerror(-r));
}
