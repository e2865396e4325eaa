/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the workloads share. Each is a tiny program that has one kind of memory
 * and knows nothing of nvwa: it prepares, says that it is ready, waits, and
 * verifies every byte when told, as often as it is told.
 *
 * usage: KIND DIR [ARGUMENT...] [--spoil]
 *
 * DIR/ready appears when all is prepared; the N-th SIGUSR1 makes DIR/result.N.
 * Both are one line of JSON: what was verified, what is wrong, and for each
 * process its memory in kB when it was ready and now, before it verified.
 * --spoil fills one byte of every area wrongly, to prove that it is found.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE	4096UL
#define MIB	(1UL << 20)
#define NR(a)	(sizeof(a) / sizeof((a)[0]))

/* Each program has one; main() is in workload.c. */
struct workload {
	const char *name;
	/* The arguments behind DIR. */
	void (*prepare)(int argc, char **argv);
	void (*verify)(void);
};
extern const struct workload workload;

/* DIR, absolute. */
extern const char *workload_dir;

/* The program cannot do what it is for; ends it with errno in words. */
void die(const char *what) __attribute__((noreturn));

/* Something is not as it was before. */
void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A number that goes into the JSON; from prepare() into ready, from verify() into result. */
void fact(const char *name, uint64_t value);

/* --- memory with a pattern ---------------------------------------------------- */

/* Every stride-th page is filled from the seed, the others are holes that read as zeroes. */
struct area {
	const char *name;
	uint64_t seed;
	size_t len;
	size_t stride;		/* 0 means 1 */
	unsigned char *mem;
};

/* Map it, readable and writable, with the flags of mmap(2). */
void area_map(struct area *a, int flags);
void area_fill(const struct area *a);
void area_check(const struct area *a);
/* With other protection than reading, which it gets back. */
void area_check_protected(const struct area *a, int prot);

/* One page of an area, by its number in there. */
void page_fill(const struct area *a, size_t page);
void page_check(const struct area *a, size_t page);
/* The same of contents that lie elsewhere: page PAGE of the area as it should be. */
void contents_fill(const struct area *a, size_t page, unsigned char *mem);
void contents_check(const struct area *a, size_t page, const unsigned char *mem);
/* It reads as zeroes. */
void zero_check(const char *name, const unsigned char *mem, size_t len);

/* --- what the kernel says of it ------------------------------------------------ */

/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_PRESENT	(1ULL << 63)
#define PM_SWAPPED	(1ULL << 62)
#define PM_FILE		(1ULL << 61)
#define PM_EXCLUSIVE	(1ULL << 56)

/* How many pages have all of the bits. */
size_t pages_with(const void *mem, size_t len, uint64_t bits);

/* Whether the mapping at mem has this flag of "VmFlags:" in /proc/PID/smaps. */
bool has_vmflag(const void *mem, const char *flag);

/* The mapping's protection: a set of PROT_*; -1, there is none. */
int protection_of(const void *mem);

/* Whether reading this byte ends in SIGSEGV or SIGBUS. */
bool read_faults(const void *mem);

/* --- children ------------------------------------------------------------------ */

/*
 * Fork a child that prepares, and later verifies when its parent does; what it
 * finds is added to its parent's. Returns its PID when it has prepared.
 */
pid_t child_start(void (*prepare)(void *arg), void (*verify)(void *arg), void *arg);

#endif
