// SPDX-License-Identifier: GPL-2.0-only
/* The few things nvwa reads and edits in CRIU's images. */
#include "lib/apps/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/apps/memory.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* criu/include/magic.h of CRIU */
#define IMG_COMMON_MAGIC	0x54564319
#define PAGEMAP_MAGIC		0x56084025
#define CORE_MAGIC		0x55053847
#define MM_MAGIC		0x57492820
#define IPCNS_SHM_MAGIC		0x46283044

/* criu/include/pagemap.h of CRIU */
#define PE_PRESENT		(1 << 2)

/* images/pagemap.proto: in version 4.2 field 2 was joined by a wider field 5 */
#define PAGEMAP_VADDR		1
#define PAGEMAP_NR_PAGES_OLD	2
#define PAGEMAP_FLAGS		4
#define PAGEMAP_NR_PAGES	5

/* images/mm.proto, images/vma.proto */
#define MM_VMAS			14
#define VMA_START		1
#define VMA_END			2
#define VMA_FLAGS		6
#define VMA_STATUS		7

/* criu/include/image.h of CRIU */
#define VMA_AREA_VDSO		(1 << 3)

/* images/core.proto, images/rseq.proto */
#define CORE_THREAD		5
#define THREAD_RSEQ		15
#define RSEQ_POINTER		1
#define RSEQ_SIZE		2

/* images/core-x86.proto */
#define CORE_INFO		2
#define INFO_REGISTERS		2
#define REGISTER_AX		11
#define REGISTER_ORIG_AX	16
#define REGISTER_IP		17
#define REGISTERS_MODE		28
#define MODE_COMPAT		2

/* Of the instructions syscall, sysenter and int $0x80. */
#define SYSCALL_LEN		2

/* images/timens.proto: two messages of seconds and nanoseconds */
#define TIMENS_MONOTONIC	1
#define TIMENS_BOOTTIME		2
#define TIMESPEC_SECONDS	1
#define TIMESPEC_NANOSECONDS	2

/* images/ipc-shm.proto, images/ipc-desc.proto */
#define SHM_DESC		1
#define SHM_IN_PAGEMAPS		3
#define DESC_ID			7

/* protobuf's wire types */
#define WIRE_VARINT		0
#define WIRE_FIXED64		1
#define WIRE_BYTES		2
#define WIRE_FIXED32		5

struct reader {
	const uint8_t *at, *end;
};

struct field {
	uint32_t number, type;
	uint64_t value;		/* WIRE_VARINT */
	struct reader bytes;	/* WIRE_BYTES; of a number: how it is written */
};

static int read_varint(struct reader *r, uint64_t *value)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*value = v;
			return 0;
		}
	}

	return -EBADMSG;
}

/* The next field of a message: 1, 0 at its end, -EBADMSG. */
static int read_field(struct reader *r, struct field *f)
{
	uint64_t key, len = 0;

	if (r->at == r->end)
		return 0;
	if (read_varint(r, &key) < 0)
		return -EBADMSG;
	f->number = key >> 3;
	f->type = key & 7;

	switch (f->type) {
	case WIRE_VARINT:
		f->bytes.at = r->at;
		if (read_varint(r, &f->value) < 0)
			return -EBADMSG;
		f->bytes.end = r->at;
		return 1;
	case WIRE_FIXED64:
		len = 8;
		break;
	case WIRE_FIXED32:
		len = 4;
		break;
	case WIRE_BYTES:
		if (read_varint(r, &len) < 0)
			return -EBADMSG;
		break;
	default:
		return -EBADMSG;
	}
	if (len > (uint64_t)(r->end - r->at))
		return -EBADMSG;
	f->bytes.at = r->at;
	f->bytes.end = r->at += len;

	return 1;
}

/* The last field of this number and type: 1, 0 if there is none, -EBADMSG. */
static int find_field(struct reader message, uint32_t number, uint32_t type, struct field *found)
{
	struct field f;
	int r, result = 0;

	while ((r = read_field(&message, &f)) > 0) {
		if (f.number == number && f.type == type) {
			*found = f;
			result = 1;
		}
	}

	return r < 0 ? r : result;
}

