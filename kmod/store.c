// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handover record while it is being written: the header page and the
 * chunks, all in hidden memory. What is appended is checksummed at once, so
 * that the seal, which is part of the blackout, has little to do.
 */
#include "nvwa.h"

#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/* Where an append began, to go back to if it fails. */
struct store_mark {
	u32 cur;
	u64 cur_len;
	u64 len;
};

struct nvwa_late *nvwa_late;

void store_destroy(struct store *s)
{
	u32 i;

	for (i = 0; i < s->nr_chunks; i++) {
		memset(page_address(s->chunks[i].page), 0, PAGE_SIZE << s->chunks[i].order);
		__free_pages(s->chunks[i].page, s->chunks[i].order);
	}
	if (s->header) {
		nvwa_late = NULL;
		clear_highpage(s->header);
		__free_page(s->header);
	}
	digest_free(&s->digest);
	memset(s, 0, sizeof(*s));
}

static u64 chunk_room(const struct store_chunk *c)
{
	return (PAGE_SIZE << c->order) - c->len;
}

/* Make room for len more bytes, so that appending them cannot fail for lack of memory. */
static int store_reserve(struct store *s, u64 len)
{
	struct store_chunk *c;
	unsigned int order;
	u64 room = 0;
	u32 i;

	for (i = s->cur; i < s->nr_chunks; i++)
		room += chunk_room(&s->chunks[i]);
	while (room < len) {
		if (s->nr_chunks == NVWA_MAX_CHUNKS) {
			pr_err("the record is too large, or memory too fragmented for it\n");
			return -ENOMEM;
		}
		order = NVWA_CHUNK_ORDER;
		c = &s->chunks[s->nr_chunks];
		/* Small pieces cost entries in the header, large ones may cost compaction. */
		c->page = outside_alloc(s->outside, NUMA_NO_NODE, &order,
					s->nr_chunks >= NVWA_MAX_CHUNKS / 4);
		if (!c->page)
			return -ENOMEM;
		c->order = order;
		c->len = 0;
		s->nr_chunks++;
		room += chunk_room(c);
	}
	return 0;
}

int store_init(struct store *s, struct outside *o)
{
	unsigned int order = 0;
	int err;

	memset(s, 0, sizeof(*s));
	s->outside = o;
	s->header = outside_alloc(o, NUMA_NO_NODE, &order, true);
	if (!s->header)
		return -ENOMEM;
	clear_highpage(s->header);
	digest_init(&s->digest);
	/* The first piece now, and for most records the last: not while programs stand still. */
	err = store_reserve(s, 1);
	if (err)
		store_destroy(s);
	return err;
}

static void store_mark(const struct store *s, struct store_mark *m)
{
	m->cur = s->cur;
	m->cur_len = s->cur < s->nr_chunks ? s->chunks[s->cur].len : 0;
	m->len = s->len;
}

static void store_reset(struct store *s, const struct store_mark *m)
{
	u32 i;

	for (i = m->cur; i < s->nr_chunks; i++)
		s->chunks[i].len = 0;
	s->cur = m->cur;
	if (s->cur < s->nr_chunks)
		s->chunks[s->cur].len = m->cur_len;
	s->len = m->len;
}

/* Checksum what was appended since the mark. */
static void store_digest(struct store *s, const struct store_mark *m)
{
	u64 from = m->cur_len;
	u32 i;

	for (i = m->cur; i <= s->cur; i++) {
		struct store_chunk *c = &s->chunks[i];

		digest_update(&s->digest, page_address(c->page) + from, c->len - from);
		from = 0;
	}
}

/* Append bytes of the kernel's (from) or of the caller's (user), or zeroes (neither). */
static int store_append(struct store *s, const void *from, const void __user *user, u64 len)
{
	struct store_chunk *c;
	void *to;
	u64 n;

	while (len) {
		while (!chunk_room(&s->chunks[s->cur]))
			s->cur++;
		c = &s->chunks[s->cur];
		n = min(len, chunk_room(c));
		to = page_address(c->page) + c->len;
		if (from) {
			memcpy(to, from, n);
			from += n;
		} else if (user) {
			if (copy_from_user(to, user, n))
				return -EFAULT;
			user += n;
		} else {
			memset(to, 0, n);
		}
		c->len += n;
		s->len += n;
		len -= n;
		cond_resched();
	}
	return 0;
}

static int store_section(struct store *s, const struct nvwa_section *head, const char *name,
			 const void *from, const void __user *user)
{
	u64 name_pad = ALIGN(head->name_len, 8) - head->name_len;
	u64 data_pad = ALIGN(head->data_len, 8) - head->data_len;
	struct store_mark mark;
	int err;

	if (head->data_len > (u64)NVWA_MAX_CHUNKS * NVWA_CHUNK_BYTES)
		return -ENOMEM;
	store_mark(s, &mark);
	err = store_reserve(s, sizeof(*head) + head->name_len + name_pad +
			    head->data_len + data_pad);
	if (err)
		return err;
	err = store_append(s, head, NULL, sizeof(*head));
	if (!err)
		err = store_append(s, name, NULL, head->name_len);
	if (!err)
		err = store_append(s, NULL, NULL, name_pad);
	if (!err)
		err = store_append(s, from, user, head->data_len);
	if (!err)
		err = store_append(s, NULL, NULL, data_pad);
	if (err)
		store_reset(s, &mark);
	else
		store_digest(s, &mark);
	return err;
}

