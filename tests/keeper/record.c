// SPDX-License-Identifier: GPL-2.0-only
/* Writing a record by hand into memory that is hidden from this kernel. */
#include "new.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct hidden hidden;

void *at(uint64_t offset)
{
	return hidden.mem + offset;
}

uint64_t pfn_at(uint64_t offset)
{
	return (hidden.base + offset) / PAGE;
}

void section(struct record *r, uint32_t kind, int32_t pid, const char *name, const void *data,
	     size_t len, uint64_t nr_pages)
{
	struct nvwa_section s = {
		.kind = kind, .pid = pid, .name_len = strlen(name), .data_len = len,
	};

	memcpy(r->stream + r->len, &s, sizeof(s));
	r->len += sizeof(s);
	memcpy(r->stream + r->len, name, s.name_len);
	r->len += (s.name_len + 7) / 8 * 8;
	memcpy(r->stream + r->len, data, len);
	r->len += (len + 7) / 8 * 8;
	r->nr_pages += nr_pages;
}

void header_seal(struct nvwa_header *h)
{
	struct sha256 sha;
	uint8_t digest[32];

	memset(h->header_sha256, 0, 32);
	sha256_init(&sha);
	sha256_update(&sha, h, offsetof(struct nvwa_header, late));
	sha256_final(&sha, digest);
	memcpy(h->header_sha256, digest, 32);
}

/* Write stream and header where the module will look for them. */
void record_write(const struct record *r)
{
	static const uint64_t lens[] = { 5000, 65536, 100001 };
	struct nvwa_header h = {
		.magic = NVWA_RECORD_MAGIC,
		.version = NVWA_RECORD_VERSION,
		.header_len = sizeof(h),
		.record_len = r->len,
		.nr_pages = r->nr_pages,
		.nonce = NONCE,
		.seal_tsc = 1, .seal_realtime_ns = 2, .seal_boottime_ns = 3,
		.tsc_khz = 4, .tai_offset_s = 37,
		.writer = "keeper test",
	};
	struct sha256 sha;
	uint64_t pos = 0, len;
	int i;

	for (i = 0; pos < r->len; i++) {
		len = i < 3 ? lens[i] : 4 * MIB;
		if (len > r->len - pos)
			len = r->len - pos;
		h.chunks[i].phys = hidden.base + CHUNKS_AT + i * 4 * MIB;
		h.chunks[i].len = len;
		memcpy(at(CHUNKS_AT + i * 4 * MIB), r->stream + pos, len);
		pos += len;
	}
	h.nr_chunks = i;
	sha256_init(&sha);
	sha256_update(&sha, r->stream, r->len);
	sha256_final(&sha, h.record_sha256);
	header_seal(&h);
	memcpy(at(HEADER_AT), &h, sizeof(h));
}

int adopt(int fd, struct nvwa_adopt *a)
{
	*a = (struct nvwa_adopt){ .header_phys = hidden.base + HEADER_AT, .nonce = NONCE };
	return keeper_call(fd, NVWA_IOC_ADOPT, a);
}

void hidden_map(uint64_t base, uint64_t len)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);

	hidden.base = base;
	hidden.len = len;
	hidden.mem = mmap(NULL, hidden.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, hidden.base);
	if (fd < 0 || hidden.mem == MAP_FAILED)
		bail("cannot map memory at %#llx: is it hidden?", (unsigned long long)hidden.base);
	close(fd);
}