static uint32_t get_u32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static int read_magic(struct reader *image, uint32_t magic)
{
	if (image->end - image->at < 8 || get_u32(image->at) != IMG_COMMON_MAGIC ||
	    get_u32(image->at + 4) != magic)
		return -EBADMSG;
	image->at += 8;

	return 0;
}

/* The next message of an image: 1, 0 at its end, -EBADMSG. */
static int read_message(struct reader *image, struct reader *message)
{
	uint32_t len;

	if (image->at == image->end)
		return 0;
	if (image->end - image->at < 4)
		return -EBADMSG;
	len = get_u32(image->at);
	image->at += 4;
	if (len > image->end - image->at)
		return -EBADMSG;
	message->at = image->at;
	message->end = image->at += len;

	return 1;
}

struct pagemap_entry {
	uint64_t vaddr, nr_pages, flags;
};

static int read_pagemap_entry(struct reader message, struct pagemap_entry *e)
{
	uint64_t old_nr = 0, wide_nr = 0;
	bool have_vaddr = false;
	struct field f;
	int r;

	memset(e, 0, sizeof(*e));
	while ((r = read_field(&message, &f)) > 0) {
		if (f.type != WIRE_VARINT)
			continue;
		if (f.number == PAGEMAP_VADDR) {
			e->vaddr = f.value;
			have_vaddr = true;
		} else if (f.number == PAGEMAP_NR_PAGES_OLD) {
			old_nr = f.value;
		} else if (f.number == PAGEMAP_NR_PAGES) {
			wide_nr = f.value;
		} else if (f.number == PAGEMAP_FLAGS) {
			e->flags = f.value;
		}
	}
	e->nr_pages = wide_nr ? wide_nr : old_nr;

	if (r < 0 || !have_vaddr || !e->nr_pages || e->vaddr % NVWA_PAGE_SIZE ||
	    e->nr_pages > (UINT64_MAX - e->vaddr) / NVWA_PAGE_SIZE)
		return -EBADMSG;
	return 0;
}

