// SPDX-License-Identifier: GPL-2.0-only
/* A file on a file system that is memory itself (DAX, DIR is on one), mapped shared. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workload.h"

static struct area area = { .name = "dax", .seed = 203, .len = 2 * MIB };

static void prepare(int argc, char **argv)
{
	struct statx stx;
	char path[512];
	int fd;

	(void)argc;
	(void)argv;
	snprintf(path, sizeof(path), "%s/contents", workload_dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, area.len) < 0 || statx(fd, "", AT_EMPTY_PATH, 0, &stx) < 0)
		die(path);
	area.mem = mmap(NULL, area.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (area.mem == MAP_FAILED || close(fd) < 0)
		die(path);
	area_fill(&area);
	fact("dax", !!(stx.stx_attributes & STATX_ATTR_DAX));
}

static void verify(void)
{
	area_check(&area);
}

const struct workload workload = { "dax", prepare, verify };
