// SPDX-License-Identifier: GPL-2.0-only
/* File systems that cannot be written out while TCP is silent and programs stand still. */
#include "lib/apps/check-mounts.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define SERVER	"a server in the network"
#define PROGRAM	"a program that stands still by then"

/* A type that ends with a dot stands for all that begin like that. */
static const struct {
	const char *type, *by;
	const char *unless;	/* an option with which it does not count */
} served[] = {
	{ "nfs", SERVER, NULL },
	{ "nfs4", SERVER, NULL },
	{ "cifs", SERVER, NULL },
	{ "smb3", SERVER, NULL },
	{ "ceph", SERVER, NULL },
	{ "9p", SERVER, "trans=virtio" },
	{ "afs", SERVER, NULL },
	{ "coda", SERVER, NULL },
	{ "lustre", SERVER, NULL },
	{ "gfs2", SERVER, NULL },
	{ "ocfs2", SERVER, NULL },
	{ "pvfs2", SERVER, NULL },
	{ "beegfs", SERVER, NULL },
	{ "gpfs", SERVER, NULL },
	{ "fuse", PROGRAM, NULL },
	{ "fuse.", PROGRAM, NULL },
	{ "fuseblk", PROGRAM, NULL },
};

/* Names of disks in /sys/block; a number or more follows. */
static const struct {
	const char *name, *words;
} disks[] = {
	{ "nbd", "a disk of a server in the network (NBD)" },
	{ "rbd", "a disk of a server in the network (Ceph)" },
	{ "drbd", "a disk that is mirrored over the network (DRBD)" },
	{ "etherd!e", "a disk of a server in the network (ATA over Ethernet)" },
	{ "ublkb", "a disk of a program that stands still by then (ublk)" },
};

#define ISCSI		"a disk of a server in the network (iSCSI)"
#define NVME_FABRICS	"a disk of a server in the network (NVMe over fabrics)"

/* A disk may lie on others, which lie on others: that many times. */
#define MAX_DEPTH	16