int images_written(const uint8_t *data, size_t len, struct nvwa_range **ranges, size_t *nr_ranges)
{
	struct reader image = { data, data + len }, message;
	_cleanup_free_ struct nvwa_range *list = NULL;
	size_t nr = 0;
	int r;

	if (read_magic(&image, PAGEMAP_MAGIC) < 0)
		return -EBADMSG;
	/* The head names the file of the pages; the entries follow. */
	if (read_message(&image, &message) <= 0)
		return -EBADMSG;

	while ((r = read_message(&image, &message)) > 0) {
		struct pagemap_entry e;

		r = read_pagemap_entry(message, &e);
		/* criu walks the address space upwards. */
		if (!r && e.flags & PE_PRESENT)
			r = ranges_append(&list, &nr, e.vaddr, e.nr_pages * NVWA_PAGE_SIZE);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;

	*ranges = steal_ptr(list);
	*nr_ranges = nr;
	return 0;
}

/* Write another number where one is, with as many bytes; it may not be larger. */
static void rewrite_varint(const uint8_t *end, uint8_t *at, uint64_t value)
{
	for (; at < end - 1; at++, value >>= 7)
		*at = value | 0x80;
	*at = value & 0x7f;
}

struct area {
	uint64_t start, end, flags, status;
	const uint8_t *flags_at, *flags_end;
};

static int read_area(struct reader message, struct area *a)
{
	const uint8_t *before = message.at;
	struct field f;
	int r;

	memset(a, 0, sizeof(*a));
	for (; (r = read_field(&message, &f)) > 0; before = message.at) {
		if (f.type != WIRE_VARINT)
			continue;
		if (f.number == VMA_START) {
			a->start = f.value;
		} else if (f.number == VMA_END) {
			a->end = f.value;
		} else if (f.number == VMA_STATUS) {
			a->status = f.value;
		} else if (f.number == VMA_FLAGS) {
			a->flags = f.value;
			/* The key of a field below 16 is one byte. */
			a->flags_at = before + 1;
			a->flags_end = message.at;
		}
	}

	return r < 0 || a->end <= a->start || (a->start | a->end) % NVWA_PAGE_SIZE ? -EBADMSG : 0;
}

/* The next area of the mm message: 1, 0 at its end, -EBADMSG. */
static int next_area(struct reader *mm, struct area *a)
{
	struct field f;
	int r;

	while ((r = read_field(mm, &f)) > 0) {
		if (f.number != MM_VMAS || f.type != WIRE_BYTES)
			continue;
		r = read_area(f.bytes, a);
		return r < 0 ? r : 1;
	}

	return r;
}

static int read_mm(const uint8_t *data, size_t len, struct reader *mm)
{
	struct reader image = { data, data + len };

	return read_magic(&image, MM_MAGIC) < 0 || read_message(&image, mm) <= 0 ? -EBADMSG : 0;
}

int images_unlock(uint8_t *data, size_t len, struct nvwa_range **ranges, size_t *nr_ranges)
{
	_cleanup_free_ struct nvwa_range *list = NULL;
	struct reader mm;
	struct area a;
	size_t nr = 0;
	int r;

	r = read_mm(data, len, &mm);
	if (r < 0)
		return r;
	while ((r = next_area(&mm, &a)) > 0) {
		if (!(a.flags & MAP_LOCKED))
			continue;
		rewrite_varint(data + (a.flags_end - data), data + (a.flags_at - data),
			       a.flags & ~(uint64_t)MAP_LOCKED);
		r = ranges_append(&list, &nr, a.start, a.end - a.start);
		if (r < 0)
			break;
	}
	if (r < 0)
		return r;

	*ranges = steal_ptr(list);
	*nr_ranges = nr;
	return 0;
}

int images_vdso(const uint8_t *data, size_t len, struct nvwa_range *vdso)
{
	struct reader mm;
	struct area a;
	int r;

	r = read_mm(data, len, &mm);
	if (r < 0)
		return r;
	while ((r = next_area(&mm, &a)) > 0) {
		if (!(a.status & VMA_AREA_VDSO))
			continue;
		vdso->start = a.start;
		vdso->len = a.end - a.start;
		return 0;
	}

	return r < 0 ? r : -ENOENT;
}

int images_core_rseq(const uint8_t *data, size_t len, struct images_rseq *rseq)
{
	struct reader image = { data, data + len }, message;
	struct field f, pointer = { 0 }, size = { 0 };
	int r;

	memset(rseq, 0, sizeof(*rseq));
	if (read_magic(&image, CORE_MAGIC) < 0 || read_message(&image, &message) <= 0)
		return -EBADMSG;

	r = find_field(message, CORE_THREAD, WIRE_BYTES, &f);
	if (r > 0)
		r = find_field(f.bytes, THREAD_RSEQ, WIRE_BYTES, &f);
	if (r <= 0)
		return r;
	r = find_field(f.bytes, RSEQ_POINTER, WIRE_VARINT, &pointer);
	if (r > 0)
		r = find_field(f.bytes, RSEQ_SIZE, WIRE_VARINT, &size);
	if (r < 0 || !r || size.value > NVWA_PAGE_SIZE)
		return -EBADMSG;
	if (pointer.value) {
		rseq->addr = pointer.value;
		rseq->len = size.value;
	}

	return 0;
}

static void rewrite_field(uint8_t *data, const struct field *f, uint64_t value)
{
	rewrite_varint(f->bytes.end, data + (f->bytes.at - data), value);
}

int images_repeat_poll(uint8_t *data, size_t len)
{
	struct reader image = { data, data + len }, message;
	struct field f = { 0 }, ax = { 0 }, orig_ax = { 0 }, ip = { 0 };
	int r;

	if (read_magic(&image, CORE_MAGIC) < 0 || read_message(&image, &message) <= 0)
		return -EBADMSG;
	/* What has ended has no registers. */
	r = find_field(message, CORE_INFO, WIRE_BYTES, &f);
	if (r > 0)
		r = find_field(f.bytes, INFO_REGISTERS, WIRE_BYTES, &f);
	if (r <= 0)
		return r;
	message = f.bytes;
	r = find_field(message, REGISTERS_MODE, WIRE_VARINT, &f);
	if (r < 0 || find_field(message, REGISTER_AX, WIRE_VARINT, &ax) <= 0 ||
	    find_field(message, REGISTER_ORIG_AX, WIRE_VARINT, &orig_ax) <= 0 ||
	    find_field(message, REGISTER_IP, WIRE_VARINT, &ip) <= 0)
		return -EBADMSG;
	if ((r > 0 && f.value == MODE_COMPAT) || orig_ax.value != SYS_poll ||
	    ax.value != (uint64_t)-EINTR)
		return 0;
	rewrite_field(data, &ax, SYS_poll);
	rewrite_field(data, &ip, ip.value - SYSCALL_LEN);

	return 1;
}

int images_replace(int dirfd, const char *name, const void *data, size_t len)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? n : 0;
	}

	return 0;
}

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	while (value > 0x7f) {
		*at++ = value | 0x80;
		value >>= 7;
	}
	*at++ = value;

	return at;
}

