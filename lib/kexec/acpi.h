/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine's ACPI tables, as they are given to the next kernel: with a mailbox for its CPUs. */
#ifndef NVWA_KEXEC_ACPI_H
#define NVWA_KEXEC_ACPI_H

#include <stddef.h>
#include <stdint.h>
#include "lib/base/error.h"

/* Where tables are read from; the memory of the machine, or of a test. */
struct acpi_memory {
	int (*read)(void *ctx, uint64_t phys, void *to, size_t len);
	void *ctx;
};

/* Tables that lie in the park area (uapi/park.h). */
struct acpi_tables {
	char *data;		/* to be put at area + NVWA_PARK_TABLES */
	size_t len;
	uint32_t madt, wakeup;	/* offsets, as in struct nvwa_park */
	uint32_t nr_cpus;	/* that these tables say are enabled */
	uint64_t rsdp;		/* physical address of the new root pointer */
};

/*
 * The root pointer of the machine itself, when rsdp is what its kernel was
 * started with: another one, if that is of an area of ours. *area is then the
 * physical address of that area, else 0.
 */
int acpi_original(const struct acpi_memory *m, uint64_t *rsdp, uint64_t *area);

/*
 * The machine's tables from its own root pointer on, where the MADT has a
 * Multiprocessor Wakeup Structure for the area besides. -ENOTSUP: the firmware
 * has such a structure of its own; -EBADMSG: the tables are damaged; -E2BIG: they
 * have no room in the area. *tables is only set on success; its data is malloc()ed.
 */
int acpi_wakeup(const struct acpi_memory *m, uint64_t rsdp, uint64_t area,
		struct acpi_tables *tables, struct error *err);

#endif
