// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a device: what a file of it gives when it is mapped; it cannot be
 * carried. Arguments: the file, the offset in it in hex.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

static volatile unsigned char *mem;

static void prepare(int argc, char **argv)
{
	int fd = open(argc > 0 ? argv[0] : "/dev/mem", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("the device");
	mem = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd,
		   argc > 1 ? strtoul(argv[1], NULL, 16) : 0xf0000);
	if (mem == MAP_FAILED || close(fd) < 0)
		die("mmap");
}

static void verify(void)
{
	if (read_faults((const void *)mem))
		wrong("the device is no longer mapped");
}

const struct workload workload = { "device", prepare, verify };
