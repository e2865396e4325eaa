// SPDX-License-Identifier: GPL-2.0-only
/* What stands against carrying an app: its memory. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/apps/cgroup.h"
#include "lib/apps/check.h"
#include "lib/apps/proc.h"
#include "lib/apps/smaps.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/record/keeper.h"

struct memory_checker {
	struct checker *c;
	pid_t pid;
	const char *who;
	const char *said;		/* a reason that need not be said again */
};

static bool begins(const struct mapping *m, const char *with)
{
	return !strncmp(m->name, with, strlen(with));
}

/* Of the kernel itself: [vvar], [vdso], [vsyscall]. */
static bool is_kernels(const struct mapping *m)
{
	return begins(m, "[v");
}

static bool is_dax(const struct memory_checker *mc, const struct mapping *m)
{
	struct statx stx;
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, mc->pid, m->start,
		 m->end);

	return m->name[0] == '/' && !statx(AT_FDCWD, path, 0, 0, &stx) &&
	       (stx.stx_attributes & STATX_ATTR_DAX);
}

/* What cannot be carried, by the beginning of its name or by a flag of "VmFlags:". */
static const struct refusal {
	const char *name, *flag;
	const char *what;
	bool named;			/* the mapping's name says more */
	const char *remedy;
} refusals[] = {
	{ "anon_inode:", NULL, "memory of the kernel object", true, "make it do without" },
	{ "/secretmem", NULL, "secret memory (memfd_secret)", false, "make it do without" },
	{ NULL, "um", "memory that userfaultfd watches", false, "make it do without" },
	{ NULL, "uw", "memory that userfaultfd watches", false, "make it do without" },
	{ NULL, "ui", "memory that userfaultfd watches", false, "make it do without" },
	{ NULL, "ur", "memory that userfaultfd watches", false, "make it do without" },
	{ NULL, "io", "memory of the device", true, "make it do without" },
	{ NULL, "pf", "memory of the device", true, "make it do without" },
	{ NULL, "mm", "memory of the driver", true, "make it do without" },
	{ NULL, "ht", "pages of the hugetlb pool", true, "let it use transparent huge pages" },
	{ NULL, "sl", "memory sealed by mseal(2)", false, "make it do without" },
	{ NULL, "ss", "a shadow stack", false, "start it without" },
};

static void refuse_mapping(struct memory_checker *mc, const struct mapping *m, const char *what,
			   bool named, const char *remedy)
{
	/* Many mappings of a kind are one reason. */
	if (mc->said == what)
		return;
	mc->said = what;
	check_say(mc->c, true, "%s maps %s%s%s, at address %#" PRIx64 ", which cannot be "
		  "carried. Stop it before the update, or %s", mc->who, what, named ? " " : "",
		  named ? m->name : "", m->start, remedy);
}

/* The next kernel must know them, and it is private mappings that we look for them in. */
static bool can_guard(const char *target, const struct mapping *m)
{
	int major, minor;

	return m->perms[3] == 'p' && sscanf(target, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 13));
}

/* Nothing else is the module's business here: whether it is loaded is seen elsewhere. */
static bool aio_is_unknown(const struct memory_checker *mc)
{
	struct error err = { 0 };
	_cleanup_close_ int keeper = keeper_open(&err);
	uint32_t nr;

	return keeper >= 0 && keeper_aio(keeper, mc->pid, &nr) == -EOPNOTSUPP;
}

static int check_mapping(void *ctx, const struct mapping *m)
{
	struct memory_checker *mc = ctx;

	if (is_kernels(m))
		return 0;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];

		if (r->name ? begins(m, r->name) : mapping_has(m, r->flag)) {
			refuse_mapping(mc, m, r->what, r->named, r->remedy);
			return 0;
		}
	}
	if (mapping_has(m, "gu") && !can_guard(mc->c->target, m))
		refuse_mapping(mc, m, "guard pages of MADV_GUARD_INSTALL", false,
			       "let it use mprotect(2), or choose Linux 6.13 or newer");
	else if (begins(m, "/dev/") && !begins(m, "/dev/zero") && !begins(m, "/dev/shm/"))
		refuse_mapping(mc, m, "the device", true, "make it do without");
	else if (begins(m, "/[aio]") && aio_is_unknown(mc))
		refuse_mapping(mc, m, "a ring of asynchronous I/O, of which this kernel does not "
			       "tell when requests end", false, "make it do without");
	else if (m->key)
		refuse_mapping(mc, m, "memory with a protection key", false, "make it do without");
	else if (is_dax(mc, m))
		refuse_mapping(mc, m, "on a file system that is memory itself (DAX) the file",
			       true, "mount that without dax");

	return 0;
}

/* The number in the file's line that begins with key; 0 if there is none. */
static uint64_t line_number(const char *text, const char *key)
{
	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, key, strlen(key)))
			return strtoull(at + strlen(key), NULL, 10);
	}
	return 0;
}

/* What a control group has to have in memory once nothing of it is swapped out; its limit. */
static bool group_exceeds(const char *group, uint64_t *swapped, uint64_t *limit)
{
	_cleanup_free_ char *max = NULL, *stat = NULL, *swap = NULL;
	char path[4200];

	if (path_format(path, sizeof(path), CGROUP_ROOT "%s/memory.max", group) < 0 ||
	    file_read(path, &max, NULL) < 0 || !strncmp(max, "max", 3) ||
	    path_format(path, sizeof(path), CGROUP_ROOT "%s/memory.swap.current", group) < 0 ||
	    file_read(path, &swap, NULL) < 0 ||
	    path_format(path, sizeof(path), CGROUP_ROOT "%s/memory.stat", group) < 0 ||
	    file_read(path, &stat, NULL) < 0)
		return false;
	*limit = strtoull(max, NULL, 10);
	*swapped = strtoull(swap, NULL, 10);

	return *swapped && line_number(stat, "anon ") + line_number(stat, "shmem ") + *swapped >
		*limit;
}

void check_swapped(struct checker *c)
{
	_cleanup_free_ char *group = NULL;
	uint64_t swapped, limit;
	char *slash;

	if (proc_cgroup(c->app->pid, &group) < 0)
		return;
	for (; (slash = strrchr(group, '/')) && slash[1]; *slash = '\0') {
		if (!group_exceeds(group, &swapped, &limit))
			continue;
		check_say(c, true, "%" PRIu64 " MiB of %s are in the swap space, and would come "
			  "into memory when they are carried, more than control group %s may have "
			  "(MemoryMax=, %" PRIu64 " MiB). Raise the limit before the update",
			  swapped >> 20, c->app->name, group, limit >> 20);
		return;
	}
}

void check_memory(struct checker *c, pid_t pid, const char *who)
{
	struct memory_checker mc = { .c = c, .pid = pid, .who = who };
	int r;

	r = smaps_read(pid, check_mapping, &mc);
	if (r < 0 && r != -ESRCH)
		check_say(c, true, "The memory of %s cannot be looked at: %s", who, strerror(-r));
}
