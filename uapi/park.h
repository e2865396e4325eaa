/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The park area: memory of neither kernel, in which secondary CPUs wait over
 * the jump. It lies below 1 MiB, which kernels leave alone, and is type NVS in
 * the next kernel's map, whose ACPI tables (they are in the area as well) have a
 * Multiprocessor Wakeup Structure for it (ACPI specification 6.4, section
 * 5.2.12.19). Also included by assembly: nothing but numbers.
 */
#ifndef NVWA_UAPI_PARK_H
#define NVWA_UAPI_PARK_H

#define NVWA_PARK_LEN		0x20000	/* bytes, and its alignment is a page */
#define NVWA_PARK_END		0x100000	/* it lies below */
#define NVWA_PARK_CPUS		128	/* as many can wait */

/* Offsets in it. */
#define NVWA_PARK_RESET		0x0	/* code: the reset vector */
#define NVWA_PARK_MAILBOX	0x1000
#define NVWA_PARK_TABLES	0x1b000	/* what NVWA_IOC_PARK is given, up to the end */

#endif
