// SPDX-License-Identifier: GPL-2.0-only
/* What tells a file from others, in both kernels. */
#include "lib/apps/identity.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "lib/apps/mountinfo.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC	0x58465342
#endif

#define DELETED		" (deleted)"

bool identity_is_memory(const char *name)
{
	static const char *const names[] = { "/memfd:", "/dev/zero (deleted)", "/SYSV", "/[aio]" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	}

	return *name != '/';
}

int identity_take(const char *link, struct identity *id)
{
	char path[4096 + sizeof(DELETED)];
	struct statfs fs;
	struct stat st;
	int r;

	memset(id, 0, sizeof(*id));
	r = proc_readlink(link, path, sizeof(path));
	if (r < 0)
		return r;
	if (identity_is_memory(path))
		return -ENODATA;
	if (stat(link, &st) || statfs(link, &fs))
		return -errno;
	if (S_ISSOCK(st.st_mode))
		return -ENODATA;
	id->mode = st.st_mode;
	id->uid = st.st_uid;
	id->gid = st.st_gid;
	id->ino = st.st_ino;
	id->fs = (unsigned int)fs.f_type;
	memcpy(&id->fsid, &fs.f_fsid, sizeof(id->fsid));
	id->linked = st.st_nlink;
	/* A name may end like that, too; but then it leads somewhere. */
	id->gone = strlen(path) > strlen(DELETED) && stat(path, &st) &&
		   !strcmp(path + strlen(path) - strlen(DELETED), DELETED);
	id->path = strdup(path);

	return id->path ? 0 : -ENOMEM;
}

/* On a disk: its number is the same in the next kernel. */
static bool has_number(const struct identity *id)
{
	return id->fs == EXT4_SUPER_MAGIC || id->fs == XFS_SUPER_MAGIC ||
	       id->fs == BTRFS_SUPER_MAGIC;
}

bool identity_has_owner(const struct identity *id)
{
	return has_number(id) || id->fs == TMPFS_MAGIC || id->fs == RAMFS_MAGIC;
}

/* Made of the file system's UUID; that of XFS is made of the device's number. */
static bool has_same_fsid(const struct identity *was, const struct identity *is)
{
	return was->fs == XFS_SUPER_MAGIC || was->fsid == is->fsid;
}

/* Only what is of a user has an owner that tells: devices are udev's, directories systemd's. */
static bool has_same_owner(const struct identity *was, const struct identity *is)
{
	return (!S_ISREG(was->mode) && !S_ISFIFO(was->mode)) ||
	       (was->mode == is->mode && was->uid == is->uid && was->gid == is->gid);
}

const char *identity_differs(const struct identity *was, const struct identity *is)
{
	if ((was->mode & S_IFMT) != (is->mode & S_IFMT))
		return "it is of another kind";
	if (!was->gone && strcmp(was->path, is->path))
		return "its name leads elsewhere";
	if (!was->gone && was->fs != is->fs)
		return "it lies on another file system";
	if (!identity_has_owner(was))
		return NULL;
	if (!has_same_owner(was, is))
		return "it has another owner or mode";
	/* CRIU makes a file anew that nobody can find, and nvwa what is copied. */
	if (!has_number(was) || was->copied || (was->gone && !was->linked))
		return NULL;
	if (was->ino != is->ino || !has_same_fsid(was, is))
		return "it is another file of that name";

	return NULL;
}

int identity_put(FILE *out, const struct identity *id)
{
	_cleanup_free_ char *path = mountinfo_escape(id->path);

	if (!path)
		return -ENOMEM;
	fprintf(out, "%o %u %u %llu %lx %llx %d %d %d %d %s", id->mode, id->uid, id->gid, id->ino,
		id->fs, (unsigned long long)id->fsid, id->gone, id->linked, id->copied, id->outside,
		path);

	return 0;
}

int identity_parse(char *line, struct identity *id)
{
	int gone, linked, copied, outside, at = 0;
	unsigned long long fsid;

	memset(id, 0, sizeof(*id));
	if (sscanf(line, "%o %u %u %llu %lx %llx %d %d %d %d %n", &id->mode, &id->uid, &id->gid,
		   &id->ino, &id->fs, &fsid, &gone, &linked, &copied, &outside, &at) != 10 ||
	    line[at] != '/')
		return -EBADMSG;
	mountinfo_unescape(line + at);
	id->fsid = fsid;
	id->gone = gone;
	id->linked = linked;
	id->copied = copied;
	id->outside = outside;
	id->path = strdup(line + at);

	return id->path ? 0 : -ENOMEM;
}