static uint8_t *put_timespec(uint8_t *at, uint32_t field, uint64_t ns)
{
	uint8_t body[24], *end = body;

	end = put_varint(end, TIMESPEC_SECONDS << 3 | WIRE_VARINT);
	end = put_varint(end, ns / 1000000000);
	end = put_varint(end, TIMESPEC_NANOSECONDS << 3 | WIRE_VARINT);
	end = put_varint(end, ns % 1000000000);
	at = put_varint(at, field << 3 | WIRE_BYTES);
	at = put_varint(at, end - body);
	memcpy(at, body, end - body);

	return at + (end - body);
}

static bool meets(uint64_t start, uint64_t end, const struct nvwa_range *ranges, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (ranges[i].start < end && start < ranges[i].start + ranges[i].len)
			return true;

	return false;
}

/*
 * Copy the message of an area, with more bits in a field if it is meant.
 * Where a field of a message comes twice, the last one counts.
 */
static int put_vma(uint8_t **to, struct reader message, const struct nvwa_range *ranges, size_t nr,
		   enum images_vma_field field, uint64_t bits)
{
	uint8_t extra[16], *end = extra;
	struct field start = { 0 }, stop = { 0 }, f;
	uint64_t old = 0;
	int r;

	if (find_field(message, VMA_START, WIRE_VARINT, &start) <= 0 ||
	    find_field(message, VMA_END, WIRE_VARINT, &stop) <= 0)
		return -EBADMSG;
	r = find_field(message, field, WIRE_VARINT, &f);
	if (r < 0)
		return r;
	if (r > 0)
		old = f.value;
	if (meets(start.value, stop.value, ranges, nr)) {
		end = put_varint(end, field << 3 | WIRE_VARINT);
		end = put_varint(end, old | bits);
	}
	*to = put_varint(*to, MM_VMAS << 3 | WIRE_BYTES);
	*to = put_varint(*to, message.end - message.at + (end - extra));
	memcpy(*to, message.at, message.end - message.at);
	*to += message.end - message.at;
	memcpy(*to, extra, end - extra);
	*to += end - extra;

	return 0;
}

/* An area's message grows by the field (at most 11 bytes), and its length by one. */
#define VMA_GROWS	16
#define VMA_LEAST	8	/* of bytes, with what it must have */

int images_with_bits(const uint8_t *data, size_t len, const struct nvwa_range *ranges, size_t nr,
		     enum images_vma_field field, uint64_t bits, uint8_t **image,
		     size_t *image_len)
{
	struct reader old = { data, data + len }, message;
	_cleanup_free_ uint8_t *copy = malloc(len + len / VMA_LEAST * VMA_GROWS + VMA_GROWS);
	uint8_t *at = copy, *body;
	const uint8_t *from;
	struct field f;
	int r;

	if (!copy)
		return -ENOMEM;
	if (read_magic(&old, MM_MAGIC) < 0 || read_message(&old, &message) != 1 ||
	    old.at != old.end)
		return -EBADMSG;
	memcpy(at, data, 12);
	body = at += 12;
	for (from = message.at; (r = read_field(&message, &f)) > 0; from = message.at) {
		if (f.number == MM_VMAS && f.type == WIRE_BYTES) {
			r = put_vma(&at, f.bytes, ranges, nr, field, bits);
			if (r < 0)
				return r;
		} else {
			memcpy(at, from, message.at - from);
			at += message.at - from;
		}
	}
	if (r < 0)
		return r;
	for (int i = 0; i < 4; i++)
		copy[8 + i] = (at - body) >> 8 * i;
	*image_len = at - copy;
	*image = steal_ptr(copy);

	return 0;
}

