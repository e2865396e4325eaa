// SPDX-License-Identifier: GPL-2.0-only
/* Unpacking gzip, xz, zstd and lz4 with the libraries of the same names. */
#include "lib/kexec/decompress.h"

#include <errno.h>
#include <lz4.h>
#include <lzma.h>
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

static int unpack_xz(const void *data, size_t len, struct output *o)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret state;
	int r = 0;

	if (lzma_stream_decoder(&z, UINT64_MAX, 0) != LZMA_OK)
		return -ENOMEM;
	z.next_in = data;
	z.avail_in = len;
	do {
		r = grow(o, FIRST_SIZE);
		if (r)
			break;
		z.next_out = (uint8_t *)o->data + o->len;
		z.avail_out = FIRST_SIZE;
		state = lzma_code(&z, LZMA_RUN);
		o->len += FIRST_SIZE - z.avail_out;
		if (state != LZMA_OK && state != LZMA_STREAM_END)
			r = state == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
	} while (!r && state != LZMA_STREAM_END);

	lzma_end(&z);
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
	{ "BZh",			3, "bzip2", NULL },
	{ "\x5d\x00\x00",		3, "lzma",  NULL },
	{ "\x89LZO",			4, "lzo",   NULL },
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
	} else if (!formats[i].unpack) {
		return error_set(err, EOPNOTSUPP, "it is packed with %s, which is not supported",
				 formats[i].name);
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
