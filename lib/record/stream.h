/* SPDX-License-Identifier: GPL-2.0-only */
/* Walking the record's stream of sections; no allocation, usable in nvwa-init. */
#ifndef NVWA_RECORD_STREAM_H
#define NVWA_RECORD_STREAM_H

#include <stddef.h>
#include "uapi/record.h"

struct stream_section {
	struct nvwa_section head;
	const char *name;	/* head.name_len bytes, no NUL */
	const void *data;	/* head.data_len bytes */
};

/*
 * The section at *pos of a stream of len bytes; *pos moves behind it. Returns
 * 1, 0 at the end, or -EBADMSG where the stream contradicts itself (lengths,
 * padding, unknown kinds or flags, names that leave the state directory).
 */
int stream_next(const void *stream, size_t len, size_t *pos, struct stream_section *s);

/* The runs of pages that a section names, and how many; 0 if it is a file. */
size_t stream_runs(const struct stream_section *s, const struct nvwa_run **runs);

#endif
