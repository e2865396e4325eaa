// SPDX-License-Identifier: GPL-2.0-only
/* Unpacking what the kernel's build can pack, with the libraries of the same names. */
#include "lib/kexec/decompress.h"

#include <bzlib.h>
#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/base/cleanup.h"

#define FIRST_SIZE	(1UL << 20)

/* The frame of "lz4 -l": a magic, then blocks of up to 8 MiB, each after its packed size. */
#define LZ4_LEGACY_BLOCK	(8UL << 20)

/* A window of 128 MiB, the most that "zstd --ultra" uses without --long. */
#define WINDOW_LOG_MAX	27

struct output {
	char *data;
	size_t len, size, limit;
};

/* Make room behind what is there. */
static int grow(struct output *o, size_t want)
{
	size_t size = o->size ? o->size : FIRST_SIZE;
	char *bigger;

	while (size - o->len < want)
		size *= 2;
	if (size == o->size)
		return 0;
	if (o->len + want > o->limit)
		return -EFBIG;
	bigger = realloc(o->data, size);
	if (!bigger)
		return -ENOMEM;
	o->data = bigger;
	o->size = size;
	return 0;
}

static int unpack_gzip(const void *data, size_t len, struct output *o)
{
	z_stream z = { .next_in = (Bytef *)data, .avail_in = len };
	int state, r = 0;

	if (len > UINT32_MAX)
		return -EFBIG;
	/* 15 bits of window, and 16 for a gzip header, as zlib.h has it. */
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return -ENOMEM;
	do {
		r = grow(o, FIRST_SIZE);
		if (r)
			break;
		z.next_out = (Bytef *)o->data + o->len;
		z.avail_out = FIRST_SIZE;
		state = inflate(&z, Z_NO_FLUSH);
		o->len += FIRST_SIZE - z.avail_out;
		if (state != Z_OK && state != Z_STREAM_END)
			r = state == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	} while (!r && state != Z_STREAM_END);

	inflateEnd(&z);
	return r;
}

/* Either of liblzma's two: the decoder is ready, or could not be made. */
static int unpack_lzma_stream(lzma_stream *z, lzma_ret state, const void *data, size_t len,
			      struct output *o)
{
	int r = 0;

	if (state != LZMA_OK)
		return -ENOMEM;
	z->next_in = data;
	z->avail_in = len;
	do {
		r = grow(o, FIRST_SIZE);
		if (r)
			break;
		z->next_out = (uint8_t *)o->data + o->len;
		z->avail_out = FIRST_SIZE;
		state = lzma_code(z, LZMA_RUN);
		o->len += FIRST_SIZE - z->avail_out;
		if (state != LZMA_OK && state != LZMA_STREAM_END)
			r = state == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
	} while (!r && state != LZMA_STREAM_END);

	lzma_end(z);
	return r;
}

static int unpack_xz(const void *data, size_t len, struct output *o)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret state = lzma_stream_decoder(&z, UINT64_MAX, 0);

	return unpack_lzma_stream(&z, state, data, len, o);
}

static int unpack_lzma(const void *data, size_t len, struct output *o)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret state = lzma_alone_decoder(&z, UINT64_MAX);

	return unpack_lzma_stream(&z, state, data, len, o);
}

static int unpack_bzip2(const void *data, size_t len, struct output *o)
{
	bz_stream z = { .next_in = (char *)data, .avail_in = len };
	int state, r = 0;

	if (len > UINT32_MAX)
		return -EFBIG;
	if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK)
		return -ENOMEM;
	do {
		r = grow(o, FIRST_SIZE);
		if (r)
			break;
		z.next_out = o->data + o->len;
		z.avail_out = FIRST_SIZE;
		state = BZ2_bzDecompress(&z);
		o->len += FIRST_SIZE - z.avail_out;
		/* It waits for more if there is still room and nothing left to read. */
		if ((state != BZ_OK && state != BZ_STREAM_END) ||
		    (state == BZ_OK && !z.avail_in && z.avail_out))
			r = state == BZ_MEM_ERROR ? -ENOMEM : -EBADMSG;
	} while (!r && state != BZ_STREAM_END);

	BZ2_bzDecompressEnd(&z);
	return r;
}

static int unpack_zstd(const void *data, size_t len, struct output *o)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = { .src = data, .size = len };
	size_t left;
	int r = 0;

	if (!z)
		return -ENOMEM;
	/* The kernel is packed with --ultra, whose window is larger than the default allows. */
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	do {
		r = grow(o, FIRST_SIZE);
		if (r)
			break;
		ZSTD_outBuffer out = { .dst = o->data + o->len, .size = FIRST_SIZE };

		left = ZSTD_decompressStream(z, &out, &in);
		o->len += out.pos;
		if (ZSTD_isError(left) || (left && in.pos == in.size && out.pos < out.size))
			r = -EBADMSG;
	} while (!r && left);

	ZSTD_freeDStream(z);
	return r;
}

