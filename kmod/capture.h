/* SPDX-License-Identifier: GPL-2.0-only */
/* What capturing the memory of processes and of shared memory have in common. */
#ifndef NVWA_CAPTURE_H
#define NVWA_CAPTURE_H

#include "nvwa.h"

/* One huge page, so that it is taken as a whole. */
#define CAPTURE_BATCH	NVWA_HUGE_PAGES

struct capture {
	struct mutex lock;		/* of outside and the sets, where threads share a call */
	struct outside outside;
	struct store store;
	struct pfnset pinned;		/* we hold one reference each */
	struct pfnset copies;		/* ours */
	struct pfnset evacuated;	/* frames elsewhere that were copied, once or more */
	struct xarray pids;		/* processes captured so far */
	struct xarray shmem;		/* struct file * by id; we hold a reference each */
	u8 nonce[NVWA_NONCE_LEN];
	char writer[NVWA_WRITER_LEN];
	bool sealed;
};

/* One call: the pages of one process, or of one file in shared memory. */
struct capture_job {
	struct capture *c;
	const char *kind;		/* for messages: kind and id say whose pages */
	u64 id;
	struct page **pages;		/* CAPTURE_BATCH */
	struct nvwa_run *runs;		/* by address, or by offset in the file */
	u64 nr_runs;
	u64 max_runs;
	u64 nr_pages;
	u64 nr_pinned;			/* as in struct nvwa_capture, these four */
	u64 nr_evacuated;
	u64 nr_unshared;
	u64 busy_addr;
	s64 wait_ns;			/* left to wait for others */
};
/* Allocates; capture_job_free() in any case. */
int capture_job_init(struct capture_job *j, struct capture *c, const char *kind, u64 id);
void capture_job_free(struct capture_job *j);
/* holders.c: how long this call may wait. */
void holders_init(struct capture_job *j);
/*
 * Wait until nobody else holds these pages, which follow each other from addr
 * on. Errors: -EBUSY after the deadline, busy_addr says where; -EINTR.
 */
int holders_wait(struct capture_job *j, u64 addr, struct page **pages, long nr);
/* Undo what this call took. */
void capture_job_undo(struct capture_job *j);
/*
 * Take pages that follow each other from addr on, one reference of the
 * caller's each, which this function takes over or drops. Waits until nobody
 * else holds them. Errors: -EBUSY, -ENOMEM, -EINTR, -EIO.
 */
int capture_job_take(struct capture_job *j, u64 addr, struct page **pages, long nr);

/* fit.c: has the next kernel the memory to take this over? -EFBIG if not; fills in needed. */
int capture_fits(struct capture *c, struct nvwa_seal *arg);

#endif
