// SPDX-License-Identifier: GPL-2.0-only
/*
 * A moment's time stamp counter, for the stock side of the measurement, put
 * where it outlives the jump; and what ties it to a kernel's own clocks.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

static uint64_t tsc(void)
{
	/* Keeps earlier loads from being counted as later than the stamp. */
	_mm_lfence();
	return __rdtsc();
}

static int write_line(const char *path, const char *name, uint64_t value)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s %" PRIu64 "\n", name, value);
	/* On the disk before we return: the kernel may go at any time. */
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_DSYNC | O_CLOEXEC, 0644);
	int ok = fd >= 0 && write(fd, line, len) == len;

	if (fd >= 0)
		close(fd);
	if (!ok)
		perror(path);
	return !ok;
}

/* Here the three clocks show the same moment; the kernel log stamps its line itself. */
static int clocks(void)
{
	struct timespec now;
	uint64_t before, after;

	before = tsc();
	clock_gettime(CLOCK_MONOTONIC, &now);
	after = tsc();
	printf("%" PRIu64 " %lld\n", before + (after - before) / 2,
	       now.tv_sec * 1000000000LL + now.tv_nsec);
	return write_line("/dev/kmsg", "bench-tsc", tsc());
}

/* What "kexec --exec" does, less its own start; the moment is on the console, level 0. */
static int jump(void)
{
	sync();
	if (write_line("/dev/kmsg", "<0>bench-jump", tsc()))
		return 1;
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reboot");
	return 1;
}

int main(int argc, char **argv)
{
	uint64_t now = tsc();

	if (argc == 2 && strcmp(argv[1], "--clocks") == 0)
		return clocks();
	if (argc == 2 && strcmp(argv[1], "--jump") == 0)
		return jump();
	if (argc == 3)
		return write_line(argv[1], argv[2], now);
	fprintf(stderr, "usage: bench-tsc FILE STEP | bench-tsc --clocks | bench-tsc --jump\n");
	return 2;
}
