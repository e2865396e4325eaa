// SPDX-License-Identifier: GPL-2.0-only
/* Memory whose faults another descriptor is told of (userfaultfd); it cannot be carried. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

static struct area area = { .name = "userfault", .seed = 201, .len = MIB };

static void prepare(int argc, char **argv)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	(void)argc;
	(void)argv;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		die("userfaultfd");
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&area);
	range.range.start = (uintptr_t)area.mem;
	range.range.len = area.len;
	if (ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		die("UFFDIO_REGISTER");
}

static void verify(void)
{
	if (!has_vmflag(area.mem, "um"))
		wrong("nobody is told of faults any more");
	area_check(&area);
}

const struct workload workload = { "userfault", prepare, verify };
