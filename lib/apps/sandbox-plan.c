// SPDX-License-Identifier: GPL-2.0-only
/* In the old kernel: how to build the sandbox of a service again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/apps/acl.h"
#include "lib/apps/mountinfo.h"
#include "lib/apps/proc.h"
#include "lib/apps/sandbox.h"
#include "lib/base/beneath.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* More than that is no sandbox's /dev. */
#define MAX_FILL	512
#define MAX_DEPTH	8

struct plan {
	FILE *out;		/* NULL: nobody wants it */
	pid_t pid;
	const char *unit;
	char boot_id[40];	/* as in names, without dashes */
	struct mountinfos host, own;
	size_t nr_fill;
	struct error *err;
};

static bool has_option(const char *options, const char *wanted)
{
	size_t len;

	for (; *options; options += len + (options[len] == ',')) {
		len = strcspn(options, ",");
		if (len == strlen(wanted) && !strncmp(options, wanted, len))
			return true;
	}

	return false;
}

static int put_names(FILE *out, const char *first, const char *second)
{
	_cleanup_free_ char *a = mountinfo_escape(first), *b = mountinfo_escape(second);

	if (!a || !b)
		return -ENOMEM;
	fprintf(out, " %s %s\n", a, b);

	return 0;
}

static const char *spread(const struct mountinfo *m)
{
	if (m->is_shared)
		return m->is_slave ? "shared,slave" : "shared";

	return m->is_slave ? "slave" : "private";
}

/* type is that of the file system, or another word of the step; "": none. */
static int put_mount(struct plan *p, const char *verb, const struct mountinfo *m,
		     const char *type, const char *source)
{
	if (!p->out)
		return 0;
	fprintf(p->out, "%s %s %s%s%s", verb, m->options, spread(m), *type ? " " : "", type);

	return put_names(p->out, source, m->dir);
}

/* One file, which is open, and called "name" in the plan. */
static int put_node(FILE *out, const char *verb, int fd, const char *name, const struct stat *st)
{
	char target[4096] = "-";
	ssize_t n = 0;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(fd, "", target, sizeof(target));
		if (n < 0)
			return -errno;
		if (n == sizeof(target))
			return -ENAMETOOLONG;
		target[n] = '\0';
	}
	if (!out)
		return 0;
	fprintf(out, "%s %o %u %u %llu", verb, st->st_mode, st->st_uid, st->st_gid,
		(unsigned long long)(S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ?
				     st->st_rdev : 0));

	return put_names(out, name, target);
}

/* Can a file be made again from what stat(2) says? */
static bool is_plain(const struct stat *st)
{
	return S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode) || S_ISCHR(st->st_mode) ||
	       S_ISBLK(st->st_mode) || S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode) ||
	       (S_ISREG(st->st_mode) && !st->st_size);
}

/* One of the directories that lead to something in memory, or the thing itself. */
static int plan_node(int root, const char *path, FILE *out, struct error *err)
{
	_cleanup_close_ int dir = -1, fd = -1;
	char name[NAME_MAX + 1], where[NAME_MAX + 64];
	struct stat st;

	dir = beneath_parent(root, path, name);
	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	/* Only root says where a link is to lead. */
	if (S_ISLNK(st.st_mode) && st.st_uid != geteuid())
		return -ELOOP;
	if (!is_plain(&st))
		return error_set(err, ENOTSUP, "%s is a file in memory", path);
	/* Without the list that the group's bits are the mask of they would be rights. */
	snprintf(where, sizeof(where), "/proc/self/fd/%d/%s", dir, name);
	if (acl_has(where))
		st.st_mode &= ~S_IRWXG;

	return put_node(out, "node", fd, path, &st);
}

static int plan_path(const struct mountinfos *host, const char *path, FILE *out,
		     struct error *err)
{
	const struct mountinfo *m = mountinfo_of_path(host, path);
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int root = -1;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	if (!m || strcmp(m->type, "tmpfs"))
		return 0;
	root = beneath_root(1);
	if (root < 0)
		return error_set(err, -root, "cannot see the root directory: %s", strerror(-root));
	/* The directory that the file system is mounted on is there. */
	for (char *end = copy + strlen(m->dir); !r && *end;) {
		char cut;

		end += 1 + strcspn(end + 1, "/");
		cut = *end;
		*end = '\0';
		r = plan_node(root, copy, out, err);
		*end = cut;
	}

