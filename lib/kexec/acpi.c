// SPDX-License-Identifier: GPL-2.0-only
/* ACPI specification 6.4, section 5.2: RSDP, RSDT, XSDT, MADT. All numbers are little endian. */
#include "lib/kexec/acpi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "uapi/park.h"

#define TABLE_MAX	(1U << 20)	/* bytes of a table; a larger one is damaged */

/* The root pointer, section 5.2.5.3; before revision 2 it ends with the RSDT's address. */
struct rsdp {
	char signature[8];
	uint8_t checksum;	/* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

#define RSDP_SIGNATURE	"RSD PTR "
#define RSDP_V1_LEN	20

struct table {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6 + 8 + 4];
	char creator[4 + 4];
} __attribute__((packed));

#define MADT_ENTRIES	(sizeof(struct table) + 8)	/* local APIC's address, flags */
#define MADT_SIGNATURE	"APIC"

struct madt_entry {
	uint8_t type;
	uint8_t length;
} __attribute__((packed));

#define MADT_LOCAL_APIC		0	/* flags at offset 4 */
#define MADT_LOCAL_X2APIC	9	/* flags at offset 8 */
#define MADT_WAKEUP		0x10
#define MADT_ENABLED		1U	/* in the flags */

/* Section 5.2.12.19, and version 1 of it by the kernel's include/acpi/actbl2.h. */
struct wakeup {
	struct madt_entry header;
	uint16_t version;
	uint32_t reserved;
	uint64_t mailbox;
	uint64_t reset_vector;
} __attribute__((packed));

/* What the tables of ours begin with: the root pointer, and the machine's own. */
struct head {
	struct rsdp rsdp;
	char mark[8];
	uint64_t original;
} __attribute__((packed));

#define MARK		"NVWAPARK"

/* Tables are aligned to this. */
#define ALIGN		16

static uint8_t sum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

static int read_rsdp(const struct acpi_memory *m, uint64_t at, struct rsdp *rsdp)
{
	int r = m->read(m->ctx, at, rsdp, sizeof(*rsdp));

	if (r < 0)
		return r;
	if (memcmp(rsdp->signature, RSDP_SIGNATURE, sizeof(rsdp->signature)) ||
	    sum(rsdp, RSDP_V1_LEN) || (rsdp->revision >= 2 && sum(rsdp, sizeof(*rsdp))))
		return -EBADMSG;
	return 0;
}

/* A whole table, malloc()ed, with a right checksum. */
static int read_table(const struct acpi_memory *m, uint64_t at, const char *signature,
		      struct table **table)
{
	_cleanup_free_ struct table *t = NULL;
	struct table head;
	int r = m->read(m->ctx, at, &head, sizeof(head));

	if (r < 0)
		return r;
	if (memcmp(head.signature, signature, sizeof(head.signature)))
		return -ENOENT;
	if (head.length < sizeof(head) || head.length > TABLE_MAX)
		return -EBADMSG;
	t = malloc(head.length);
	if (!t)
		return -ENOMEM;
	r = m->read(m->ctx, at, t, head.length);
	if (r < 0)
		return r;
	if (t->length != head.length || sum(t, t->length))
		return -EBADMSG;
	*table = steal_ptr(t);
	return 0;
}

static void seal(struct table *t)
{
	t->checksum = 0;
	t->checksum = -sum(t, t->length);
}

int acpi_original(const struct acpi_memory *m, uint64_t *rsdp, uint64_t *area)
{
	struct head head;
	int r;

	*area = 0;
	if (*rsdp >= NVWA_PARK_END)
		return 0;
	r = m->read(m->ctx, *rsdp, &head, sizeof(head));
	if (r < 0 || memcmp(head.mark, MARK, sizeof(head.mark)))
		return r;
	*area = *rsdp - NVWA_PARK_TABLES;
	*rsdp = head.original;
	return 0;
}

/* Not aligned. */
static char *entry_of(struct table *xsdt, size_t i)
{
	return (char *)(xsdt + 1) + i * sizeof(uint64_t);
}

/* The root table as an XSDT, whichever the machine has; its entries are physical addresses. */
static int read_root(const struct acpi_memory *m, const struct rsdp *rsdp, struct table **xsdt)
{
	bool wide = rsdp->revision >= 2 && rsdp->xsdt;
	size_t width = wide ? sizeof(uint64_t) : sizeof(uint32_t), nr;
	struct table *root, *made;
	int r;

	r = wide ? read_table(m, rsdp->xsdt, "XSDT", &root) :
		   read_table(m, rsdp->rsdt, "RSDT", &root);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	nr = (root->length - sizeof(*root)) / width;
	made = calloc(1, sizeof(*made) + nr * sizeof(uint64_t));
	if (made) {
		*made = *root;
		memcpy(made->signature, "XSDT", sizeof(made->signature));
		made->length = sizeof(*made) + nr * sizeof(uint64_t);
		made->revision = 1;
		for (size_t i = 0; i < nr; i++)
			memcpy(entry_of(made, i), (char *)(root + 1) + i * width, width);
	}
	free(root);
	*xsdt = made;
	return made ? 0 : -ENOMEM;
}

/* Which entry of the XSDT is the MADT, and the MADT. */
static int find_madt(const struct acpi_memory *m, struct table *xsdt, size_t *which,
		     struct table **madt)
{
	size_t nr = (xsdt->length - sizeof(*xsdt)) / sizeof(uint64_t);