int store_put_file(struct store *s, const char *name, u32 name_len,
		   const void __user *data, u64 len)
{
	struct nvwa_section head = {
		.kind = NVWA_SECTION_FILE,
		.name_len = name_len,
		.data_len = len,
	};

	return store_section(s, &head, name, NULL, data);
}

int store_put_pages(struct store *s, s32 pid, const struct nvwa_run *runs, u64 nr_runs,
		    u64 nr_pages)
{
	struct nvwa_section head = {
		.kind = NVWA_SECTION_PAGES,
		.pid = pid,
		.data_len = nr_runs * sizeof(*runs),
	};
	int err = store_section(s, &head, NULL, runs, NULL);

	if (!err)
		s->nr_pages += nr_pages;
	return err;
}

int store_put_shmem(struct store *s, u64 id, u64 len, const struct nvwa_run *runs, u64 nr_runs,
		    u64 nr_pages)
{
	struct nvwa_shmem *data = kvmalloc(sizeof(*data) + nr_runs * sizeof(*runs), GFP_KERNEL);
	struct nvwa_section head = {
		.kind = NVWA_SECTION_SHMEM,
		.data_len = sizeof(*data) + nr_runs * sizeof(*runs),
	};
	int err;

	if (!data)
		return -ENOMEM;
	*data = (struct nvwa_shmem){ .id = id, .len = len };
	memcpy(data + 1, runs, nr_runs * sizeof(*runs));
	err = store_section(s, &head, NULL, data, NULL);
	if (!err)
		s->nr_pages += nr_pages;
	kvfree(data);
	return err;
}

u64 store_memory(const struct store *s)
{
	u64 bytes = PAGE_SIZE;
	u32 i;

	for (i = 0; i < s->nr_chunks; i++)
		bytes += PAGE_SIZE << s->chunks[i].order;
	return bytes;
}

static bool meets(struct page *page, unsigned int order, u64 start, u64 len)
{
	u64 phys = page_to_phys(page);

	return phys < start + len && start < phys + (PAGE_SIZE << order);
}

bool store_meets(const struct store *s, u64 start, u64 len)
{
	u32 i;

	for (i = 0; i < s->nr_chunks; i++) {
		if (meets(s->chunks[i].page, s->chunks[i].order, start, len))
			return true;
	}
	return meets(s->header, 0, start, len);
}

static u64 pages_in(struct page *page, unsigned int order, u64 start, u64 len)
{
	u64 phys = page_to_phys(page);
	u64 from = max(phys, start), to = min(phys + (PAGE_SIZE << order), start + len);

	return from < to ? PHYS_PFN(to - from) : 0;
}

u64 store_pages_in(const struct store *s, u64 start, u64 len)
{
	u64 nr = pages_in(s->header, 0, start, len);
	u32 i;

	for (i = 0; i < s->nr_chunks; i++)
		nr += pages_in(s->chunks[i].page, s->chunks[i].order, start, len);
	return nr;
}

int store_seal(struct store *s, const u8 *nonce, const char *writer, u64 *tsc)
{
	struct nvwa_header *h = page_address(s->header);
	const u64 magic = NVWA_RECORD_MAGIC;
	struct nvwa_clocks clocks;
	struct sha256_ctx sha;
	u8 digest[NVWA_SHA256_LEN];
	u32 i;

	BUILD_BUG_ON(sizeof(*h) != PAGE_SIZE || offsetof(struct nvwa_header, magic));
	memset(h, 0, sizeof(*h));
	h->version = NVWA_RECORD_VERSION;
	h->header_len = sizeof(*h);
	h->record_len = s->len;
	h->nr_pages = s->nr_pages;
	memcpy(h->nonce, nonce, NVWA_NONCE_LEN);
	memcpy(h->writer, writer, NVWA_WRITER_LEN);
	for (i = 0; i < s->nr_chunks && s->chunks[i].len; i++) {
		h->chunks[i].phys = page_to_phys(s->chunks[i].page);
		h->chunks[i].len = s->chunks[i].len;
	}
	h->nr_chunks = i;
	if (!digest_final(&s->digest, h->record_sha256))
		return -EIO;

	nvwa_read_clocks(&clocks);
	h->seal_tsc = clocks.tsc;
	h->seal_realtime_ns = clocks.realtime_ns;
	h->seal_boottime_ns = clocks.boottime_ns;
	h->tsc_khz = clocks.tsc_khz;
	h->tai_offset_s = clocks.tai_offset_s;
	*tsc = clocks.tsc;

	/* The checksum covers the magic, but a reader must not see it before all the rest. */
	sha256_init(&sha);
	sha256_update(&sha, (const u8 *)&magic, sizeof(magic));
	sha256_update(&sha, (const u8 *)h + sizeof(magic),
		      offsetof(struct nvwa_header, late) - sizeof(magic));
	sha256_final(&sha, digest);
	memcpy(h->header_sha256, digest, sizeof(digest));
	smp_wmb();
	WRITE_ONCE(h->magic, magic);
	nvwa_late = &h->late;
	return 0;
}