	return r < 0 ? error_set(err, -r, "cannot see %s: %s", path, strerror(-r)) : 0;
}

int sandbox_plan_path(const char *path, FILE *out, struct error *err)
{
	struct mountinfos host;
	int r = mountinfo_read(1, &host);

	if (r < 0)
		return error_set(err, -r, "cannot read /proc/1/mountinfo: %s", strerror(-r));
	r = plan_path(&host, path, out, err);
	mountinfo_free(&host);

	return r;
}

/* The id of the mount that somebody sees at a path; 0: nothing is there. */
static int mount_seen(pid_t pid, const char *path)
{
	char full[4200];
	struct statx st;

	if (path_format(full, sizeof(full), "/proc/%d/root%s", pid, path) < 0 ||
	    statx(AT_FDCWD, full, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st))
		return 0;

	return st.stx_mnt_id;
}

/* Where a directory of a mounted file system is reached, if its mount is the one given. */
static int path_through(const struct mountinfo *through, const struct mountinfo *m, char *path,
			size_t size)
{
	const char *rest;

	if (through->dev != m->dev || !path_is_below(m->root, through->root))
		return -ENOENT;
	rest = m->root + (strcmp(through->root, "/") ? strlen(through->root) : 0);
	if (!strcmp(rest, "/"))
		rest = "";

	return path_format(path, size, "%s%s", strcmp(through->dir, "/") || !*rest ?
			   through->dir : "", rest);
}

/* "BASE/systemd-private-BOOT-UNIT-XXXXXX/tmp", cut in its parts. */
static bool is_private_tmp(const struct plan *p, char *path, char **base, char **name)
{
	char *slash = strrchr(path, '/'), prefix[400];

	if (!slash || strcmp(slash, "/tmp"))
		return false;
	*slash = '\0';
	*name = strrchr(path, '/');
	if (*name && !path_format(prefix, sizeof(prefix), "/systemd-private-%s-%s-", p->boot_id,
				  p->unit) &&
	    !strncmp(*name, prefix, strlen(prefix))) {
		**name = '\0';
		/* The rest of the name stays, the boot changes. */
		*name += strlen(prefix);
		*base = path;
		return true;
	}
	*slash = '/';

	return false;
}

static int plan_bind(struct plan *p, const struct mountinfo *m, char *source)
{
	char *base, *name;
	int r;

	if (is_private_tmp(p, source, &base, &name))
		return put_mount(p, "tmp", m, base, name);
	r = plan_path(&p->host, source, p->out, p->err);

	return r < 0 ? r : put_mount(p, "bind", m, m->type, source);
}

