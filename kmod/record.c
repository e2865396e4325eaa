// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of a record that another kernel left. It has a checksum, so what is
 * wrong here is a bug or malice; either way nothing of it may be believed that
 * was not checked. The reason for a refusal goes to the log.
 */
#include "nvwa.h"

#include <linux/pfn.h>
#include <linux/string.h>

#define refuse(fmt, ...) ({ pr_err("record refused: " fmt "\n", ##__VA_ARGS__); -EINVAL; })

/* No leading slash, no empty, "." or ".." component, nothing unprintable. */
bool record_name_ok(const char *name, u32 len)
{
	u32 i, start = 0;

	if (!len || len > 255)
		return false;
	for (i = 0; i <= len; i++) {
		if (i < len && (name[i] <= ' ' || name[i] > '~'))
			return false;
		if (i < len && name[i] != '/')
			continue;
		if (i == start || (i == start + 1 && name[start] == '.') ||
		    (i == start + 2 && name[start] == '.' && name[start + 1] == '.'))
			return false;
		start = i + 1;
	}
	return true;
}

static int check_chunks(const struct nvwa_header *h)
{
	u64 sum = 0;
	u32 i;

	if (!h->nr_chunks != !h->record_len || h->nr_chunks > NVWA_MAX_CHUNKS)
		return refuse("%u chunks for %llu bytes", h->nr_chunks, h->record_len);
	for (i = 0; i < h->nr_chunks; i++) {
		const struct nvwa_chunk *c = &h->chunks[i];

		if (!PAGE_ALIGNED(c->phys) || !c->len || c->len > NVWA_CHUNK_BYTES ||
		    c->phys > NVWA_PHYS_LIMIT - c->len)
			return refuse("chunk %u: %llu bytes at %#llx", i, c->len, c->phys);
		if (!memory_hidden(c->phys, PAGE_ALIGN(c->len)))
			return refuse("chunk %u at %#llx lies in this kernel's own memory",
				      i, c->phys);
		sum += c->len;
	}
	if (sum != h->record_len)
		return refuse("the chunks have %llu bytes, not %llu", sum, h->record_len);
	if (memchr_inv(&h->chunks[h->nr_chunks], 0,
		       (NVWA_MAX_CHUNKS - h->nr_chunks) * sizeof(h->chunks[0])))
		return refuse("chunks behind the last one");
	return 0;
}

static bool header_intact(const struct nvwa_header *h)
{
	static const u8 zero[NVWA_SHA256_LEN];
	const u8 *raw = (const u8 *)h;
	size_t at = offsetof(struct nvwa_header, header_sha256);
	u8 digest[NVWA_SHA256_LEN];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, raw, at);
	sha256_update(&sha, zero, sizeof(zero));
	sha256_update(&sha, raw + at + sizeof(zero), sizeof(*h) - at - sizeof(zero));
	sha256_final(&sha, digest);
	return !memcmp(digest, h->header_sha256, sizeof(digest));
}

int record_check_header(const struct nvwa_header *h, const u8 *nonce)
{
	if (h->magic != NVWA_RECORD_MAGIC) {
		pr_err("no record there\n");
		return -ENOENT;
	}
	if (h->version != NVWA_RECORD_VERSION || h->header_len != sizeof(*h)) {
		pr_err("the record has version %u, this module reads version %u\n",
		       h->version, NVWA_RECORD_VERSION);
		return -EPROTONOSUPPORT;
	}
	if (!header_intact(h)) {
		pr_err("the record's header is damaged\n");
		return -EBADMSG;
	}
	if (memcmp(h->nonce, nonce, NVWA_NONCE_LEN)) {
		pr_err("the record is of another update\n");
		return -EKEYREJECTED;
	}
	if (h->flags || memchr_inv(h->reserved, 0, sizeof(h->reserved)))
		return refuse("unknown flags %#x or fields", h->flags);
	if (strnlen(h->writer, NVWA_WRITER_LEN) == NVWA_WRITER_LEN)
		return refuse("the writer's name does not end");
	return check_chunks(h);
}

