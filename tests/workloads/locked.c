// SPDX-License-Identifier: GPL-2.0-only
/* Locked memory. Arguments: range (mlock and mlock2), all or onfault (of mlockall). */
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

static struct area filled = { .name = "filled", .seed = 31, .len = 8 * MIB };
static struct area onfault = { .name = "onfault", .seed = 32, .len = 8 * MIB, .stride = 16 };
static bool is_range, is_onfault;

static void prepare(int argc, char **argv)
{
	const char *mode = argc > 0 ? argv[0] : "range";

	is_range = !strcmp(mode, "range");
	is_onfault = !strcmp(mode, "onfault");
	if (!is_range && mlockall(MCL_CURRENT | MCL_FUTURE | (is_onfault ? MCL_ONFAULT : 0)) < 0)
		die("mlockall");
	area_map(&filled, MAP_PRIVATE | MAP_ANONYMOUS);
	area_map(&onfault, MAP_PRIVATE | MAP_ANONYMOUS);
	if (is_range && (mlock(filled.mem, filled.len) < 0 ||
			 mlock2(onfault.mem, onfault.len, MLOCK_ONFAULT) < 0))
		die("mlock");
	area_fill(&filled);
	area_fill(&onfault);
}

static void verify(void)
{
	unsigned char *later;
	size_t present = pages_with(onfault.mem, onfault.len, PM_PRESENT);

	if (!has_vmflag(filled.mem, "lo") || !has_vmflag(onfault.mem, "lo"))
		wrong("memory is no longer locked");
	if ((is_range || is_onfault) && present != onfault.len / PAGE / onfault.stride)
		wrong("%zu pages of MLOCK_ONFAULT are present and not %zu", present,
		      onfault.len / PAGE / onfault.stride);
	area_check(&filled);
	area_check(&onfault);
	/* What reading has brought in would count as touched the next time. */
	for (size_t page = 0; (is_range || is_onfault) && page < onfault.len / PAGE; page++) {
		if (page % onfault.stride && (munlock(onfault.mem + page * PAGE, PAGE) < 0 ||
		    madvise(onfault.mem + page * PAGE, PAGE, MADV_DONTNEED) < 0))
			die("MADV_DONTNEED");
	}
	if ((is_range || is_onfault) && mlock2(onfault.mem, onfault.len, MLOCK_ONFAULT) < 0)
		die("mlock2");
	/* mlockall() holds for what is mapped later as well. */
	later = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (later == MAP_FAILED)
		die("mmap");
	if (!is_range && !has_vmflag(later, "lo"))
		wrong("new memory is not locked: MCL_FUTURE is gone");
	munmap(later, PAGE);
}

const struct workload workload = { "locked", prepare, verify };