static int fill(struct plan *p, const struct mountinfo *m, int root, const char *dir,
		unsigned int depth)
{
	_cleanup_close_ int at = beneath_open(root, dir);
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *entry;
	int fd, r = 0;

	fd = at < 0 ? at : openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return at < 0 ? at : -errno;
	if (depth > MAX_DEPTH)
		return -E2BIG;
	while (!r && (entry = readdir(d))) {
		_cleanup_close_ int file = -1;
		char name[4200];
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (++p->nr_fill > MAX_FILL)
			return -E2BIG;
		r = path_format(name, sizeof(name), "%s/%s", dir, entry->d_name);
		if (r < 0)
			return r;
		file = openat(at, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (file < 0 || fstat(file, &st))
			return -errno;
		if (st.st_dev != m->dev) {
			/* Something is mounted there; what is below does not count. */
			st.st_mode = S_ISDIR(st.st_mode) ? S_IFDIR | 0755 : S_IFREG | 0644;
			st.st_uid = st.st_gid = 0;
			st.st_size = 0;
		}
		if (!is_plain(&st))
			return error_set(p->err, ENOTSUP, "%s is in a file system in memory "
					 "of its own", name);
		r = put_node(p->out, "fill", file, name, &st);
		if (!r && S_ISDIR(st.st_mode) && st.st_dev == m->dev)
			r = fill(p, m, root, name, depth + 1);
	}

	return r;
}

static int plan_new(struct plan *p, const struct mountinfo *m)
{
	const bool is_tmpfs = !strcmp(m->type, "tmpfs");
	_cleanup_close_ int root = -1;
	int r;

	if (strcmp(m->root, "/") || (!is_tmpfs && strcmp(m->type, "proc")) ||
	    (is_tmpfs && !has_option(m->options, "ro")))
		return error_set(p->err, ENOTSUP, "its sandbox has a file system of its own at %s "
				 "(%s)", m->dir, m->type);
	r = put_mount(p, "new", m, m->type, m->data);
	if (r < 0 || !is_tmpfs)
		return r;
	root = beneath_root(p->pid);
	r = root < 0 ? root : fill(p, m, root, m->dir, 0);

	return r;
}

static int plan_mount(struct plan *p, size_t nr)
{
	const struct mountinfo *m = &p->own.list[nr];
	struct mountinfos so_far = { p->own.list, nr };
	char source[4200];
	int r;

	if (strstr(m->dir, "//deleted") || strstr(m->root, "//deleted"))
		return error_set(p->err, ENOTSUP, "what is mounted in its sandbox at %s was "
				 "removed", m->dir);
	/* Its own credentials are for systemd to give, and those of others are not for it. */
	if (path_is_below(m->dir, "/run/credentials") && strcmp(m->dir, "/run/credentials")) {
		if (strstr(m->dir, p->unit))
			return error_set(p->err, ENOTSUP, "systemd gives it credentials");
		return 0;
	}
	/* The machine has what it is mounted on, as a rule. */
	r = mount_seen(1, m->dir) ? plan_path(&p->host, m->dir, p->out, p->err) : 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->host.nr; i++) {
		if (!path_through(&p->host.list[i], m, source, sizeof(source)) &&
		    mount_seen(1, source) == p->host.list[i].id)
			return plan_bind(p, m, source);
	}
	for (size_t i = 0; i < nr; i++) {
		if (!path_through(&p->own.list[i], m, source, sizeof(source)) &&
		    mountinfo_of_path(&so_far, source) == &p->own.list[i])
			return put_mount(p, "again", m, "", source);
	}

	return plan_new(p, m);
}

static int plan_mounts(struct plan *p)
{
	struct mountinfos *own = &p->own;
	size_t nr = 0;
	int r = 0;

	/* What is covered nobody sees. */
	for (size_t i = 0; i < own->nr; i++) {
		struct mountinfo m = own->list[i];

		if (mount_seen(p->pid, m.dir) == m.id) {
			own->list[i] = own->list[nr];
			own->list[nr++] = m;
		}
	}
	for (size_t i = 0; !r && i < nr; i++)
		r = plan_mount(p, i);
	if (!r && (!nr || strcmp(own->list[0].dir, "/")))
		r = error_set(p->err, ENOTSUP, "its sandbox has no root");

	return r;
}

/* Whether the process has another namespace than PID 1. */
static int has_own(pid_t pid, const char *name)
{
	uint64_t theirs = 0, first = 0;
	int r;

	r = proc_ns(pid, name, &theirs);
	if (!r)
		r = proc_ns(1, name, &first);

	return r < 0 ? r : theirs != first;
}

static int plan_namespaces(struct plan *p)
{
	static const char *const others[] = { "ipc", "net", "cgroup", "pid" };
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(others) / sizeof(others[0]); i++) {
		r = has_own(p->pid, others[i]);
		if (r > 0)
			return error_set(p->err, ENOTSUP, "systemd has given it a namespace of its "
					 "own (%s)", others[i]);
	}
	if (!r)
		r = has_own(p->pid, "uts");
	if (r > 0 && p->out)
		fputs("uts\n", p->out);
	if (r >= 0)
		r = has_own(p->pid, "mnt");
	/* What it sees is looked at through its root directory. */
	if (r > 0 && proc_is_chrooted(p->pid))
		return error_set(p->err, ENOTSUP, "it has changed its root directory");
	if (r > 0)
		r = mountinfo_read(1, &p->host);
	if (!r && p->host.nr)
		r = mountinfo_read(p->pid, &p->own);
	if (!r && p->host.nr)
		r = plan_mounts(p);

	return r;
}

int sandbox_plan(pid_t pid, const char *unit, FILE *out, struct error *err)
{
	struct plan p = { .out = out, .pid = pid, .unit = unit, .err = err };
	int r;

	r = proc_boot_id(p.boot_id, sizeof(p.boot_id));
	if (!r)
		r = plan_namespaces(&p);
	mountinfo_free(&p.host);
	mountinfo_free(&p.own);
	if (r < 0 && !err->text[0])
		error_set(err, -r, "its sandbox cannot be looked at: %s", strerror(-r));

	return r;
}
