/* SPDX-License-Identifier: GPL-2.0-only */
/* The record that the test of the new side writes, and the process that gets its pages. */
#ifndef KEEPER_NEW_H
#define KEEPER_NEW_H

#include "keeper.h"

#define NONCE		"fedcba987654321"
#define HEADER_AT	(1 * MIB)		/* offsets into the hidden memory */
#define CHUNKS_AT	(68 * MIB)

#define PID_MAIN	100
#define PID_UNCLAIMED	101
#define PID_NOT_ADDED	102
#define PID_NOWHERE	103
#define PAGES_MAIN	(5000 + 64 + 100 + 100 + 16 + 8 + 700)

#define AT_PLAIN	0x100000000000ULL
#define AT_NONE		0x110000000000ULL
#define AT_READ		0x120000000000ULL
#define AT_TOUCHED	0x130000000000ULL
#define AT_FILE		0x140000000000ULL
#define AT_HUGE		0x150000000000ULL
#define AT_NOWHERE	0x170000000000ULL

struct hidden {
	uint64_t base, len;
	char *mem;
};

struct record {
	char stream[1 << 20];
	size_t len;
	uint64_t nr_pages;
};

struct runs {
	struct nvwa_run v[512];
	size_t nr;
};

/* A stopped process with memory like that of PID_MAIN, but with other contents. */
pid_t insert_child_start(void);

/* Frames of a range that the kernel has but neither uses nor lets anybody use. */
uint64_t frames_withheld(uint64_t base, uint64_t len);

/* Use nearly all free memory. */
bool fill_memory(void);

#endif