	for (size_t i = 0; i < nr; i++) {
		uint64_t at;
		int r;

		memcpy(&at, entry_of(xsdt, i), sizeof(at));
		r = read_table(m, at, MADT_SIGNATURE, madt);
		*which = i;
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

/* Go through the entries. -ENOTSUP: one is a wakeup structure. */
static int count_cpus(const struct table *madt, uint32_t *nr_cpus)
{
	size_t at = MADT_ENTRIES;

	*nr_cpus = 0;
	while (at < madt->length) {
		const char *p = (const char *)madt + at;
		struct madt_entry e;
		uint32_t flags = 0;

		if (madt->length - at < sizeof(e))
			return -EBADMSG;
		memcpy(&e, p, sizeof(e));
		if (e.length < sizeof(e) || e.length > madt->length - at)
			return -EBADMSG;
		if (e.type == MADT_WAKEUP)
			return -ENOTSUP;
		if (e.type == MADT_LOCAL_APIC && e.length >= 8)
			memcpy(&flags, p + 4, sizeof(flags));
		else if (e.type == MADT_LOCAL_X2APIC && e.length >= 12)
			memcpy(&flags, p + 8, sizeof(flags));
		*nr_cpus += flags & MADT_ENABLED;
		at += e.length;
	}

	return 0;
}

static size_t align(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* original: where that root pointer lies; which: the MADT's entry in the XSDT. */
static int put_together(const struct rsdp *rsdp, uint64_t original, struct table *xsdt,
			size_t which, const struct table *madt, uint64_t area,
			struct acpi_tables *t)
{
	const struct wakeup wakeup = {
		.header = { MADT_WAKEUP, sizeof(wakeup) },
		.version = 1,
		.mailbox = area + NVWA_PARK_MAILBOX,
		.reset_vector = area + NVWA_PARK_RESET,
	};
	size_t xsdt_at = align(sizeof(struct head)), madt_at = xsdt_at + align(xsdt->length);
	uint64_t base = area + NVWA_PARK_TABLES, madt_phys = base + madt_at;
	struct head *head;

	t->len = madt_at + madt->length + sizeof(wakeup);
	if (t->len > NVWA_PARK_LEN - NVWA_PARK_TABLES)
		return -E2BIG;
	t->data = calloc(1, t->len);
	if (!t->data)
		return -ENOMEM;
	t->rsdp = base;
	t->madt = madt_at;
	t->wakeup = madt_at + madt->length;

	memcpy(entry_of(xsdt, which), &madt_phys, sizeof(madt_phys));
	seal(xsdt);
	memcpy(t->data + xsdt_at, xsdt, xsdt->length);
	memcpy(t->data + madt_at, madt, madt->length);
	memcpy(t->data + t->wakeup, &wakeup, sizeof(wakeup));
	((struct table *)(t->data + madt_at))->length += sizeof(wakeup);
	seal((struct table *)(t->data + madt_at));

	head = (struct head *)t->data;
	head->rsdp = *rsdp;
	head->rsdp.revision = 2;
	head->rsdp.length = sizeof(head->rsdp);
	head->rsdp.xsdt = base + xsdt_at;
	head->rsdp.checksum = head->rsdp.extended_checksum = 0;
	memset(head->rsdp.reserved, 0, sizeof(head->rsdp.reserved));
	head->rsdp.checksum = -sum(&head->rsdp, RSDP_V1_LEN);
	head->rsdp.extended_checksum = -sum(&head->rsdp, sizeof(head->rsdp));
	memcpy(head->mark, MARK, sizeof(head->mark));
	head->original = original;
	return 0;
}

int acpi_wakeup(const struct acpi_memory *m, uint64_t rsdp_at, uint64_t area,
		struct acpi_tables *tables, struct error *err)
{
	_cleanup_free_ struct table *xsdt = NULL, *madt = NULL;
	struct acpi_tables made = { 0 };
	struct rsdp rsdp;
	size_t which = 0;
	int r;

	r = read_rsdp(m, rsdp_at, &rsdp);
	if (!r)
		r = read_root(m, &rsdp, &xsdt);
	if (!r)
		r = find_madt(m, xsdt, &which, &madt);
	if (!r)
		r = madt->length < MADT_ENTRIES ? -EBADMSG : count_cpus(madt, &made.nr_cpus);
	if (!r)
		r = put_together(&rsdp, rsdp_at, xsdt, which, madt, area, &made);
	switch (r) {
	case 0:
		*tables = made;
		return 0;
	case -ENOTSUP:
		return error_set(err, ENOTSUP, "the firmware has a mailbox of its own for CPUs");
	case -EBADMSG:
		return error_set(err, EBADMSG, "the ACPI tables at %#" PRIx64 " are damaged",
				 rsdp_at);
	case -E2BIG:
		return error_set(err, E2BIG, "the ACPI tables have no room below 1 MiB");
	default:
		return error_set(err, -r, "the ACPI tables at %#" PRIx64 " cannot be read: %s",
				 rsdp_at, strerror(-r));
	}
}
