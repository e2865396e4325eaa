// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of a record that another kernel left. It has a checksum, so what is
 * wrong here is a bug or malice; either way nothing of it may be believed that
 * was not checked. The reason for a refusal goes to the log.
 */
#include "nvwa.h"

#include <linux/mmzone.h>
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
			return refuse("chunk %u at %#llx is not in hidden memory",
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
	sha256_update(&sha, raw + at + sizeof(zero),
		      offsetof(struct nvwa_header, late) - at - sizeof(zero));
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

/* Memory that was found to be hidden, so as not to ask for each of its pages. */
struct span {
	u64 start;
	u64 end;
};

static bool run_hidden(struct span *known, const struct nvwa_run *r)
{
	const u64 section = BIT_ULL(SECTION_SIZE_BITS);
	const u64 start = PFN_PHYS(r->pfn), end = start + r->nr * PAGE_SIZE;
	const u64 around = ALIGN_DOWN(start, section);

	if (start >= known->start && end <= known->end)
		return true;
	if (end <= around + section && memory_hidden(around, section)) {
		*known = (struct span){ around, around + section };
		return true;
	}
	return memory_hidden(start, end - start);
}

/* A huge page is in one piece and aligned in both kernels. */
static bool run_flags_ok(const struct nvwa_run *r, u32 known)
{
	const u64 all = (r->addr >> PAGE_SHIFT) | r->pfn | r->nr;

	return !(r->flags & ~known) &&
	       (!(r->flags & NVWA_RUN_HUGE) || IS_ALIGNED(all, NVWA_HUGE_PAGES));
}

/*
 * The runs of one section: sorted, apart, below limit, in hidden memory, and
 * named by nobody else, with flags that are known. Counts their pages.
 */
static int check_runs(const char *kind, u64 id, const struct nvwa_run *runs, u64 nr_runs,
		      u64 limit, u32 flags, struct pfnset *pages, u64 *nr_pages)
{
	const u64 pfns = PHYS_PFN(NVWA_PHYS_LIMIT);
	struct span known = { 0, 0 };
	u64 i, end = 0;
	int err;

	for (i = 0; i < nr_runs; i++) {
		const struct nvwa_run *r = &runs[i];
		u64 len = (u64)r->nr * PAGE_SIZE;

		if (!run_flags_ok(r, flags) || !r->nr || !PAGE_ALIGNED(r->addr) || r->addr < end ||
		    r->addr >= limit || len > limit - r->addr)
			return refuse("%s %llu: run %llu: %u pages at %#llx, flags %#x",
				      kind, id, i, r->nr, r->addr, r->flags);
		if (r->pfn >= pfns || r->nr > pfns - r->pfn)
			return refuse("%s %llu: run %llu: no such page %#llx",
				      kind, id, i, r->pfn);
		if (!run_hidden(&known, r))
			return refuse("%s %llu: page %#llx is not in hidden memory",
				      kind, id, r->pfn);
		err = pfnset_add(pages, r->pfn, r->nr);
		if (err == -EEXIST)
			return refuse("%s %llu: page %#llx is named twice", kind, id, r->pfn);
		if (err)
			return err;
		end = r->addr + len;
		*nr_pages += r->nr;
		cond_resched();
	}
	return 0;
}

static int check_process(const struct nvwa_section *h, const void *data, struct pfnset *pages,
			 struct record_parts *parts)
{
	struct record_process *p = &parts->processes[parts->nr_processes];
	u32 i;

	if (h->pid <= 0 || h->name_len || h->data_len % sizeof(struct nvwa_run))
		return refuse("pages of process %d: %llu bytes", h->pid, h->data_len);
	for (i = 0; i < parts->nr_processes; i++) {
		if (parts->processes[i].pid == h->pid)
			return refuse("process %d is there twice", h->pid);
	}
	*p = (struct record_process){
		.pid = h->pid,
		.runs = data,
		.nr_runs = h->data_len / sizeof(struct nvwa_run),
	};
	parts->nr_processes++;
	return check_runs("process", p->pid, p->runs, p->nr_runs, TASK_SIZE_MAX,
			  NVWA_RUN_HUGE, pages, &p->nr_pages);
}

static int check_shmem(const struct nvwa_section *h, const void *data, struct pfnset *pages,
		       struct record_parts *parts)
{
	struct record_shmem *p = &parts->shmem[parts->nr_shmem];
	const struct nvwa_shmem *head = data;
	u32 i;

	if (h->pid || h->name_len || h->data_len < sizeof(*head) ||
	    (h->data_len - sizeof(*head)) % sizeof(struct nvwa_run))
		return refuse("pages of shared memory: %llu bytes", h->data_len);
	if (!head->id || head->reserved || head->len > MAX_LFS_FILESIZE)
		return refuse("shared memory %llu: %llu bytes", head->id, head->len);
	for (i = 0; i < parts->nr_shmem; i++) {
		if (parts->shmem[i].id == head->id)
			return refuse("shared memory %llu is there twice", head->id);
	}
	*p = (struct record_shmem){
		.id = head->id,
		.len = head->len,
		.runs = data + sizeof(*head),
		.nr_runs = (h->data_len - sizeof(*head)) / sizeof(struct nvwa_run),
	};
	parts->nr_shmem++;
	return check_runs("shared memory", p->id, p->runs, p->nr_runs, PAGE_ALIGN(p->len), 0,
			  pages, &p->nr_pages);
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
			 struct pfnset *pages, struct record_parts *parts)
{
	switch (h->kind) {
	case NVWA_SECTION_FILE:
		if (h->pid || !record_name_ok(name, h->name_len))
			return refuse("bad file name '%*pE'", (int)h->name_len, name);
		return 0;
	case NVWA_SECTION_PAGES:
		return check_process(h, data, pages, parts);
	case NVWA_SECTION_SHMEM:
		return check_shmem(h, data, pages, parts);
	default:
		return refuse("unknown section kind %u", h->kind);
	}
}

void record_parts_free(struct record_parts *parts)
{
	kvfree(parts->processes);
	kvfree(parts->shmem);
	memset(parts, 0, sizeof(*parts));
}

int record_check_stream(const void *stream, u64 len, u64 nr_pages, struct pfnset *pages,
			struct record_parts *parts)
{
	const struct nvwa_section *head;
	const char *name;
	const void *data;
	u32 nr_processes = 0, nr_shmem = 0;
	u64 pos = 0;
	int more, err;

	memset(parts, 0, sizeof(*parts));
	while ((more = next_section(stream, len, &pos, &head, &name, &data)) > 0) {
		nr_processes += head->kind == NVWA_SECTION_PAGES;
		nr_shmem += head->kind == NVWA_SECTION_SHMEM;
	}
	if (more < 0)
		return more;
	parts->processes = kvcalloc(nr_processes + 1, sizeof(*parts->processes), GFP_KERNEL);
	parts->shmem = kvcalloc(nr_shmem + 1, sizeof(*parts->shmem), GFP_KERNEL);
	if (!parts->processes || !parts->shmem)
		return -ENOMEM;
	pos = 0;
	while (next_section(stream, len, &pos, &head, &name, &data) > 0) {
		err = check_section(head, name, data, pages, parts);
		if (err)
			return err;
	}
	if (pages->nr != nr_pages)
		return refuse("%llu pages named, %llu announced", pages->nr, nr_pages);
	return 0;
}
