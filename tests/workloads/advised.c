// SPDX-License-Identifier: GPL-2.0-only
/* Private memory with the states that madvise(2) gives it. */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

static struct {
	struct area area;
	int advice;
	const char *vmflag;		/* that shows it */
} areas[] = {
	{ { .name = "dontfork", .seed = 41 }, MADV_DONTFORK, "dc" },
	{ { .name = "wipeonfork", .seed = 42 }, MADV_WIPEONFORK, "wf" },
	{ { .name = "dontdump", .seed = 43 }, MADV_DONTDUMP, "dd" },
	{ { .name = "mergeable", .seed = 44 }, MADV_MERGEABLE, "mg" },
	{ { .name = "hugepage", .seed = 45 }, MADV_HUGEPAGE, "hg" },
	{ { .name = "nohugepage", .seed = 46 }, MADV_NOHUGEPAGE, "nh" },
	{ { .name = "sequential", .seed = 47 }, MADV_SEQUENTIAL, "sr" },
	{ { .name = "random", .seed = 48 }, MADV_RANDOM, "rr" },
	{ { .name = "cold", .seed = 49 }, MADV_COLD, NULL },
	{ { .name = "pageout", .seed = 50 }, MADV_PAGEOUT, NULL },
};
static struct area lazy = { .name = "free", .seed = 51, .len = MIB };

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < NR(areas); i++) {
		areas[i].area.len = MIB;
		area_map(&areas[i].area, MAP_PRIVATE | MAP_ANONYMOUS);
		area_fill(&areas[i].area);
		if (madvise(areas[i].area.mem, areas[i].area.len, areas[i].advice) < 0)
			die(areas[i].area.name);
	}
	area_map(&lazy, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&lazy);
	if (madvise(lazy.mem, lazy.len, MADV_FREE) < 0)
		die("MADV_FREE");
	/* Written to again: these stay, of the others the kernel may forget any. */
	for (size_t page = 0; page < lazy.len / PAGE; page += 2)
		page_fill(&lazy, page);
}

static void check_lazy(void)
{
	for (size_t page = 0; page < lazy.len / PAGE; page++) {
		static const unsigned char zeroes[PAGE];

		if (page % 2 && !memcmp(lazy.mem + page * PAGE, zeroes, PAGE))
			zero_check("free", lazy.mem + page * PAGE, PAGE);
		else
			page_check(&lazy, page);
	}
}

/* What a child would see of the first two. */
static void check_fork(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		_exit((read_faults(areas[0].area.mem) ? 0 : 1) |
		      (areas[1].area.mem[PAGE] ? 2 : 0));
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (status)
		wrong("a child sees what MADV_DONTFORK or MADV_WIPEONFORK forbid (%#x)", status);
}

static void verify(void)
{
	for (size_t i = 0; i < NR(areas); i++) {
		if (areas[i].vmflag && !has_vmflag(areas[i].area.mem, areas[i].vmflag))
			wrong("%s: the advice is forgotten", areas[i].area.name);
		area_check(&areas[i].area);
	}
	check_lazy();
	check_fork();
}

const struct workload workload = { "advised", prepare, verify };
