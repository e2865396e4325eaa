// SPDX-License-Identifier: GPL-2.0-only
/* alloc_large_system_hash() of the kernel's mm/mm_init.c, for another machine's RAM. */
#include "lib/kexec/tables.h"

#include "uapi/record.h"

/* struct page, 64 bytes for each page: not counted as RAM that tables are made for. */
#define MAP_SHARE	64

/* The kernel rounds RAM up to this many pages, 1 MiB. */
#define ROUND_PAGES	(1048576 / NVWA_PAGE_SIZE)

/* ADAPT_SCALE_NPAGES and ADAPT_SCALE_SHIFT: from 64 GiB on, tables grow more slowly. */
#define ADAPT_PAGES	((64ULL << 30) / NVWA_PAGE_SIZE)
#define ADAPT_SHIFT	2

static const struct table {
	const char *name;	/* its parameter */
	unsigned int scale;	/* one entry for 2^scale bytes of RAM */
	unsigned int bucket;	/* bytes an entry */
	uint64_t low, high;	/* limits; high 0: a sixteenth of RAM */
} tables[] = {
	{ "dhash_entries", 13, 8, 2, 0 },		/* fs/dcache.c */
	{ "ihash_entries", 14, 8, 0, 0 },		/* fs/inode.c */
	{ "mhash_entries", 19, 8, 0, 0 },		/* fs/namespace.c, twice */
	{ "mphash_entries", 19, 8, 0, 0 },
	{ "thash_entries", 17, 8, 0, 512 * 1024 },	/* net/ipv4/tcp.c */
	{ "uhash_entries", 21, 32, 256, 64 * 1024 },	/* net/ipv4/udp.c */
};

#define NR_TABLES	(sizeof(tables) / sizeof(tables[0]))

_Static_assert(NR_TABLES + 3 == TABLE_PARAMS, "besides: metrics of TCP, DMA pool, conntrack");

static uint64_t power_of_two(uint64_t n)
{
	uint64_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

/* The largest power of two that does not exceed n, which is not 0. */
static uint64_t power_below(uint64_t n)
{
	uint64_t p = power_of_two(n);

	return p > n ? p >> 1 : p;
}

static uint64_t entries(const struct table *t, uint64_t pages, uint64_t scratch)
{
	uint64_t most = scratch / 16 / t->bucket, n;
	unsigned int scale = t->scale;

	pages = (pages + ROUND_PAGES - 1) / ROUND_PAGES * ROUND_PAGES;
	for (uint64_t adapt = ADAPT_PAGES; !t->high && adapt < pages; adapt <<= ADAPT_SHIFT)
		scale++;
	n = pages >> (scale - NVWA_PAGE_SHIFT);
	if (n * t->bucket < NVWA_PAGE_SIZE)
		n = NVWA_PAGE_SIZE / t->bucket;
	n = power_of_two(n);
	if (n < t->low)
		n = t->low;
	if (t->high && n > t->high)
		n = t->high;
	return n > most ? power_below(most ? most : 1) : n;
}

/* tcp_metrics_init() in net/ipv4/tcp_metrics.c */
static uint64_t tcp_metrics(uint64_t pages)
{
	return pages >= 128 * 1024 ? 16 * 1024 : 8 * 1024;
}

/* dma_atomic_pool_init() in kernel/dma/pool.c: 128 KiB for 1 GiB, in KiB. */
static uint64_t coherent_pool(uint64_t pages)
{
	uint64_t kib = pages / 8192 * (NVWA_PAGE_SIZE / 1024);

	return kib < 128 ? 128 : kib > 4096 ? 4096 : kib;
}

/*
 * nf_conntrack_expect_init() in net/netfilter/nf_conntrack_expect.c: a 256th of the
 * buckets for connections, which can be given later, other than these.
 */
static uint64_t conntrack_expected(uint64_t pages)
{
	return (pages * NVWA_PAGE_SIZE > 4ULL << 30 ? 262144 : 65536) / 256;
}

/* The pages that tables are made for. */
static uint64_t counted_pages(uint64_t ram)
{
	return ram / NVWA_PAGE_SIZE / MAP_SHARE * (MAP_SHARE - 1);
}

uint64_t tables_bytes(uint64_t ram, uint64_t scratch)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < NR_TABLES; i++)
		bytes += entries(&tables[i], counted_pages(ram), scratch) * tables[i].bucket;
	return bytes;
}

void tables_for(uint64_t ram, uint64_t scratch, struct table_param params[TABLE_PARAMS])
{
	uint64_t pages = counted_pages(ram);
	size_t nr = 0;

	for (; nr < NR_TABLES; nr++)
		params[nr] = (struct table_param){
			tables[nr].name, entries(&tables[nr], pages, scratch), "",
		};
	params[nr++] = (struct table_param){ "tcpmhash_entries", tcp_metrics(pages), "" };
	params[nr++] = (struct table_param){ "coherent_pool", coherent_pool(pages), "K" };
	params[nr++] = (struct table_param){ "nf_conntrack.expect_hashsize",
					     conntrack_expected(pages), "" };
}
