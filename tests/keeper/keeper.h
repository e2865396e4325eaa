/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the keeper's test share: TAP, checksums, /proc. */
#ifndef KEEPER_TEST_H
#define KEEPER_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "uapi/nvwa.h"

#define PAGE		NVWA_PAGE_SIZE
#define MIB		(1ULL << 20)

/* One line of TAP; returns the condition. */
bool ok(bool condition, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* ok() that shows both values when they differ. */
bool same(long long got, long long want, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Print the plan; returns the exit status. */
int done(void);
/* End the test because going on makes no sense. */
void bail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

struct sha256 {
	uint32_t state[8];
	uint64_t len;
	uint8_t buf[64];
};
void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t len);
void sha256_final(struct sha256 *s, uint8_t out[32]);

/* Fill a page with what belongs at this address of this process, and check that. */
void pattern_fill(void *page, uint64_t addr, uint32_t seed);
bool pattern_holds(const void *page, uint64_t addr, uint32_t seed);

/* 0 or -errno; fills in the size. */
int keeper_call(int fd, unsigned long cmd, void *arg);
int keeper_open(void);
uint32_t keeper_state(int fd);

/* The frame at an address of a process, 0 if none is present. */
uint64_t frame_of(pid_t pid, uint64_t addr);
/* A value of /proc/meminfo or /proc/PID/status, in KiB. */
long long proc_kib(const char *path, const char *name);
long long tainted(void);
void write_text(const char *path, const char *text);
void stop_wait(pid_t pid);
int end_wait(pid_t pid);

/*
 * Have a child do something and be killed, fifty times; returns how much free
 * memory went (KiB). Others use memory too: what they take once does not go in
 * a second try.
 */
/* KiB; what every round lost, be it one page in thirty, would be more. */
#define LOST_MOST	32768
long long lost_in_rounds(void (*f)(void *ctx), void *ctx, int *err);

extern bool quiet;	/* no times of calls */
extern uint64_t keeper_ns;	/* how long the last call took */

/* old.c: read physical memory, and BEGIN with all memory hidden but for one range. */
void read_phys(uint64_t phys, void *to, size_t len);
int begin(int fd, struct nvwa_range *scratch, uint64_t *header);

/* vmas.c: the part of test_old() that asks for mappings. */
void test_vmas(void);

/* aio.c: the part of test_held() that is about asynchronous I/O. */
void test_aio(void);

/* park.c: the part of test_old() that is about CPUs. */
void test_park(void);

int test_old(void);
int test_shmem(void);
int test_held(void);
int test_new(uint64_t base, uint64_t len);
int cost_old(uint64_t len);
int cost_new(uint64_t base, uint64_t hidden_len, uint64_t len);

#endif
