/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the module share. Everything below is called with
 * nvwa_lock held, unless it says otherwise.
 */
#ifndef NVWA_KMOD_H
#define NVWA_KMOD_H

#define pr_fmt(fmt) "nvwa: " fmt

#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <crypto/sha2.h>
#include "compat/compat.h"
#include "uapi/nvwa.h"

/* The largest piece taken from the allocator: 4 MiB, see NVWA_MAX_CHUNKS. */
#define NVWA_CHUNK_ORDER	10
#define NVWA_CHUNK_BYTES	(PAGE_SIZE << NVWA_CHUNK_ORDER)

/* No physical address is beyond this; mapping one that is would be warned about. */
#define NVWA_PHYS_LIMIT		BIT_ULL(boot_cpu_data.x86_phys_bits)

/*
 * crew.c: several kernel threads at one job. Runs f for each of nr items that
 * lie size bytes apart and begin with a struct work_struct, and waits for all.
 */
int __init crew_init(void);
void crew_exit(void);
void crew_run(work_func_t f, void *items, size_t size, unsigned int nr);
/* How many threads a job of so many pages is worth. */
unsigned int crew_size(u64 nr_pages);

/* main.c: one state machine for the module, IDLE -> CAPTURING -> SEALED, or IDLE -> ADOPTED. */
extern struct mutex nvwa_lock;
extern u32 nvwa_state;		/* NVWA_STATE_* */

struct nvwa_clocks {
	u64 tsc;
	u64 realtime_ns;
	u64 boottime_ns;
	u32 tsc_khz;
	s32 tai_offset_s;
};
void nvwa_read_clocks(struct nvwa_clocks *c);

/* Copy an array of ranges from user space and check it: page aligned, sorted, no overlap. */
int nvwa_get_ranges(u64 user, u32 nr, u64 limit, struct nvwa_range **ranges);

/* The memory of a process, by its thread group id in the caller's pid namespace; or NULL. */
struct mm_struct *nvwa_mm_of(s32 pid);

/* pfnset.c: a sparse set of page frame numbers. Reading needs no lock while nobody changes it. */
struct pfnset {
	struct xarray blocks;	/* bitmaps of PFNSET_BLOCK_BITS each */
	u64 nr;
	unsigned long *last;	/* the block that was changed last, and its index */
	unsigned long last_i;
};
void pfnset_init(struct pfnset *s);
void pfnset_destroy(struct pfnset *s);
/* -EEXIST if one of them is in the set already (then none was added). */
int pfnset_add(struct pfnset *s, unsigned long pfn, unsigned long nr);
/* All of them must be members. */
void pfnset_del(struct pfnset *s, unsigned long pfn, unsigned long nr);
bool pfnset_has(struct pfnset *s, unsigned long pfn);
/* The first member >= pfn, or ULONG_MAX. */
unsigned long pfnset_next(struct pfnset *s, unsigned long pfn);
/*
 * Set bit i of bits for each member pfn + i, i < nr. pfn is a multiple of nr or
 * of 64, and nr a power of two up to 1 << NVWA_CHUNK_ORDER.
 */
void pfnset_or(struct pfnset *s, unsigned long pfn, unsigned long nr, unsigned long *bits);
/* Members in the 1 << NVWA_FIT_BLOCK_SHIFT bytes of memory that pfn lies in. */
unsigned long pfnset_weight(struct pfnset *s, unsigned long pfn);
/* Members in a row from pfn (which is one), at most max. */
unsigned long pfnset_row(struct pfnset *s, unsigned long pfn, unsigned long max);

/* outside.c: hidden memory, outside of where the next kernel boots. */
struct outside_pool {
	struct list_head pages;		/* single ones */
	unsigned int order;		/* what the allocator had last */
	bool elsewhere;			/* the node itself has nothing more */
};

struct outside {
	struct nvwa_range *hidden;	/* sorted, apart */
	u32 nr_hidden;
	struct list_head rejects;	/* not hidden, kept so as not to get them again */
	struct outside_pool *pools;	/* for each NUMA node */
};
int outside_init(struct outside *o);
void outside_destroy(struct outside *o);
/* Is all of this range hidden memory? */
bool outside_has(const struct outside *o, u64 start, u64 len);
/*
 * 1 << *order contiguous pages of the node, or of any (NUMA_NO_NODE); *order is
 * lowered if so many are not to be had, or, with hard false, not at once.
 */
struct page *outside_alloc(struct outside *o, int nid, unsigned int *order, bool hard);
/* Set a block of every node with memory aside for outside_page(), if there is one. */
void outside_fill(struct outside *o);
/* Of the node, as long as that has any; then of another. */
struct page *outside_page(struct outside *o, int nid);
/* NVWA_HUGE_PAGES single pages in a row, aligned to that; NULL if not to be had at once. */
struct page *outside_huge(struct outside *o, int nid);
/* Give back the rejects; at the end of every call. */
void outside_trim(struct outside *o);

/* digest.c: SHA-256 over pieces. */
struct shash_desc;
struct digest {
	struct shash_desc *desc;	/* of the crypto API, or NULL: */
	struct sha256_ctx lib;
	bool failed;
};
void digest_init(struct digest *d);
void digest_update(struct digest *d, const void *data, u64 len);
bool digest_final(struct digest *d, u8 *out);
void digest_free(struct digest *d);

