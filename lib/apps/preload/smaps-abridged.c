// SPDX-License-Identifier: GPL-2.0-only
/* A short /proc/PID/smaps: maps, and between its lines the flags that the module tells. */
#include "lib/apps/preload/smaps-abridged.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/record/keeper.h"

/*
 * criu puts a system call into the code of a process, where it first sees some. ptrace(2) cannot
 * write into what is shared and read only, as PHP has it for its compiler, and should not into
 * what is shared at all: it is none. Its images get that bit afterwards (lib/apps/dump.c).
 */
static void hide_shared_code(char *line)
{
	char *perms = strchr(line, ' ');

	if (perms && strlen(perms) > 4 && perms[3] == 'x' && perms[4] == 's')
		perms[3] = '-';
}

/* False if the two disagree on what there is. */
static bool merge(FILE *maps, FILE *out, const struct nvwa_vma *vmas, size_t nr)
{
	char *line = NULL;
	uint64_t start;
	size_t size = 0, i = 0;

	while (getline(&line, &size, maps) > 0) {
		hide_shared_code(line);
		fputs(line, out);
		if (sscanf(line, "%" SCNx64 "-", &start) != 1)
			break;
		if (i < nr && vmas[i].start == start)
			fprintf(out, "VmFlags: %.*s\n", NVWA_VMA_FLAGS_LEN, vmas[i++].flags);
		else if (start < 1ULL << 63)	/* vsyscall, which is the kernel's */
			break;
	}
	free(line);

	return feof(maps) && i == nr;
}

int smaps_abridged(int keeper, int dir, pid_t pid)
{
	struct nvwa_vma *vmas = NULL;
	FILE *maps = NULL, *out = NULL;
	bool good = false;
	int fd, copy;
	uint32_t mm_flags;
	size_t nr;

	copy = keeper_vmas(keeper, pid, &vmas, &nr, &mm_flags);
	if (copy < 0) {
		errno = -copy;
		return -1;
	}
	fd = syscall(SYS_openat, dir, "maps", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		maps = fdopen(fd, "r");
	fd = memfd_create("smaps", MFD_CLOEXEC);
	copy = fd < 0 ? -1 : dup(fd);
	if (copy >= 0)
		out = fdopen(copy, "w");
	if (maps && out)
		good = merge(maps, out, vmas, nr);
	if (out && fclose(out))
		good = false;
	if (maps)
		fclose(maps);
	free(vmas);
	if (good && !lseek(fd, 0, SEEK_SET))
		return fd;
	if (fd >= 0)
		close(fd);
	errno = EIO;

	return -1;
}