static bool has_option(const char *options, const char *option)
{
	const size_t len = strlen(option);

	for (const char *at = options; (at = strstr(at, option)); at++)
		if ((at == options || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

static const char *served_by(const struct mountinfo *m)
{
	for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
		const char *type = served[i].type;
		const size_t len = strlen(type);

		if (type[len - 1] == '.' ? strncmp(m->type, type, len) : strcmp(m->type, type))
			continue;
		if (!served[i].unless || !has_option(m->data, served[i].unless))
			return served[i].by;
	}
	return NULL;
}

bool mount_is_served(const struct mountinfo *m)
{
	return served_by(m);
}

/* "/session1/" as the kernel's iSCSI has it in the path of a disk (scsi_transport_iscsi.c). */
static bool is_iscsi(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/session")); at++)
		if (isdigit((unsigned char)at[strlen("/session")]))
			return true;
	return false;
}

/* Of a disk with several ways to it: does one of them go through a network? */
static bool is_fabric(const char *path)
{
	char pattern[PATH_MAX];
	const char *subsystem = strstr(path, "/nvme-subsys"), *end;
	bool found = false;
	glob_t ways;

	if (strstr(path, "/nvme-fabrics/"))
		return true;
	subsystem = subsystem ? strstr(subsystem + 1, "/nvme-subsys") : NULL;
	end = subsystem ? strchr(subsystem + 1, '/') : NULL;
	if (!end || path_format(pattern, sizeof(pattern), "%.*s/nvme*/transport",
				(int)(end - path), path) < 0 || glob(pattern, 0, NULL, &ways))
		return false;
	for (size_t i = 0; i < ways.gl_pathc; i++) {
		_cleanup_free_ char *transport = NULL;

		if (!file_read(ways.gl_pathv[i], &transport, NULL) &&
		    (!strncmp(transport, "tcp", 3) || !strncmp(transport, "rdma", 4)))
			found = true;
	}
	globfree(&ways);
	return found;
}

/* What a disk is that needs others, by its directory in /sys: a phrase, or NULL. */
static const char *disk_words(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++)
		if (!strncmp(name, disks[i].name, strlen(disks[i].name)) &&
		    isdigit((unsigned char)name[strlen(disks[i].name)]))
			return disks[i].words;
	if (is_iscsi(path))
		return ISCSI;
	return is_fabric(path) ? NVME_FABRICS : NULL;
}

/* The same of the disks that it lies on; link leads to its directory in /sys. */
static const char *find_remote(const char *link, unsigned int depth)
{
	char path[PATH_MAX], pattern[PATH_MAX];
	const char *words;
	glob_t below;

	if (!depth || !realpath(link, path))
		return NULL;
	words = disk_words(path);
	/* A partition has none, but is one of a disk that may. */
	if (words || path_format(pattern, sizeof(pattern), "%s/partition", path) < 0)
		return words;
	if (!access(pattern, F_OK)) {
		*strrchr(path, '/') = '\0';
		return find_remote(path, depth - 1);
	}
	if (path_format(pattern, sizeof(pattern), "%s/slaves/*", path) < 0 ||
	    glob(pattern, 0, NULL, &below))
		return NULL;
	for (size_t i = 0; !words && i < below.gl_pathc; i++)
		words = find_remote(below.gl_pathv[i], depth - 1);
	globfree(&below);
	return words;
}

static const char *find_remote_dev(const char *sysroot, dev_t dev)
{
	char link[PATH_MAX];

	return path_format(link, sizeof(link), "%s/sys/dev/block/%u:%u", sysroot, major(dev),
			   minor(dev)) < 0 ? NULL : find_remote(link, MAX_DEPTH);
}

/* btrfs has a number of its own, and tells one of its devices. */
static dev_t device_of(const struct mountinfo *m)
{
	struct stat st;

	if (major(m->dev) || m->source[0] != '/' || stat(m->source, &st) < 0 ||
	    !S_ISBLK(st.st_mode))
		return m->dev;
	return st.st_rdev;
}

static bool was_seen(struct mounts_seen *seen, dev_t dev)
{
	dev_t *more;

	for (size_t i = 0; i < seen->nr; i++)
		if (seen->list[i] == dev)
			return true;
	more = reallocarray(seen->list, seen->nr + 1, sizeof(*more));
	if (!more)
		return false;
	seen->list = more;
	more[seen->nr++] = dev;
	return false;
}

static int say(mounts_reason_fn reason, void *ctx, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int say(mounts_reason_fn reason, void *ctx, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	reason(ctx, text);
	return 0;
}

int mounts_check(const char *sysroot, const struct mountinfos *mounts, struct mounts_seen *seen,
		 mounts_reason_fn reason, void *ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < mounts->nr; i++) {
		const struct mountinfo *m = &mounts->list[i];
		const char *by = served_by(m);

		/* Nothing is to be written to it, by whatever mount. */
		if (has_option(m->data, "ro") || was_seen(seen, m->dev))
			continue;
		if (by) {
			r = say(reason, ctx, "the file system on %s (%s) is one of %s: what is "
				"not written yet could not be written at the jump. Unmount it "
				"before the update, or mount it read-only", m->dir, m->type, by);
			continue;
		}
		/* Its source is not touched if it is served; this one is a device node. */
		by = find_remote_dev(sysroot, device_of(m));
		if (by)
			r = say(reason, ctx, "the file system on %s (%s) lies on %s, which cannot "
				"be written to at the jump. Unmount it before the update, or mount "
				"it read-only", m->dir, m->type, by);
	}
	return r;
}

/* Each mount namespace once, by a process in it. */
static int check_processes(mounts_reason_fn reason, void *ctx)
{
	_cleanup_free_ uint64_t *known = NULL;
	_cleanup_free_ int *pids = NULL;
	struct mounts_seen seen = { 0 };
	size_t nr, nr_known = 0;
	int r;

	r = proc_numbers("/proc", &pids, &nr);
	if (r < 0)
		return r;
	known = calloc(nr + 1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < nr; i++) {
		struct mountinfos mounts;
		uint64_t ns;
		size_t k = 0;

		if (proc_ns(pids[i], "mnt", &ns) < 0)
			continue;
		while (k < nr_known && known[k] != ns)
			k++;
		/* One that has ended meanwhile has no mounts. */
		if (k < nr_known || mountinfo_read(pids[i], &mounts) < 0)
			continue;
		known[nr_known++] = ns;
		r = mounts_check("", &mounts, &seen, reason, ctx);
		mountinfo_free(&mounts);
	}
	free(seen.list);
	return r;
}

/* What is swapped out there is fetched when pages are captured. */
static int check_swap(mounts_reason_fn reason, void *ctx)
{
	_cleanup_free_ char *text = NULL;
	char *line, *rest;
	int r = 0;

	if (file_read("/proc/swaps", &text, NULL) < 0)
		return 0;
	rest = text;
	strsep(&rest, "\n");
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		const char *by;
		struct stat st;

		line[strcspn(line, " \t")] = '\0';
		mountinfo_unescape(line);
		if (*line != '/' || stat(line, &st) < 0 || !S_ISBLK(st.st_mode))
			continue;
		by = find_remote_dev("", st.st_rdev);
		if (by)
			r = say(reason, ctx, "the swap space %s lies on %s, which cannot be read "
				"during the update. Switch it off before: swapoff %s", line, by,
				line);
	}
	return r;
}

int mounts_check_machine(mounts_reason_fn reason, void *ctx)
{
	int r = check_processes(reason, ctx);

	return r < 0 ? r : check_swap(reason, ctx);
}
