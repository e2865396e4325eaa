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
#define PID_AREAS	104
/* Shared memory that is put in whole; see shmem-new.c. */
#define PAGES_SHMEM	(3000 + 64 + 100 + 16 + 1 + 200 + 300 + 64 + 512 + 32768)
#define PAGES_SHMEM_UNCLAIMED	(50 + 400 + 10)

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
	char stream[8 << 20];
	size_t len;
	uint64_t nr_pages;
};

struct runs {
	struct nvwa_run v[512];
	size_t nr;
};

/* record.c: map the hidden memory; where an offset of it is, and in which frame. */
extern struct hidden hidden;
void hidden_map(uint64_t base, uint64_t len);
void *at(uint64_t offset);
uint64_t pfn_at(uint64_t offset);
/* The data of a section begins with a run; nr_pages is what its runs name. */
void section(struct record *r, uint32_t kind, int32_t pid, const char *name, const void *data,
	     size_t len, uint64_t nr_pages);

/* Put the whole record where the module will look for it; adopt it. */
void record_write(const struct record *r);
void header_seal(struct nvwa_header *h);
int adopt(int fd, struct nvwa_adopt *a);

/* areas.c: kinds of memory in a process of its own; areas_record() returns how many runs. */
uint64_t areas_record(struct nvwa_run *runs);
uint64_t areas_pages(void);
void test_areas(int fd);

/* shmem-new.c */
void shmem_record(struct record *r);
void test_shmem_insert(int fd);

/* A stopped process with memory like that of PID_MAIN, but with other contents. */
pid_t insert_child_start(void);

/* Frames of a range that the kernel has but neither uses nor lets anybody use. */
uint64_t frames_withheld(uint64_t base, uint64_t len);

/* Use nearly all free memory. */
bool fill_memory(void);

#endif
