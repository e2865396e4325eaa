// SPDX-License-Identifier: GPL-2.0-only
/* Files on tmpfs: POSIX shared memory and below /run; mapped, only open, and removed. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

static struct file {
	struct area area;
	const char *dir;
	bool is_mapped, is_removed;
	int fd;
	char path[128];
} files[] = {
	{ { .name = "mapped", .seed = 151, .len = 8 * MIB }, "/dev/shm", true, false, -1, "" },
	{ { .name = "open", .seed = 152, .len = 4 * MIB }, "/dev/shm", false, false, -1, "" },
	{ { .name = "removed", .seed = 153, .len = 2 * MIB }, "/dev/shm", true, true, -1, "" },
	{ { .name = "run", .seed = 154, .len = 2 * MIB }, "/run", true, false, -1, "" },
};

static void make(struct file *f)
{
	snprintf(f->path, sizeof(f->path), "%s/workload-%d-%s", f->dir, getpid(), f->area.name);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd < 0 || ftruncate(f->fd, f->area.len) < 0)
		die(f->path);
	f->area.mem = mmap(NULL, f->area.len, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->area.mem == MAP_FAILED)
		die(f->path);
	area_fill(&f->area);
	if (!f->is_mapped && munmap(f->area.mem, f->area.len) < 0)
		die(f->path);
	if (f->is_removed && unlink(f->path) < 0)
		die(f->path);
}

static void check(struct file *f)
{
	unsigned char contents[PAGE] __attribute__((aligned(8)));

	for (size_t page = 0; page < f->area.len / PAGE; page++) {
		if (pread(f->fd, contents, PAGE, page * PAGE) != (ssize_t)PAGE)
			die(f->path);
		contents_check(&f->area, page, contents);
	}
	if (f->is_mapped)
		area_check(&f->area);
	if ((access(f->path, F_OK) < 0) != f->is_removed)
		wrong("%s: the name %s", f->area.name, f->is_removed ? "is there again" :
		      "is gone");
}

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < NR(files); i++)
		make(&files[i]);
}

static void verify(void)
{
	for (size_t i = 0; i < NR(files); i++)
		check(&files[i]);
}

const struct workload workload = { "posixshm", prepare, verify };
