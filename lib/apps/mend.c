// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory locked by mlock(2). CRIU maps it locked, which fills it with pages at
 * once: a second copy of all of it, and nowhere to put ours but over them. So
 * it is mapped unlocked, and locked again when it has its own pages.
 */
#include "lib/apps/mend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/apps/images.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

struct locked {
	pid_t pid;
	struct nvwa_range *ranges;
	size_t nr;
};

struct mend {
	struct locked *locked;		/* a process each */
	size_t nr;
};

void mend_free(struct mend *mend)
{
	if (!mend)
		return;
	for (size_t i = 0; i < mend->nr; i++)
		free(mend->locked[i].ranges);
	free(mend->locked);
	free(mend);
}

static int unlock(struct mend *mend, int images, const char *name, pid_t pid)
{
	_cleanup_free_ struct nvwa_range *ranges = NULL;
	_cleanup_free_ char *data = NULL;
	struct locked *bigger;
	size_t len, nr;
	int r;

	r = file_read_at(images, name, &data, &len);
	if (!r)
		r = images_unlock((uint8_t *)data, len, &ranges, &nr);
	if (r < 0 || !nr)
		return r;
	bigger = reallocarray(mend->locked, mend->nr + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	mend->locked = bigger;
	mend->locked[mend->nr++] = (struct locked){ pid, steal_ptr(ranges), nr };

	return images_replace(images, name, data, len);
}

int mend_images(int images, struct mend **mend, struct error *err)
{
	int fd = openat(images, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	*mend = calloc(1, sizeof(**mend));
	if (!*mend || !dir)
		return error_set(err, errno, "cannot read the directory of images: %s",
				 strerror(errno));
	while (!r && (entry = readdir(dir))) {
		int pid, end = 0;

		if (sscanf(entry->d_name, "mm-%d.img%n", &pid, &end) != 1 || !end ||
		    entry->d_name[end])
			continue;
		r = unlock(*mend, images, entry->d_name, pid);
		if (r < 0)
			error_set(err, -r, "cannot edit CRIU's image %s: %s", entry->d_name,
				  strerror(-r));
	}

	return r;
}

/* What was locked has all its pages; what was locked on fault must not get more now. */
static int lock(const struct locked *l, const struct criu *criu)
{
	for (size_t i = 0; i < l->nr; i++) {
		const unsigned long args[6] = {
			l->ranges[i].start, l->ranges[i].len, MLOCK_ONFAULT,
		};
		long result;
		int r = criu_syscall(criu, l->pid, SYS_mlock2, args, &result);

		if (r < 0 || result < 0)
			return r < 0 ? r : result;
	}

	return 0;
}

/* It may have been allowed to lock more than it is now (RLIMIT_MEMLOCK). */
static int lock_beyond_limit(const struct locked *l, const struct criu *criu)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit own;
	int r;

	if (prlimit(l->pid, RLIMIT_MEMLOCK, &none, &own))
		return -errno;
	r = lock(l, criu);
	if (prlimit(l->pid, RLIMIT_MEMLOCK, &own, NULL))
		r = -errno;

	return r;
}

int mend_process(const struct mend *mend, const struct criu *criu, pid_t pid, struct error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < mend->nr; i++) {
		if (mend->locked[i].pid != pid)
			continue;
		r = lock_beyond_limit(&mend->locked[i], criu);
		if (r < 0)
			error_set(err, -r, "the memory of process %d cannot be locked again: %s",
				  pid, strerror(-r));
	}

	return r;
}
