// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that knows nothing of nvwa: its memory lies half on NUMA node 0 and
 * half on node 1, where it has put it once.
 *
 * usage: numa DIR MB [keep]
 *
 * With "keep" the memory policies stay set, otherwise only the placement is
 * left. DIR/ready appears when all is filled; the N-th SIGUSR1 makes
 * DIR/result.N: "<pages on their node> <pages elsewhere> <bad pages>".
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE		4096UL
#define MIB		(1UL << 20)
#define NR_NODES	2
#define BATCH		1024

static void die(const char *what)
{
	fprintf(stderr, "numa: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set_policy(void *mem, size_t len, int mode, unsigned long nodes)
{
	/* The kernel takes one bit less than it is told. */
	if (syscall(SYS_mbind, mem, len, mode, nodes ? &nodes : NULL,
		    nodes ? NR_NODES + 1UL : 0UL, 0UL))
		die("mbind");
}

static uint64_t word(int node, size_t page)
{
	return (uint64_t)(node + 1) << 56 | page;
}

static void fill(unsigned char *mem, size_t len, int node)
{
	for (size_t i = 0; i < len / PAGE; i++)
		for (size_t k = 0; k < PAGE / 8; k++)
			((uint64_t *)(mem + i * PAGE))[k] = word(node, i);
}

static void verify(const unsigned char *mem, size_t len, int node, unsigned long count[3])
{
	static void *pages[BATCH];
	static int status[BATCH];

	for (size_t i = 0; i < len / PAGE; i += BATCH) {
		for (size_t k = 0; k < BATCH; k++)
			pages[k] = (void *)(mem + (i + k) * PAGE);
		/* Without nodes to go to it only tells where the pages are. */
		if (syscall(SYS_move_pages, 0, (unsigned long)BATCH, pages, NULL, status, 0))
			die("move_pages");
		for (size_t k = 0; k < BATCH; k++) {
			const uint64_t *p = pages[k];

			count[status[k] != node]++;
			for (size_t w = 0; w < PAGE / 8; w++) {
				if (p[w] != word(node, i + k)) {
					count[2]++;
					break;
				}
			}
		}
	}
}

static void write_result(const char *dir, const char *name, const unsigned long count[3])
{
	char path[300], made[320];
	FILE *f;

	snprintf(made, sizeof(made), "%s/.new", dir);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(made, "w");
	if (!f)
		die(made);
	fprintf(f, "%lu %lu %lu\n", count[0], count[1], count[2]);
	if (fclose(f) || rename(made, path))
		die(path);
}

int main(int argc, char **argv)
{
	unsigned char *mem[NR_NODES];
	unsigned long none[3] = { 0 };
	size_t len;
	sigset_t set;
	int number;

	if (argc < 3)
		return 2;
	len = strtoul(argv[2], NULL, 10) * MIB / NR_NODES;
	if (!len || len % (BATCH * PAGE))
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);

	for (int node = 0; node < NR_NODES; node++) {
		mem[node] = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
		if (mem[node] == MAP_FAILED)
			die("mmap");
		set_policy(mem[node], len, MPOL_BIND, 1UL << node);
		fill(mem[node], len, node);
		if (argc < 4)
			set_policy(mem[node], len, MPOL_DEFAULT, 0);
	}
	write_result(argv[1], "ready", none);
	for (int n = 1; !sigwait(&set, &number); n++) {
		unsigned long count[3] = { 0 };
		char name[32];

		for (int node = 0; node < NR_NODES; node++)
			verify(mem[node], len, node, count);
		snprintf(name, sizeof(name), "result.%d", n);
		write_result(argv[1], name, count);
	}
	return 1;
}
