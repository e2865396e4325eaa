// SPDX-License-Identifier: GPL-2.0-only
/* Adopting the record, and unpacking its files. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/record/stream.h"

/* The file of the record that is an order to us, see orders.c. */
#define ORDERS	"adopt"

static int read_handover(struct nvwa_adopt *adopt, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	const char *nonce;
	char *end;
	int r = file_read(NVWA_HANDOVER_FILE, &text, NULL);

	if (r < 0)
		return error_set(err, -r, "the initramfs has no " NVWA_HANDOVER_FILE);
	adopt->header_phys = strtoull(text, &end, 16);
	nonce = end + strspn(end, " ");
	for (int i = 0; i < NVWA_NONCE_LEN; i++) {
		unsigned int byte;

		if (sscanf(nonce + 2 * i, "%2x", &byte) != 1)
			return error_set(err, EBADMSG, NVWA_HANDOVER_FILE " is not well formed");
		adopt->nonce[i] = byte;
	}
	return 0;
}

static const char *reason(int code)
{
	switch (code) {
	case ENOENT:
		return "the old kernel left no record (a boot without a jump?)";
	case EKEYREJECTED:
		return "the record in memory is another update's";
	case EBADMSG:
		return "the record is damaged: a checksum is wrong";
	case EPROTONOSUPPORT:
		return "the record has a version that this kernel's module nvwa does not know";
	case EINVAL:
		return "the record contradicts itself";
	default:
		return strerror(code);
	}
}

/* In place: the scratch is small, and the module has a copy already. */
static int map_stream(int keeper, struct record *record, struct error *err)
{
	void *stream;

	record->len = record->adopt.record_len;
	/* A byte more, as an empty record is possible. */
	stream = mmap(NULL, record->len + 1, PROT_READ, MAP_PRIVATE, keeper, 0);
	if (stream == MAP_FAILED)
		return error_set(err, errno, "the record cannot be read: %s", strerror(errno));
	record->stream = stream;

	return 0;
}

/* Go through all sections once: the record is sound, and the orders are found. */
static int find_orders(struct record *record, struct error *err)
{
	struct stream_section s;
	size_t pos = 0;
	int r;

	while ((r = stream_next(record->stream, record->len, &pos, &s)) > 0) {
		if (s.head.kind != NVWA_SECTION_FILE || s.head.name_len != strlen(ORDERS) ||
		    memcmp(s.name, ORDERS, strlen(ORDERS)))
			continue;
		free(record->orders);
		record->orders = strndup(s.data, s.head.data_len);
	}
	if (r < 0)
		return error_set(err, -r, "the record's sections are not well formed");
	if (!record->orders)
		record->orders = strdup("");
	return record->orders ? 0 : -ENOMEM;
}

int record_adopt(int keeper, struct record *record, struct error *err)
{
	int r;

	record->adopt.size = sizeof(record->adopt);
	r = read_handover(&record->adopt, err);
	if (!r && ioctl(keeper, NVWA_IOC_ADOPT, &record->adopt))
		r = error_set(err, errno, "%s", reason(errno));
	if (!r)
		r = map_stream(keeper, record, err);
	if (!r)
		r = find_orders(record, err);
	if (!r)
		log_info("adopted a record of %zu bytes and %llu pages", record->len,
			 (unsigned long long)record->adopt.nr_pages);
	return r;
}

int record_unpack(const struct record *record, struct error *err)
{
	/* Images of programs are nobody else's business. */
	mode_t mask = umask(077);
	struct stream_section s;
	size_t pos = 0;
	int r = 0;

	while (!r && stream_next(record->stream, record->len, &pos, &s) > 0) {
		char path[sizeof(NVWA_STATE_DIR) + 256];

		if (s.head.kind != NVWA_SECTION_FILE)
			continue;
		r = path_format(path, sizeof(path), NVWA_STATE_DIR "/%.*s",
				(int)s.head.name_len, s.name);
		if (!r)
			r = file_write(path, s.data, s.head.data_len, 0600);
		if (r)
			error_set(err, -r, "the record's file %.*s cannot be written: %s",
				  (int)s.head.name_len, s.name, strerror(-r));
	}

	umask(mask);
	return r;
}

void record_free(struct record *record)
{
	if (record->stream)
		munmap((void *)record->stream, record->len + 1);
	free(record->orders);
	*record = (struct record){ 0 };
}