int images_set_bits(int dirfd, pid_t pid, const struct nvwa_range *ranges, size_t nr,
		    enum images_vma_field field, uint64_t bits)
{
	_cleanup_free_ uint8_t *image = NULL;
	_cleanup_free_ char *old = NULL;
	size_t len, new_len = 0;
	char name[32];
	int r;

	snprintf(name, sizeof(name), "mm-%d.img", pid);
	r = file_read_at(dirfd, name, &old, &len);
	if (!r)
		r = images_with_bits((uint8_t *)old, len, ranges, nr, field, bits, &image,
				     &new_len);

	return r < 0 ? r : images_replace(dirfd, name, image, new_len);
}

static int set_clocks(int dirfd, const char *name, uint64_t monotonic_ns, uint64_t boottime_ns)
{
	_cleanup_free_ char *old = NULL;
	uint8_t image[128], *body = image + 12, *end = body;
	size_t len;
	int r;

	r = file_read_at(dirfd, name, &old, &len);
	if (r < 0)
		return r;
	/* Two magic numbers, and a length of 32 bits. */
	if (len < 12 || get_u32((uint8_t *)old) != IMG_COMMON_MAGIC)
		return -EBADMSG;
	memcpy(image, old, 8);
	end = put_timespec(end, TIMENS_MONOTONIC, monotonic_ns);
	end = put_timespec(end, TIMENS_BOOTTIME, boottime_ns);
	image[8] = end - body;
	memset(image + 9, 0, 3);

	return images_replace(dirfd, name, image, end - image);
}

/* The number of a segment whose contents are not in this image: 1, or -EBADMSG. */
static int segment_id(struct reader message, uint64_t *id)
{
	struct field f;
	int r;

	r = find_field(message, SHM_IN_PAGEMAPS, WIRE_VARINT, &f);
	if (r > 0 && f.value)
		r = find_field(message, SHM_DESC, WIRE_BYTES, &f);
	if (r > 0)
		r = find_field(f.bytes, DESC_ID, WIRE_VARINT, &f);
	*id = f.value;

	return r ? r : -EBADMSG;
}

static int keep_segments(int dirfd, const char *name, const uint32_t *ids, size_t nr)
{
	_cleanup_free_ char *old = NULL, *kept = NULL;
	struct reader image, message;
	size_t len, used = 8;
	uint64_t id;
	int r;

	r = file_read_at(dirfd, name, &old, &len);
	if (r < 0)
		return r;
	image = (struct reader){ (uint8_t *)old, (uint8_t *)old + len };
	kept = malloc(len + 1);
	if (!kept)
		return -ENOMEM;
	if (read_magic(&image, IPCNS_SHM_MAGIC) < 0)
		return -EBADMSG;
	memcpy(kept, old, used);
	while ((r = read_message(&image, &message)) > 0) {
		size_t whole = message.end - message.at + 4;

		r = segment_id(message, &id);
		if (r < 0)
			return r;
		for (size_t i = 0; i < nr; i++) {
			if (ids[i] != id)
				continue;
			memcpy(kept + used, message.at - 4, whole);
			used += whole;
			break;
		}
	}

	return r < 0 ? r : images_replace(dirfd, name, kept, used);
}

/* Leave nothing but the two magic numbers. */
static int empty_image(int dirfd, const char *name)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC);

	return fd < 0 || ftruncate(fd, 8) ? -errno : 0;
}

int images_keep_segments(int dirfd, const uint32_t *ids, size_t nr)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while (!r && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!strncmp(name, "ipcns-shm-", 10))
			r = keep_segments(dirfd, name, ids, nr);
		else if (!strncmp(name, "ipcns-sem-", 10) || !strncmp(name, "ipcns-msg-", 10))
			r = empty_image(dirfd, name);
	}

	return r;
}

int images_set_clocks(int dirfd, uint64_t monotonic_ns, uint64_t boottime_ns)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while (!r && (entry = readdir(dir))) {
		/* One image: the number is that of the namespace. */
		if (!strncmp(entry->d_name, "timens-", 7))
			r = set_clocks(dirfd, entry->d_name, monotonic_ns, boottime_ns);
	}

	return r;
}
