/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The private memory of a process, as /proc/PID/maps and /proc/PID/pagemap
 * show it: what CRIU is kept from and the module carries.
 */
#ifndef NVWA_APPS_MEMORY_H
#define NVWA_APPS_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "uapi/nvwa.h"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT		(1ULL << 63)
#define PAGEMAP_SWAPPED		(1ULL << 62)
#define PAGEMAP_FILE		(1ULL << 61)	/* page cache or shared anonymous */
#define PAGEMAP_GUARD		(1ULL << 58)	/* MADV_GUARD_INSTALL, since Linux 6.15 */
#define PAGEMAP_EXCLUSIVE	(1ULL << 56)	/* mapped once */
#define PAGEMAP_PFN(entry)	((entry) & ((1ULL << 55) - 1))

/*
 * /proc/PID/pagemap, opened; or -errno. -ESRCH: no such process, or a zombie, which has
 * no memory.
 */
int pagemap_open(pid_t pid);

/*
 * The pages of its own that a process has, present or swapped out: not those
 * that files have, nor the zero page; and, where guards is not NULL, the guard
 * pages of MADV_GUARD_INSTALL in private mappings, as far as the kernel shows
 * them (since Linux 6.16). Both are sorted and malloc()ed. The process must
 * not run. -ESRCH as above.
 */
int memory_own(pid_t pid, struct nvwa_range **ranges, size_t *nr,
	       struct nvwa_range **guards, size_t *nr_guards);

/*
 * Append to a sorted list, which grows as needed; what adjoins the last range
 * becomes part of it. -EBADMSG: it would not be sorted.
 */
int ranges_append(struct nvwa_range **ranges, size_t *nr, uint64_t start, uint64_t len);

/* Take away from a sorted list what another one has. */
int ranges_subtract(struct nvwa_range **ranges, size_t *nr, const struct nvwa_range *other,
		    size_t nr_other);

#endif
