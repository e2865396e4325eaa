// SPDX-License-Identifier: GPL-2.0-only
/* The program's own memory: data, bss, heap, a deep stack, and its arguments. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define LEN	MIB

static unsigned char data_mem[LEN] __attribute__((aligned(4096))) = { 1 };
static unsigned char bss_mem[LEN] __attribute__((aligned(4096)));
static struct area data = { .name = "data", .seed = 171, .len = LEN, .mem = data_mem };
static struct area bss = { .name = "bss", .seed = 172, .len = LEN, .mem = bss_mem };
static struct area untouched_bss = { .name = "brk", .seed = 173, .len = LEN };
static struct area heap = { .name = "heap", .seed = 174, .len = LEN };
static struct area stack = { .name = "stack", .seed = 175, .len = 64 * PAGE };
static const char *words;
static char *at_break;

static unsigned char *align(void *mem)
{
	return (unsigned char *)(((uintptr_t)mem + PAGE - 1) & ~(PAGE - 1));
}

/* What lies below the stack pointer is the program's too, until it is written over. */
static __attribute__((noinline)) void dig(void)
{
	unsigned char mem[128 * PAGE];

	stack.mem = align(mem);
	area_fill(&stack);
	__asm__ volatile("" : : "r"(mem) : "memory");
}

static void prepare(int argc, char **argv)
{
	area_fill(&data);
	area_fill(&bss);
	heap.mem = align(malloc(heap.len + PAGE));
	area_fill(&heap);
	untouched_bss.mem = align(sbrk(untouched_bss.len + PAGE));
	area_fill(&untouched_bss);
	at_break = sbrk(0);
	dig();
	words = argc > 0 ? argv[0] : "";
	if (setenv("WORKLOAD", "program", 1) < 0)
		die("setenv");
}

static void verify(void)
{
	area_check(&stack);
	area_check(&data);
	area_check(&bss);
	area_check(&heap);
	area_check(&untouched_bss);
	if (sbrk(0) != at_break || sbrk(PAGE) != at_break || sbrk(-(long)PAGE) == (void *)-1)
		wrong("the program's break has moved");
	if (strcmp(words, "one argument") || strcmp(getenv("WORKLOAD"), "program"))
		wrong("arguments or environment have changed");
}

const struct workload workload = { "program", prepare, verify };
