// SPDX-License-Identifier: GPL-2.0-only
/* What is read and edited in CRIU's images, byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/images.h"

#define PAGEMAP	0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56
#define CORE	0x19, 0x43, 0x56, 0x54, 0x47, 0x38, 0x05, 0x55
#define MM	0x19, 0x43, 0x56, 0x54, 0x20, 0x28, 0x49, 0x57
#define SHM	0x19, 0x43, 0x56, 0x54, 0x44, 0x30, 0x28, 0x46
#define HEAD	2, 0, 0, 0, 0x08, 1		/* pages_id 1 */


/* A heap copy of exactly the right size, so that the sanitizer sees every byte too many. */
static uint8_t *copy(const uint8_t *data, size_t len)
{
	uint8_t *heap = malloc(len ? len : 1);

	assert_non_null(heap);
	memcpy(heap, data, len);
	return heap;
}

static int written(const uint8_t *data, size_t len, struct nvwa_range **ranges, size_t *nr)
{
	uint8_t *heap = copy(data, len);
	int r;

	*ranges = NULL;
	*nr = 0;
	r = images_written(heap, len, ranges, nr);
	free(heap);
	return r;
}

static void test_written(void **state)
{
	/* lazy 0x1000 x 2; present 0x3000 x 1; both 0x4000 x 1; present 0x6000 x 3 (new field) */
	const uint8_t image[] = {
		PAGEMAP, HEAD,
		7, 0, 0, 0, 0x08, 0x80, 0x20, 0x10, 2, 0x20, 2,
		8, 0, 0, 0, 0x08, 0x80, 0xe0, 0x00, 0x10, 1, 0x20, 4,
		8, 0, 0, 0, 0x08, 0x80, 0x80, 0x01, 0x10, 1, 0x20, 6,
		10, 0, 0, 0, 0x08, 0x80, 0xc0, 0x01, 0x10, 3, 0x20, 4, 0x28, 3,
	};
	struct nvwa_range *ranges;
	size_t nr;

	(void)state;
	assert_int_equal(written(image, sizeof(image), &ranges, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(ranges[0].start, 0x3000);
	assert_int_equal(ranges[0].len, 0x2000);
	assert_int_equal(ranges[1].start, 0x6000);
	assert_int_equal(ranges[1].len, 0x3000);
	free(ranges);
}

static void test_wide_count(void **state)
{
	/* 2^32 pages in the new field, 0 in the old one */
	const uint8_t image[] = {
		PAGEMAP, HEAD,
		13, 0, 0, 0, 0x08, 0x80, 0x20, 0x10, 0, 0x20, 4, 0x28, 0x80, 0x80, 0x80, 0x80, 0x10,
	};
	struct nvwa_range *ranges;
	size_t nr;

	(void)state;
	assert_int_equal(written(image, sizeof(image), &ranges, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(ranges[0].len, 1ULL << 44);
	free(ranges);
}

static void refused(const uint8_t *image, size_t len)
{
	struct nvwa_range *ranges;
	size_t nr;

	assert_int_equal(written(image, len, &ranges, &nr), -EBADMSG);
	assert_null(ranges);
}

#define REFUSED(...) do {						\
	const uint8_t bad[] = { __VA_ARGS__ };				\
									\
	refused(bad, sizeof(bad));					\
} while (0)

static void test_broken(void **state)
{
	(void)state;
	REFUSED(0);
	REFUSED(PAGEMAP);
	REFUSED(CORE, HEAD);
	/* lengths that lead out of the file */
	REFUSED(PAGEMAP, HEAD, 7, 0, 0);
	REFUSED(PAGEMAP, HEAD, 200, 0, 0, 0, 0x08, 0x80, 0x20);
	REFUSED(PAGEMAP, HEAD, 0xff, 0xff, 0xff, 0xff, 0x08);
	/* a number without end; an unknown wire type; bytes that lead out of the message */
	REFUSED(PAGEMAP, HEAD, 3, 0, 0, 0, 0x08, 0x80, 0x80);
	REFUSED(PAGEMAP, HEAD, 2, 0, 0, 0, 0x0b, 0x80);
	REFUSED(PAGEMAP, HEAD, 2, 0, 0, 0, 0x0a, 0x05);
	/* no address; no pages; an address within a page; downwards */
	REFUSED(PAGEMAP, HEAD, 4, 0, 0, 0, 0x10, 2, 0x20, 2);
	REFUSED(PAGEMAP, HEAD, 7, 0, 0, 0, 0x08, 0x80, 0x20, 0x10, 0, 0x20, 2);
	REFUSED(PAGEMAP, HEAD, 7, 0, 0, 0, 0x08, 0x81, 0x20, 0x10, 1, 0x20, 2);
	REFUSED(PAGEMAP, HEAD, 7, 0, 0, 0, 0x08, 0x80, 0x60, 0x10, 1, 0x20, 4,
		7, 0, 0, 0, 0x08, 0x80, 0x20, 0x10, 1, 0x20, 4);
}

#define MM		0x19, 0x43, 0x56, 0x54, 0x20, 0x28, 0x49, 0x57

/* Two areas and a field between them; the first one has advice already. */
static const uint8_t mm_image[] = {
	MM, 24, 0, 0, 0,
	0x72, 10, 0x08, 0x80, 0x20, 0x10, 0x80, 0x40, 0x28, 3, 0x48, 4,
	0x78, 1,
	0x72, 8, 0x08, 0x80, 0x40, 0x10, 0x80, 0x60, 0x28, 3,
};

static void test_bits(void **state)
{
	static const struct nvwa_range first = { 0x1000, 0x1000 }, none = { 0x9000, 0x1000 };
	static const uint8_t want[] = {
		MM, 28, 0, 0, 0,
		0x72, 14, 0x08, 0x80, 0x20, 0x10, 0x80, 0x40, 0x28, 3, 0x48, 4,
		0x48, 0x84, 0x80, 0x10,
		0x78, 1,
		0x72, 8, 0x08, 0x80, 0x40, 0x10, 0x80, 0x60, 0x28, 3,
	};
	uint8_t *image;
	size_t len;

	(void)state;
	assert_int_equal(images_with_bits(mm_image, sizeof(mm_image), &first, 1, VMA_MADVICE,
					  1 << 18, &image, &len), 0);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(image, want, sizeof(want));
	free(image);
	assert_int_equal(images_with_bits(mm_image, sizeof(mm_image), &first, 1, VMA_PROT, 4,
					  &image, &len), 0);
	assert_int_equal(len, sizeof(mm_image) + 2);
	assert_memory_equal(image + 24, ((uint8_t []){ 0x28, 7, 0x78, 1 }), 4);
	free(image);
	assert_int_equal(images_with_bits(mm_image, sizeof(mm_image), &none, 1, VMA_MADVICE,
					  1 << 18, &image, &len), 0);
	assert_int_equal(len, sizeof(mm_image));
	assert_memory_equal(image, mm_image, sizeof(mm_image));
	free(image);
}

static void test_bits_broken(void **state)
{
	static const struct nvwa_range all = { 0, 1ULL << 47 };
	uint8_t *image = NULL;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(mm_image); i++) {
		/* A block of its own, so that a read beyond its end is seen. */
		uint8_t *cut = malloc(i ? i : 1);

		memcpy(cut, mm_image, i);
		assert_int_equal(images_with_bits(cut, i, &all, 1, VMA_MADVICE, 1 << 18, &image,
						  &len), -EBADMSG);
		free(cut);
	}
	assert_null(image);
}

/* Every prefix of a good image is refused or shorter, and nothing is read beyond it. */
static void test_truncated(void **state)
{
	const uint8_t image[] = {
		PAGEMAP, HEAD,
		7, 0, 0, 0, 0x08, 0x80, 0x20, 0x10, 2, 0x20, 2,
		8, 0, 0, 0, 0x08, 0x80, 0xe0, 0x00, 0x10, 1, 0x20, 4,
	};

	(void)state;
	for (size_t cut = 0; cut < sizeof(image); cut++) {
		struct nvwa_range *ranges;
		size_t nr;
		int r = written(image, cut, &ranges, &nr);

		assert_true(r == 0 || r == -EBADMSG);
		free(ranges);
	}
}

static void test_unlock(void **state)
{
	/* vmas (14): 0x1000-0x3000 locked, 0x4000-0x5000 not, 0x5000-0x6000 locked */
	const uint8_t image[] = {
		MM, 38, 0, 0, 0, 0x08, 1,
		0x72, 9, 0x08, 0x80, 0x20, 0x10, 0x80, 0x60, 0x30, 0xa2, 0x40,
		0x72, 10, 0x08, 0x80, 0x80, 0x01, 0x10, 0x80, 0xa0, 0x01, 0x30, 0x22,
		0x72, 11, 0x08, 0x80, 0xa0, 0x01, 0x10, 0x80, 0xc0, 0x01, 0x30, 0xa2, 0x40,
	};
	const uint8_t unlocked[] = {
		MM, 38, 0, 0, 0, 0x08, 1,
		0x72, 9, 0x08, 0x80, 0x20, 0x10, 0x80, 0x60, 0x30, 0xa2, 0x00,
		0x72, 10, 0x08, 0x80, 0x80, 0x01, 0x10, 0x80, 0xa0, 0x01, 0x30, 0x22,
		0x72, 11, 0x08, 0x80, 0xa0, 0x01, 0x10, 0x80, 0xc0, 0x01, 0x30, 0xa2, 0x00,
	};
	/* an area that ends where it begins */
	const uint8_t empty[] = {
		MM, 9, 0, 0, 0, 0x72, 7, 0x08, 0x80, 0x20, 0x10, 0x80, 0x20, 0x30,
	};
	uint8_t *heap = copy(image, sizeof(image));
	struct nvwa_range *ranges = NULL;
	size_t nr = 0;

	(void)state;
	assert_int_equal(images_unlock(heap, sizeof(image), &ranges, &nr), 0);
	assert_memory_equal(heap, unlocked, sizeof(image));
	assert_int_equal(nr, 2);
	assert_int_equal(ranges[0].start, 0x1000);
	assert_int_equal(ranges[0].len, 0x2000);
	assert_int_equal(ranges[1].start, 0x5000);
	assert_int_equal(ranges[1].len, 0x1000);
	free(ranges);
	assert_int_equal(images_unlock(heap, sizeof(image), &ranges, &nr), 0);
	assert_int_equal(nr, 0);
	for (size_t cut = 0; cut < sizeof(image); cut++)
		assert_int_equal(images_unlock(heap, cut, &ranges, &nr), -EBADMSG);
	free(heap);
	heap = copy(empty, sizeof(empty));
	assert_int_equal(images_unlock(heap, sizeof(empty), &ranges, &nr), -EBADMSG);
	free(heap);
}

static void test_rseq(void **state)
{
	/* thread_core (5) { rseq_entry (15) { pointer 0x7f00, size 32 } } */
	const uint8_t good[] = {
		CORE, 14, 0, 0, 0,
		0x08, 1, 0x2a, 10, 0x08, 0, 0x7a, 6, 0x08, 0x80, 0xfe, 0x01, 0x10, 32,
	};
	/* the size is missing */
	const uint8_t bad[] = {
		CORE, 10, 0, 0, 0, 0x2a, 8, 0x08, 0, 0x7a, 4, 0x08, 0x80, 0xfe, 0x01,
	};
	const uint8_t none[] = { CORE, 4, 0, 0, 0, 0x2a, 2, 0x08, 0 };
	struct images_rseq rseq;

	(void)state;
	assert_int_equal(images_core_rseq(good, sizeof(good), &rseq), 0);
	assert_int_equal(rseq.addr, 0x7f00);
	assert_int_equal(rseq.len, 32);
	assert_int_equal(images_core_rseq(none, sizeof(none), &rseq), 0);
	assert_int_equal(rseq.len, 0);
	assert_int_equal(images_core_rseq(bad, sizeof(bad), &rseq), -EBADMSG);
	assert_int_equal(images_core_rseq(none, 3, &rseq), -EBADMSG);
}

static void image_write(int dir, const char *name, const uint8_t *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static size_t image_read(int dir, const char *name, uint8_t *data, size_t size)
{
	int fd = openat(dir, name, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, data, size);
	assert_true(n >= 0);
	close(fd);
	return n;
}

static void test_segments(void **state)
{
	/* desc { key 0 id N } size 56 in_pagemaps 1, for 5, 0 and 32770 */
	static const uint8_t five[] = { 10, 0, 0, 0, 0x0a, 4, 0x08, 0, 0x38, 5, 0x10, 56, 0x18, 1 };
	static const uint8_t zero[] = { 10, 0, 0, 0, 0x0a, 4, 0x08, 0, 0x38, 0, 0x10, 56, 0x18, 1 };
	static const uint8_t large[] = {
		12, 0, 0, 0, 0x0a, 6, 0x08, 0, 0x38, 0x82, 0x80, 2, 0x10, 56, 0x18, 1,
	};
	/* The same without in_pagemaps: contents follow, which are not understood. */
	static const uint8_t with_contents[] = {
		8, 0, 0, 0, 0x0a, 4, 0x08, 0, 0x38, 5, 0x10, 56, 1, 2, 3, 4,
	};
	static const uint8_t magic[] = { SHM };
	const uint32_t ids[] = { 0, 32770 };
	uint8_t image[256], got[256], *at = image;
	char path[] = "/tmp/test-images-XXXXXX";
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	at = mempcpy(at, magic, sizeof(magic));
	at = mempcpy(at, five, sizeof(five));
	at = mempcpy(at, zero, sizeof(zero));
	at = mempcpy(at, large, sizeof(large));
	image_write(dir, "ipcns-shm-4.img", image, at - image);
	image_write(dir, "ipcns-sem-4.img", image, at - image);
	image_write(dir, "ipcns-msg-4.img", image, 8);
	image_write(dir, "core-4.img", image, at - image);
	assert_int_equal(images_keep_segments(dir, ids, 2), 0);
	assert_int_equal(image_read(dir, "ipcns-shm-4.img", got, sizeof(got)),
			 8 + sizeof(zero) + sizeof(large));
	assert_memory_equal(got, magic, 8);
	assert_memory_equal(got + 8, zero, sizeof(zero));
	assert_memory_equal(got + 8 + sizeof(zero), large, sizeof(large));
	assert_int_equal(image_read(dir, "ipcns-sem-4.img", got, sizeof(got)), 8);
	assert_int_equal(image_read(dir, "ipcns-msg-4.img", got, sizeof(got)), 8);
	assert_int_equal(image_read(dir, "core-4.img", got, sizeof(got)), at - image);

	memcpy(image + 8, with_contents, sizeof(with_contents));
	image_write(dir, "ipcns-shm-4.img", image, 8 + sizeof(with_contents));
	assert_int_equal(images_keep_segments(dir, ids, 2), -EBADMSG);
	image_write(dir, "ipcns-shm-4.img", image, 8 + 9);
	assert_int_equal(images_keep_segments(dir, ids, 2), -EBADMSG);
	assert_int_equal(unlinkat(dir, "ipcns-shm-4.img", 0), 0);
	assert_int_equal(unlinkat(dir, "ipcns-sem-4.img", 0), 0);
	assert_int_equal(unlinkat(dir, "ipcns-msg-4.img", 0), 0);
	assert_int_equal(unlinkat(dir, "core-4.img", 0), 0);
	close(dir);
	rmdir(path);
}

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
	for (; number > 0x7f; number >>= 7)
		*at++ = number | 0x80;
	*at++ = number;
	return at;
}

static uint8_t *put_message(uint8_t *at, uint8_t field, const uint8_t *body, size_t len)
{
	at = put_number(at, field << 3 | 2);
	at = put_number(at, len);
	memcpy(at, body, len);
	return at + len;
}

struct registers {
	uint64_t ax, orig_ax, ip, mode;
};

/* A core image of a thread with these; its length. */
static size_t make_core(uint8_t image[128], const struct registers *r)
{
	const struct {
		unsigned int field;
		uint64_t value;
	} numbers[] = { { 11, r->ax }, { 16, r->orig_ax }, { 17, r->ip }, { 28, r->mode } };
	const uint8_t magic[] = { CORE };
	uint8_t body[64], info[80], *at = body, *end;

	for (size_t i = 0; i < 4; i++) {
		at = put_number(at, numbers[i].field << 3);
		at = put_number(at, numbers[i].value);
	}
	end = put_message(info, 2, body, at - body);
	memcpy(image, magic, sizeof(magic));
	at = put_message(image + 12, 2, info, end - info);
	memset(image + 8, 0, 4);
	image[8] = at - (image + 12);

	return at - image;
}

/* The images have the same numbers, if not as many digits of them. */
static void repeats(const struct registers *before, const struct registers *after)
{
	uint8_t image[128], wanted[128];
	size_t len = make_core(image, before);
	uint8_t *heap = copy(image, len);
	uint64_t ax = 0;

	assert_int_equal(images_repeat_poll(heap, len), after ? 1 : 0);
	if (!after) {
		assert_memory_equal(heap, image, len);
		free(heap);
		return;
	}
	/* Ten digits of ax, as before. */
	make_core(wanted, after);
	for (int i = 0; i < 10; i++)
		ax |= (uint64_t)(heap[17 + i] & 0x7f) << 7 * i;
	assert_int_equal(ax, after->ax);
	assert_int_equal(heap[26] & 0x80, 0);
	assert_memory_equal(heap + 27, wanted + 18, len - 27);
	free(heap);
}

static void test_repeat_poll(void **state)
{
	const uint64_t eintr = -EINTR, at = 0x7f1234567802;
	const uint8_t no_registers[] = { CORE, 2, 0, 0, 0, 0x08, 1 };
	const uint8_t broken[] = { CORE, 5, 0, 0, 0, 0x12, 3, 0x12, 1, 0x58 };
	uint8_t *heap;

	(void)state;
	repeats(&(struct registers){ eintr, 7, at, 1 }, &(struct registers){ 7, 7, at - 2, 1 });
	repeats(&(struct registers){ eintr, 35, at, 1 }, NULL);
	repeats(&(struct registers){ 1, 7, at, 1 }, NULL);
	repeats(&(struct registers){ eintr, -1, at, 1 }, NULL);
	/* What has this number for programs of 32 bits. */
	repeats(&(struct registers){ eintr, 7, 0x8048002, 2 }, NULL);

	heap = copy(no_registers, sizeof(no_registers));
	assert_int_equal(images_repeat_poll(heap, sizeof(no_registers)), 0);
	free(heap);
	heap = copy(broken, sizeof(broken));
	assert_int_equal(images_repeat_poll(heap, sizeof(broken)), -EBADMSG);
	free(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_wide_count),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_bits_broken),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_unlock),
		cmocka_unit_test(test_rseq),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_repeat_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