/* store.c: the record while it is being written. */
struct store_chunk {
	struct page *page;
	unsigned int order;
	u64 len;
};

struct store {
	struct outside *outside;
	struct page *header;
	struct store_chunk chunks[NVWA_MAX_CHUNKS];
	u32 nr_chunks;
	u32 cur;		/* chunk that is being filled */
	u64 len;
	u64 nr_pages;
	struct digest digest;	/* of the first len bytes */
};
int store_init(struct store *s, struct outside *o);
void store_destroy(struct store *s);	/* wipes */
int store_put_file(struct store *s, const char *name, u32 name_len,
		   const void __user *data, u64 len);
int store_put_pages(struct store *s, s32 pid, const struct nvwa_run *runs, u64 nr_runs,
		    u64 nr_pages);
int store_put_shmem(struct store *s, u64 id, u64 len, const struct nvwa_run *runs, u64 nr_runs,
		    u64 nr_pages);
u64 store_memory(const struct store *s);
/* Pages of the record's memory that lie in this range. */
u64 store_pages_in(const struct store *s, u64 start, u64 len);
/* Does any memory of the record meet this range? */
bool store_meets(const struct store *s, u64 start, u64 len);
int store_seal(struct store *s, const u8 *nonce, const char *writer, u64 *tsc);
/* In the header of the record that is sealed; NULL without one. */
extern struct nvwa_late *nvwa_late;

/* capture.c: the old kernel's side, one per file that called BEGIN. */
struct capture;
int capture_begin(struct nvwa_begin *b, struct capture **out);
void capture_end(struct capture *c);
int capture_process(struct capture *c, struct nvwa_capture *arg);
int capture_shmem(struct capture *c, struct nvwa_capture_shmem *arg);	/* shmem-capture.c */
int capture_put(struct capture *c, struct nvwa_put *arg);
int capture_seal(struct capture *c, struct nvwa_seal *arg);
u64 capture_held(const struct capture *c);

/* devices.c: what happens to devices at the jump, from the call until devices_leave(). */
int devices_quiet(struct nvwa_quiet *arg);
void devices_leave(void);

/* record.c: checks of what another kernel wrote; no side effects but a line in the log. */
struct record_process {
	const struct nvwa_run *runs;
	u64 nr_runs;
	u64 nr_pages;
	s32 pid;
	bool inserted;
};

struct record_shmem {
	const struct nvwa_run *runs;
	u64 nr_runs;
	u64 nr_pages;
	u64 id;
	u64 len;
	bool inserted;
};

struct record_parts {
	struct record_process *processes;
	struct record_shmem *shmem;
	u32 nr_processes;
	u32 nr_shmem;
};
void record_parts_free(struct record_parts *parts);
bool record_name_ok(const char *name, u32 len);
int record_check_header(const struct nvwa_header *h, const u8 *nonce);
/*
 * Check the stream; fills in the parts and adds the pages of all runs to the
 * set. Free the parts in any case.
 */
int record_check_stream(const void *stream, u64 len, u64 nr_pages, struct pfnset *pages,
			struct record_parts *parts);

/* adopt.c: the new kernel's side. */
struct adopted {
	struct nvwa_header header;
	u64 header_phys;
	void *stream;			/* header.record_len bytes */
	struct record_parts parts;
	struct pfnset pages;		/* captured, not yet claimed */
	struct pfnset record;		/* header and chunks */
};
extern struct adopted *nvwa_adopted;	/* non-NULL in NVWA_STATE_ADOPTED */
int adopt(struct nvwa_adopt *arg);
int adopt_release(struct nvwa_release *arg);
/* These pages, which memory_claim_pages() has claimed, are no longer adopted. */
void adopted_forget(const unsigned long *pfns, unsigned long nr);

/* memory.c: adding RAM. */
int memory_add(struct nvwa_add_memory *arg);
bool memory_callback_free(void);
/* Is all of this range reserved in the firmware map, and none of it added since? */
bool memory_hidden(u64 phys, u64 len);
/* How many pages in a row, at most nr, are in memory that was added, and were held back. */
unsigned long memory_held(unsigned long pfn, unsigned long nr);
/*
 * Make pages that were held back ordinary allocated ones, with one reference
 * each: first the pages, which several threads may do at the same time, then
 * counting them, which only one may.
 */
void memory_claim_pages(const unsigned long *pfns, unsigned long nr);
void memory_claim_count(const unsigned long *pfns, unsigned long nr);
/* Wipe pages that were held back, in a row, and give them to the allocator. */
void memory_give(unsigned long pfn, unsigned long nr);

/* aio.c: how many requests are under way, or -EOPNOTSUPP if that is not to be found out. */
int aio_under_way(struct mm_struct *mm, u32 *nr);
int aio_count(struct nvwa_aio *arg);

/* vmas.c */
int vmas_list(struct nvwa_vmas *arg);

/* park.c: where secondary CPUs wait over the jump; one at a time. */
int park_arm(struct nvwa_park *arg);
void park_disarm(void);

/* firmware.c */
int firmware_read(const struct nvwa_firmware *arg);

/* insert.c */
int insert_process(struct nvwa_insert *arg);
int insert_shmem(struct nvwa_insert_shmem *arg);	/* shmem-insert.c */

#endif
