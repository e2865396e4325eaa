// SPDX-License-Identifier: GPL-2.0-only
/* Pages of the same content that the kernel has merged (KSM, which must be at work). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define DISTINCT	16

/* Each content of the area is there many times. */
static struct area area = { .name = "ksm", .seed = 91, .len = 8 * MIB };

static uint64_t merged(void)
{
	char text[32];
	int fd = open("/proc/self/ksm_merging_pages", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len < 0)
		die("/proc/self/ksm_merging_pages");
	close(fd);
	text[len] = '\0';
	return strtoull(text, NULL, 10);
}

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS);
	for (size_t page = 0; page < area.len / PAGE; page++)
		contents_fill(&area, page % DISTINCT, area.mem + page * PAGE);
	if (madvise(area.mem, area.len, MADV_MERGEABLE) < 0)
		die("MADV_MERGEABLE");
	while (merged() < area.len / PAGE * 3 / 4)
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	fact("merged", merged());
}

static void verify(void)
{
	fact("merged", merged());
	if (!has_vmflag(area.mem, "mg"))
		wrong("the memory has lost MADV_MERGEABLE");
	for (size_t page = 0; page < area.len / PAGE; page++)
		contents_check(&area, page % DISTINCT, area.mem + page * PAGE);
}

const struct workload workload = { "ksm", prepare, verify };
