// SPDX-License-Identifier: GPL-2.0-only
/*
 * A private mapping of a file: pages of the file as they are, pages that were
 * written to and are now the program's own, and pages that it never looked at.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

static struct area file = { .name = "file", .seed = 111, .len = 8 * MIB };
static struct area own = { .name = "own", .seed = 112, .len = 8 * MIB };

static unsigned char *map_file(const char *name, bool remove)
{
	unsigned char contents[PAGE] __attribute__((aligned(8)));
	char path[512];
	void *mem;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", workload_dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	for (size_t page = 0; page < file.len / PAGE; page++) {
		contents_fill(&file, page, contents);
		if (write(fd, contents, PAGE) != (ssize_t)PAGE)
			die(path);
	}
	mem = mmap(NULL, file.len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED || close(fd) < 0 || (remove && unlink(path) < 0))
		die(path);
	return mem;
}

static unsigned char *kept, *removed;

static void write_some(unsigned char *mem)
{
	own.mem = mem;
	for (size_t page = 0; page < own.len / PAGE; page += 4)
		page_fill(&own, page);
}

static void check_all(unsigned char *mem)
{
	own.mem = file.mem = mem;
	for (size_t page = 0; page < own.len / PAGE; page++)
		page_check(page % 4 ? &file : &own, page);
}

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	kept = map_file("contents", false);
	removed = map_file("removed", true);
	write_some(kept);
	write_some(removed);
}

static void verify(void)
{
	check_all(kept);
	check_all(removed);
}

const struct workload workload = { "fileprivate", prepare, verify };
