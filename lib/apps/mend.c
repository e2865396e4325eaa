// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory locked by mlock(2): CRIU maps it locked, which fills it with pages at
 * once: a second copy of all of it, and nowhere to put ours but over them. So
 * it is mapped unlocked, and locked again when it has its own pages.
 *
 * What CRIU does not know at all: guard pages of MADV_GUARD_INSTALL, and whether
 * mlockall(2) was told to lock what is mapped later.
 *
 * A thread that waits in poll(2), which CRIU has return an error.
 *
 * The vdso of the old kernel, if the new one has another: CRIU keeps it, without
 * its data, and has four of its functions go on in the new one.
 * clock_getres() would read from the missing data that clocks have no resolution, and
 * is made a system call. getrandom() sees there that the kernel's generator is
 * not ready, and makes one itself (lib/vdso/getrandom.c of Linux 6.11).
 */
#include "lib/apps/mend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/apps/images.h"
#include "lib/apps/vdso.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Linux 6.13, include/uapi/asm-generic/mman-common.h */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

struct process {
	pid_t pid;
	struct nvwa_range *locked;
	size_t nr_locked;
	struct nvwa_range vdso;		/* of the old kernel; len 0: none */
};

struct mend {
	struct process *processes;
	size_t nr;
};

void mend_free(struct mend *mend)
{
	if (!mend)
		return;
	for (size_t i = 0; i < mend->nr; i++)
		free(mend->processes[i].locked);
	free(mend->processes);
	free(mend);
}

static int add_process(struct mend *mend, int images, const char *name, pid_t pid)
{
	_cleanup_free_ char *data = NULL;
	struct process *p;
	size_t len;
	int r;

	p = reallocarray(mend->processes, mend->nr + 1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	mend->processes = p;
	p += mend->nr++;
	memset(p, 0, sizeof(*p));
	p->pid = pid;

	r = file_read_at(images, name, &data, &len);
	if (!r)
		r = images_vdso((uint8_t *)data, len, &p->vdso);
	if (!r || r == -ENOENT)
		r = images_unlock((uint8_t *)data, len, &p->locked, &p->nr_locked);
	if (r < 0 || !p->nr_locked)
		return r;

	return images_replace(images, name, data, len);
}

static int mend_thread(int images, const char *name)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r;

	r = file_read_at(images, name, &data, &len);
	if (!r)
		r = images_repeat_poll((uint8_t *)data, len);

	return r <= 0 ? r : images_replace(images, name, data, len);
}

/* An image of this kind, named by a number? */
static bool is_image(const char *name, const char *kind, int *number)
{
	size_t len = strlen(kind);
	int end = 0;

	return !strncmp(name, kind, len) && sscanf(name + len, "-%d.img%n", number, &end) == 1 &&
	       end && !name[len + end];
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
		int pid;

		if (is_image(entry->d_name, "mm", &pid))
			r = add_process(*mend, images, entry->d_name, pid);
		else if (is_image(entry->d_name, "core", &pid))
			r = mend_thread(images, entry->d_name);
		if (r < 0)
			error_set(err, -r, "cannot edit CRIU's image %s: %s", entry->d_name,
				  strerror(-r));
	}

	return r;
}

/* Have the process make a system call; what the kernel returns, or -ENOTRECOVERABLE. */
static int call(const struct criu *criu, pid_t pid, long nr, unsigned long a, unsigned long b,
		unsigned long c)
{
	const unsigned long args[6] = { a, b, c };
	long result;
	int r = criu_syscall(criu, pid, nr, args, &result);

	return r < 0 ? r : (int)result;
}

/* What was locked has all its pages; what was locked on fault must not get more now. */
static int lock(const struct process *p, const struct criu *criu)
{
	int r = 0;

	for (size_t i = 0; !r && i < p->nr_locked; i++)
		r = call(criu, p->pid, SYS_mlock2, p->locked[i].start, p->locked[i].len,
			 MLOCK_ONFAULT);

	return r;
}

