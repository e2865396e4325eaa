// SPDX-License-Identifier: GPL-2.0-only
/*
 * A jump without a record, for trying the loader alone, as root in a lab guest:
 *   hop_try [-i NVWA-INIT] [-m MIB] [-n] RELEASE
 * -n loads and says what was loaded, and does not jump.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/kexec/target.h"

#define BLOCK_SIZE	(128ULL << 20)

static int fail(const char *what, int r, const struct error *err)
{
	fprintf(stderr, "hop_try: %s: %s (%s)\n", what, err->text, strerror(-r));
	return 1;
}

static void show(const char *what, const struct memmap *map)
{
	for (size_t i = 0; i < map->nr; i++) {
		const struct memmap_entry *e = &map->entries[i];

		printf("%s %012" PRIx64 "-%012" PRIx64 " type %u node %d\n", what, e->start,
		       e->start + e->len, e->type, e->nid);
	}
}

int main(int argc, char **argv)
{
	struct target_load how = { .header_phys = 0x100000000 };
	struct scratch_plan plan = { 0 };
	const struct nvwa_range *ranges;
	struct memmap map = { 0 };
	struct error err = { 0 };
	struct target *target;
	uint64_t mib = 512;
	int opt, r, jump = 1;
	size_t nr;

	while ((opt = getopt(argc, argv, "i:m:n")) != -1) {
		if (opt == 'i')
			target_init_path = optarg;
		else if (opt == 'm')
			mib = strtoull(optarg, NULL, 10);
		else if (opt == 'n')
			jump = 0;
		else
			return 2;
	}
	if (optind + 1 != argc)
		return 2;

	r = memmap_read("", &map, &err);
	if (r)
		return fail("memory map", r, &err);
	r = scratch_choose(&map, BLOCK_SIZE, mib << 20, NULL, 0, &plan, &err);
	if (r)
		return fail("scratch", r, &err);
	show("map", &map);
	show("scratch", &plan.scratch);
	show("hidden", &plan.hidden);

	r = target_open(argv[optind], NULL, &target, &err);
	if (r)
		return fail("target", r, &err);
	how.plan = &plan;
	r = target_load(target, &how, &err);
	if (r)
		return fail("load", r, &err);
	ranges = target_segments(target, &nr);
	for (size_t i = 0; i < nr; i++)
		printf("segment %012llx-%012llx\n", (unsigned long long)ranges[i].start,
		       (unsigned long long)(ranges[i].start + ranges[i].len));
	fflush(stdout);

	if (jump) {
		sync();
		r = target_jump();
		return fail("jump", r, &err);
	}
	target_unload();
	target_free(target);
	scratch_free(&plan);
	memmap_free(&map);
	return 0;
}
