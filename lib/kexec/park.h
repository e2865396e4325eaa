/* SPDX-License-Identifier: GPL-2.0-only */
/* CPU park: whether and where secondary CPUs wait over the jump. */
#ifndef NVWA_KEXEC_PARK_H
#define NVWA_KEXEC_PARK_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/base/error.h"
#include "lib/kexec/acpi.h"
#include "lib/kexec/memmap.h"

struct park {
	uint64_t area;		/* physical; 0: CPUs are halted, and started by INIT and SIPI */
	uint64_t kept;		/* an area that stays out of RAM in any case; 0: none */
	struct acpi_tables tables;	/* if there is an area */
	uint64_t rsdp;		/* for the next kernel's boot parameters; 0: none is known */
	uint64_t original;	/* the machine's own root pointer */
};

/*
 * Choose the area for going to a release, and take it out of the plan's RAM, and also one
 * that the running kernel's CPUs came from, to which they may go back. keeper is
 * /dev/nvwa. Where CPUs cannot be parked (-ENODEV: there is but one; -ECANCELED: it is
 * not wanted) a negative errno is returned, err says why, and the park without an area is
 * right for the next kernel all the same.
 */
int park_choose(int keeper, const char *release, bool wanted, struct scratch_plan *plan,
		struct park *park, struct error *err);
void park_free(struct park *park);

/* The same in a map: no RAM is there. */
int park_reserve(const struct park *park, struct memmap *map);

/* The place for an area in a map, or 0. */
uint64_t park_place(const struct memmap *map);

#endif