static int lock_future(const struct criu *criu, const struct process_extra *extra)
{
	return call(criu, extra->pid, SYS_mlockall,
		    MCL_FUTURE | (extra->lock_on_fault ? MCL_ONFAULT : 0), 0, 0);
}

/* It may have been allowed to lock more than it is now (RLIMIT_MEMLOCK). */
static int lock_beyond_limit(const struct process *p, const struct criu *criu,
			     const struct process_extra *extra)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit own;
	int r;

	if (!p->nr_locked && !(extra && extra->lock_future))
		return 0;
	if (prlimit(p->pid, RLIMIT_MEMLOCK, &none, &own))
		return -errno;
	r = lock(p, criu);
	if (!r && extra && extra->lock_future)
		r = lock_future(criu, extra);
	if (prlimit(p->pid, RLIMIT_MEMLOCK, &own, NULL))
		r = -errno;

	return r;
}

/* Before anything is locked: the kernel makes no guards in locked memory. */
static int make_guards(const struct criu *criu, const struct process_extra *extra)
{
	int r = 0;

	for (size_t i = 0; !r && i < extra->nr_guards; i++)
		r = call(criu, extra->pid, SYS_madvise, extra->guards[i].start,
			 extra->guards[i].len, MADV_GUARD_INSTALL);

	return r;
}

/* Does the kernel that runs now have its own vdso at this address? */
static bool is_own_vdso(pid_t pid, uint64_t start)
{
	_cleanup_free_ char *maps = NULL;
	char path[64], *line, *rest;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	if (file_read(path, &maps, NULL) < 0)
		return false;
	rest = maps;
	while ((line = strsep(&rest, "\n"))) {
		if (strtoull(line, NULL, 16) == start)
			return strstr(line, " [vdso]");
	}

	return false;
}

static int protect(const struct process *p, const struct criu *criu, int prot)
{
	return call(criu, p->pid, SYS_mprotect, p->vdso.start, p->vdso.len, prot);
}

static int mend_vdso(const struct process *p, const struct criu *criu)
{
	_cleanup_free_ uint8_t *code = NULL;
	_cleanup_close_ int mem = -1;
	char path[64];
	int r;

	if (!p->vdso.len || is_own_vdso(p->pid, p->vdso.start))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/mem", p->pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	code = malloc(p->vdso.len);
	if (mem < 0 || !code)
		return -errno;
	if (pread(mem, code, p->vdso.len, p->vdso.start) != (ssize_t)p->vdso.len)
		return -EIO;
	r = vdso_make_syscall(code, p->vdso.len, "__vdso_clock_getres", SYS_clock_getres);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* The kernel may let only the tracer, which is criu, write where the process may not. */
	r = protect(p, criu, PROT_READ | PROT_WRITE);
	if (!r && pwrite(mem, code, p->vdso.len, p->vdso.start) != (ssize_t)p->vdso.len)
		r = -EIO;
	if (!r)
		r = protect(p, criu, PROT_READ | PROT_EXEC);

	return r;
}

int mend_process(const struct mend *mend, const struct criu *criu, pid_t pid,
		 const struct process_extra *extra, struct error *err)
{
	const struct process *p = NULL;
	int r;

	for (size_t i = 0; !p && i < mend->nr; i++) {
		if (mend->processes[i].pid == pid)
			p = &mend->processes[i];
	}
	if (!p)
		return error_set(err, ENOENT, "CRIU has no image of the memory of process %d", pid);
	r = extra ? make_guards(criu, extra) : 0;
	if (r < 0)
		return error_set(err, -r, "the guard pages of process %d cannot be made again: %s",
				 pid, strerror(-r));
	r = lock_beyond_limit(p, criu, extra);
	if (r < 0)
		return error_set(err, -r, "the memory of process %d cannot be locked again: %s",
				 pid, strerror(-r));
	r = mend_vdso(p, criu);
	if (r < 0)
		return error_set(err, -r, "the old vdso of process %d cannot be mended: %s", pid,
				 strerror(-r));

	return 0;
}
