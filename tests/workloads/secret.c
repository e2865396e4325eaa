// SPDX-License-Identifier: GPL-2.0-only
/* Memory that the kernel itself has no mapping of (memfd_secret); it cannot be carried. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

/* Arguments: "closed", the descriptor is not kept. */
static struct area area = { .name = "secret", .seed = 202, .len = 16 * PAGE };

static void prepare(int argc, char **argv)
{
	int fd = syscall(SYS_memfd_secret, 0);

	(void)argv;
	if (fd < 0 || ftruncate(fd, area.len) < 0)
		die("memfd_secret");
	area.mem = mmap(NULL, area.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (area.mem == MAP_FAILED)
		die("mmap");
	area_fill(&area);
	if (argc > 0)
		close(fd);
}

static void verify(void)
{
	area_check(&area);
}

const struct workload workload = { "secret", prepare, verify };
