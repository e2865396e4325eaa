/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared memory of an app. To the kernel all of it is files on a tmpfs, and
 * here too: those without a name (memfd_create(2), MAP_SHARED | MAP_ANONYMOUS,
 * shmget(2)), which CRIU makes again without their contents, and those that
 * have one (shm_open(3), and whatever else lies on a tmpfs). Each is found
 * once, by one place where a process maps it or has it open; segments of
 * shmget(2) by their number.
 */
#ifndef NVWA_APPS_SHMEM_H
#define NVWA_APPS_SHMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct app;

struct shmem {
	uint64_t id;		/* in the record; of the file's device and inode */
	pid_t pid;
	int fd;			/* of that process, or -1: */
	uint64_t addr;		/* in a mapping of that process; 0 with shmget(2) */
	uint64_t max_len;	/* bytes from the start that the new file will have, ~0: all */
	unsigned int mode;	/* of what has a path, and of shmget(2) */
	char *path;		/* as the process sees it, or NULL; then also: */
	uint64_t size;
	unsigned int uid, gid;
};

/*
 * Find all of an app whose processes do not run. *list is NULL if there are
 * none; processes that have ended are left out.
 */
int shmem_find(const struct app *app, struct shmem **list, size_t *nr);
void shmem_free(struct shmem *list, size_t nr);

/*
 * Whether a process of an app has a segment of shmget(2) attached, or has made
 * one that is there still; it may run.
 */
int shmem_has_sysv(const struct app *app);

/* Whether it is such a segment, and which. */
bool shmem_is_sysv(const struct shmem *s, uint32_t *segment);

/* Open it by its place, in the process that has it, or that was rebuilt since. */
int shmem_open(const struct shmem *s);

/*
 * Before the processes are rebuilt: make a file that has a path, as the process inside sees it
 * (0: as we do), without contents. -EEXIST: it is there already and not changed; -ELOOP: a link
 * stands in the way that is not root's.
 */
int shmem_make(const struct shmem *s, pid_t inside);

#endif
