/* SPDX-License-Identifier: GPL-2.0-only */
/* Sizes that a kernel derives from its RAM at boot and never changes afterwards. */
#ifndef NVWA_KEXEC_TABLES_H
#define NVWA_KEXEC_TABLES_H

#include <stddef.h>
#include <stdint.h>

/* One parameter of the kernel's command line. */
struct table_param {
	const char *name;
	uint64_t value;
	const char *unit;	/* follows the value */
};

#define TABLE_PARAMS	9

/*
 * What a kernel would choose in a machine of so much RAM, as it is said to one
 * that finds but the scratch. Both in bytes. A table is no larger than the
 * kernel itself allows in the scratch, a sixteenth of it.
 */
void tables_for(uint64_t ram, uint64_t scratch, struct table_param params[TABLE_PARAMS]);

/* What the tables take in that kernel, in bytes. */
uint64_t tables_bytes(uint64_t ram, uint64_t scratch);

#endif
