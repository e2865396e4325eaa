/* SPDX-License-Identifier: GPL-2.0-only */
/* What park.c and the code of parked CPUs share; nothing but numbers. */
#ifndef NVWA_PARK_H
#define NVWA_PARK_H

#include "uapi/park.h"

/* The park area, see uapi/park.h. */
#define PARK_IDT		0x2000
#define PARK_IDT_BYTES		0x1000	/* 256 gates of 16 bytes */
#define PARK_PAGE_TABLES	0x3000	/* as many as are needed, up to the stacks */
#define PARK_STACKS		0x13000
#define PARK_STACK_SHIFT	8	/* 256 bytes for each CPU */

/* The mailbox: struct acpi_madt_multiproc_wakeup_mailbox of the kernel's include/acpi/actbl2.h. */
#define PARK_MAILBOX_COMMAND	0	/* 16 bits */
#define PARK_MAILBOX_ID		4	/* 32 bits: who is meant */
#define PARK_MAILBOX_VECTOR	8	/* 64 bits: where to go */
#define PARK_COMMAND_WAKEUP	1
#define PARK_COMMAND_TEST	2

#endif
