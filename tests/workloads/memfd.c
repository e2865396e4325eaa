// SPDX-License-Identifier: GPL-2.0-only
/* Memory files (memfd_create): only open, mapped, sealed in every way, of odd length, and empty. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define ALL_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
			 F_SEAL_FUTURE_WRITE)
#define TAIL		1000	/* bytes behind the last whole page */

static struct memfd {
	struct area area;
	int seals;
	bool is_mapped;
	int fd;
} files[] = {
	{ { .name = "open", .seed = 131, .len = 4 * MIB }, F_SEAL_SEAL, false, -1 },
	{ { .name = "mapped", .seed = 132, .len = 4 * MIB }, F_SEAL_SEAL, true, -1 },
	{ { .name = "sealed", .seed = 133, .len = 4 * MIB }, ALL_SEALS, false, -1 },
	{ { .name = "sealed and mapped", .seed = 134, .len = MIB }, ALL_SEALS, true, -1 },
	{ { .name = "sparse", .seed = 135, .len = 8 * MIB, .stride = 64 }, 0, false, -1 },
	{ { .name = "empty", .seed = 136 }, 0, false, -1 },
};

static bool is_filled(const struct memfd *m, size_t page)
{
	return m->area.stride < 2 || page % m->area.stride == 0;
}

static void make(struct memfd *m)
{
	unsigned char contents[PAGE] __attribute__((aligned(8)));
	int prot = m->seals & F_SEAL_WRITE ? PROT_READ : PROT_READ | PROT_WRITE;

	m->fd = memfd_create(m->area.name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->fd < 0 || ftruncate(m->fd, m->area.len + TAIL) < 0)
		die(m->area.name);
	for (size_t page = 0; page < m->area.len / PAGE; page++) {
		if (!is_filled(m, page))
			continue;
		contents_fill(&m->area, page, contents);
		if (pwrite(m->fd, contents, PAGE, page * PAGE) != (ssize_t)PAGE)
			die(m->area.name);
	}
	if (lseek(m->fd, 12345, SEEK_SET) < 0 ||
	    (m->seals && fcntl(m->fd, F_ADD_SEALS, m->seals) < 0))
		die(m->area.name);
	if (!m->is_mapped)
		return;
	/* A mapping that could be made writable stands against F_SEAL_WRITE if it is shared. */
	m->area.mem = mmap(NULL, m->area.len, prot,
			   m->seals & F_SEAL_WRITE ? MAP_PRIVATE : MAP_SHARED, m->fd, 0);
	if (m->area.mem == MAP_FAILED)
		die(m->area.name);
}

static void check(const struct memfd *m)
{
	unsigned char contents[PAGE] __attribute__((aligned(8)));
	int seals = fcntl(m->fd, F_GET_SEALS);

	if (seals != m->seals)
		wrong("%s: the seals are %#x and not %#x", m->area.name, seals, m->seals);
	if (lseek(m->fd, 0, SEEK_CUR) != 12345)
		wrong("%s: the file offset has changed", m->area.name);
	if (lseek(m->fd, 0, SEEK_END) != (off_t)m->area.len + TAIL)
		wrong("%s: the length has changed", m->area.name);
	lseek(m->fd, 12345, SEEK_SET);
	for (size_t page = 0; page < m->area.len / PAGE; page++) {
		/* Reading a hole of a file with read(2) does not fill it. */
		if (pread(m->fd, contents, PAGE, page * PAGE) != (ssize_t)PAGE)
			die(m->area.name);
		if (is_filled(m, page))
			contents_check(&m->area, page, contents);
		else
			zero_check(m->area.name, contents, PAGE);
	}
	if (m->is_mapped)
		area_check(&m->area);
	if ((m->seals & F_SEAL_WRITE) && pwrite(m->fd, contents, PAGE, 0) >= 0)
		wrong("%s: it can be written to", m->area.name);
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

const struct workload workload = { "memfd", prepare, verify };