static uint32_t get_le32(const unsigned char *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static int unpack_lz4(const void *data, size_t len, struct output *o)
{
	const unsigned char *p = data;
	size_t pos = 4;

	/* Four bytes at the end are no block but the kernel's note of the size. */
	while (len - pos > 4) {
		size_t packed = get_le32(p + pos);
		int n, r;

		pos += 4;
		if (packed > len - pos || packed > LZ4_COMPRESSBOUND(LZ4_LEGACY_BLOCK))
			return -EBADMSG;
		r = grow(o, LZ4_LEGACY_BLOCK);
		if (r)
			return r;
		n = LZ4_decompress_safe((const char *)p + pos, o->data + o->len, packed,
					LZ4_LEGACY_BLOCK);
		if (n < 0)
			return -EBADMSG;
		o->len += n;
		pos += packed;
	}

	return 0;
}

/*
 * The file of lzop(1), as far as the kernel's lib/decompress_unlzo.c takes it:
 * the header's fields in their order, all big endian, then blocks.
 */
#define LZOP_MAGIC_LEN	9
#define LZOP_VERSIONS_LEN 7		/* of the format, the library, lzop; the method */
#define LZOP_LEVEL	0x0940		/* from this version on: a level, mtime's upper half */
#define LZOP_ADLER32	1		/* in the flags: each block has that sum, unpacked */
#define LZOP_BLOCK	(256UL << 10)	/* at most, unpacked */

struct input {
	const unsigned char *at;
	size_t left;
};

/* The next bytes, or NULL if there are not so many. */
static const unsigned char *take(struct input *in, size_t len)
{
	const unsigned char *at = in->at;

	if (len > in->left)
		return NULL;
	in->at += len;
	in->left -= len;
	return at;
}

static bool take_be32(struct input *in, uint32_t *value)
{
	const unsigned char *p = take(in, sizeof(*value));

	if (!p)
		return false;
	*value = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
	return true;
}

static bool skip_lzop_header(struct input *in)
{
	const unsigned char *version, *name_len;
	uint32_t flags;
	bool level;

	if (!take(in, LZOP_MAGIC_LEN))
		return false;
	version = take(in, LZOP_VERSIONS_LEN);
	if (!version)
		return false;
	level = (version[0] << 8 | version[1]) >= LZOP_LEVEL;
	if (!take(in, level ? 1 : 0) || !take_be32(in, &flags) || !(flags & LZOP_ADLER32))
		return false;
	/* The mode and mtime; then the name, and a sum of all this. */
	if (!take(in, level ? 12 : 8))
		return false;
	name_len = take(in, 1);
	return name_len && take(in, *name_len + 4);
}

/* Sizes unpacked and packed, the sum, the data; a size of 0 ends the file. */
static int unpack_lzo(const void *data, size_t len, struct output *o)
{
	struct input in = { .at = data, .left = len };
	uint32_t size, packed_len, sum;
	const unsigned char *packed;
	lzo_uint got;
	int r;

	if (lzo_init() != LZO_E_OK || !skip_lzop_header(&in))
		return -EBADMSG;
	while (take_be32(&in, &size)) {
		unsigned char *to;

		if (!size)
			return 0;
		if (size > LZOP_BLOCK || !take_be32(&in, &packed_len) || !take_be32(&in, &sum) ||
		    packed_len > size)
			return -EBADMSG;
		packed = take(&in, packed_len);
		if (!packed)
			return -EBADMSG;
		r = grow(o, size);
		if (r)
			return r;
		to = (unsigned char *)o->data + o->len;
		got = size;
		/* What cannot be made smaller is there as it is. */
		if (packed_len == size)
			memcpy(to, packed, size);
		else if (lzo1x_decompress_safe(packed, packed_len, to, &got, NULL) != LZO_E_OK)
			return -EBADMSG;
		if (got != size || adler32(adler32(0, NULL, 0), to, size) != sum)
			return -EBADMSG;
		o->len += size;
	}

	return -EBADMSG;
}

/* Magics as in the kernel's lib/decompress.c; xz and zstd from their own specifications. */
static const struct {
	const char *magic;
	size_t len;
	const char *name;
	int (*unpack)(const void *data, size_t len, struct output *o);
} formats[] = {
	{ "\x1f\x8b",			2, "gzip",  unpack_gzip },
	{ "\xfd" "7zXZ\0",		6, "xz",    unpack_xz },
	{ "\x28\xb5\x2f\xfd",		4, "zstd",  unpack_zstd },
	{ "\x02\x21\x4c\x18",		4, "lz4",   unpack_lz4 },
	{ "BZh",			3, "bzip2", unpack_bzip2 },
	{ "\x5d\x00\x00",		3, "lzma",  unpack_lzma },
	{ "\x89LZO\0\r\n\x1a\n",	9, "lzo",   unpack_lzo },
};

int decompress(const void *data, size_t len, size_t limit, char **out, size_t *out_len,
	       struct error *err)
{
	struct output o = { .limit = limit };
	size_t i;
	int r;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (len >= formats[i].len && !memcmp(data, formats[i].magic, formats[i].len))
			break;
	}

	if (i == sizeof(formats) / sizeof(formats[0])) {
		r = grow(&o, len);
		if (!r) {
			memcpy(o.data, data, len);
			o.len = len;
		}
	} else {
		r = formats[i].unpack(data, len, &o);
	}
	if (r < 0) {
		free(o.data);
		return error_set(err, -r, "its %s data cannot be unpacked (%s)",
				 i < sizeof(formats) / sizeof(formats[0]) ? formats[i].name : "raw",
				 r == -EBADMSG ? "damaged or truncated" : strerror(-r));
	}

	*out = o.data;
	*out_len = o.len;
	return 0;
}