/* The runs of one process: sorted, apart, in hidden memory, and named by nobody else. */
static int check_runs(struct record_process *p, struct pfnset *pages)
{
	const u64 limit = PHYS_PFN(NVWA_PHYS_LIMIT);
	u64 i, end = 0;
	int err;

	for (i = 0; i < p->nr_runs; i++) {
		const struct nvwa_run *r = &p->runs[i];
		u64 len = (u64)r->nr * PAGE_SIZE;

		if (r->flags || !r->nr || !PAGE_ALIGNED(r->addr) || r->addr < end ||
		    r->addr >= TASK_SIZE_MAX || len > TASK_SIZE_MAX - r->addr)
			return refuse("process %d: run %llu: %u pages at %#llx, flags %#x",
				      p->pid, i, r->nr, r->addr, r->flags);
		if (r->pfn >= limit || r->nr > limit - r->pfn)
			return refuse("process %d: run %llu: no such page %#llx",
				      p->pid, i, r->pfn);
		if (!memory_hidden(PFN_PHYS(r->pfn), len))
			return refuse("process %d: page %#llx lies in this kernel's own memory",
				      p->pid, r->pfn);
		err = pfnset_add(pages, r->pfn, r->nr);
		if (err == -EEXIST)
			return refuse("process %d: page %#llx is named twice", p->pid, r->pfn);
		if (err)
			return err;
		end = r->addr + len;
		p->nr_pages += r->nr;
		cond_resched();
	}
	return 0;
}

/* The section at *pos, which moves behind it; 1, 0 at the end, or an error. */
static int next_section(const void *stream, u64 len, u64 *pos, const struct nvwa_section **head,
			const char **name, const void **data)
{
	const struct nvwa_section *h = stream + *pos;
	u64 left = len - *pos, name_len, data_len;

	if (!left)
		return 0;
	if (left < sizeof(*h))
		return refuse("a section is cut off at %llu", *pos);
	left -= sizeof(*h);
	name_len = ALIGN((u64)h->name_len, 8);
	if (h->flags || h->name_len > 255 || name_len > left)
		return refuse("section at %llu: name of %u bytes, flags %#x", *pos, h->name_len,
			      h->flags);
	left -= name_len;
	if (h->data_len > left || ALIGN(h->data_len, 8) > left)
		return refuse("section at %llu: %llu bytes of %llu", *pos, h->data_len, left);
	data_len = ALIGN(h->data_len, 8);
	*head = h;
	*name = (const char *)(h + 1);
	*data = *name + name_len;
	if (memchr_inv(*name + h->name_len, 0, name_len - h->name_len) ||
	    memchr_inv(*data + h->data_len, 0, data_len - h->data_len))
		return refuse("section at %llu: padding is not zero", *pos);
	*pos += sizeof(*h) + name_len + data_len;
	return 1;
}

static int check_section(const struct nvwa_section *h, const char *name, const void *data,
			 struct pfnset *pages, struct record_process *all, u32 *nr)
{
	struct record_process *p = &all[*nr];
	u32 i;

	switch (h->kind) {
	case NVWA_SECTION_FILE:
		if (h->pid || !record_name_ok(name, h->name_len))
			return refuse("bad file name '%*pE'", (int)h->name_len, name);
		return 0;
	case NVWA_SECTION_PAGES:
		if (h->pid <= 0 || h->name_len || h->data_len % sizeof(struct nvwa_run))
			return refuse("pages of process %d: %llu bytes", h->pid, h->data_len);
		for (i = 0; i < *nr; i++) {
			if (all[i].pid == h->pid)
				return refuse("process %d is there twice", h->pid);
		}
		*p = (struct record_process){
			.pid = h->pid,
			.runs = data,
			.nr_runs = h->data_len / sizeof(struct nvwa_run),
		};
		(*nr)++;
		return check_runs(p, pages);
	default:
		return refuse("unknown section kind %u", h->kind);
	}
}

int record_check_stream(const void *stream, u64 len, u64 nr_pages, struct pfnset *pages,
			struct record_process **processes, u32 *nr_processes)
{
	const struct nvwa_section *head;
	struct record_process *all;
	const char *name;
	const void *data;
	u64 pos = 0;
	u32 nr = 0;
	int more, err;

	while ((more = next_section(stream, len, &pos, &head, &name, &data)) > 0)
		nr += head->kind == NVWA_SECTION_PAGES;
	if (more < 0)
		return more;
	all = kvcalloc(nr + 1, sizeof(*all), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	pos = 0;
	nr = 0;
	while (next_section(stream, len, &pos, &head, &name, &data) > 0) {
		err = check_section(head, name, data, pages, all, &nr);
		if (err)
			goto fail;
	}
	if (pages->nr != nr_pages) {
		err = refuse("%llu pages named, %llu announced", pages->nr, nr_pages);
		goto fail;
	}
	*processes = all;
	*nr_processes = nr;
	return 0;

fail:
	kvfree(all);
	return err;
}
