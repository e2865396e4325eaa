// SPDX-License-Identifier: GPL-2.0-only
/* Placing the segments, and handing them to the running kernel. */
#include "lib/kexec/load.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kexec.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/kexec/bootparams.h"
#include "lib/kexec/kaslr.h"

#define LOW_END		(1ULL << 20)	/* BIOS data, and the kernel's own trampolines */
#define FOUR_GIB	(1ULL << 32)

enum { SEGMENT_KERNEL, SEGMENT_PARAMS, SEGMENT_INITRAMFS };

static uint64_t page_align(uint64_t n)
{
	return (n + NVWA_PAGE_SIZE - 1) & ~(NVWA_PAGE_SIZE - 1);
}

static bool is_scratch(const struct memmap *scratch, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < scratch->nr; i++) {
		const struct memmap_entry *e = &scratch->entries[i];

		if (start >= e->start && end <= e->start + e->len)
			return true;
	}
	return false;
}

/* The lowest free room from `from` on, in the scratch and below 4 GiB; 0 if there is none. */
static uint64_t find_room(const struct memmap *scratch, uint64_t from, uint64_t len)
{
	for (size_t i = 0; i < scratch->nr; i++) {
		const struct memmap_entry *e = &scratch->entries[i];
		uint64_t start = e->start > from ? e->start : from;

		if (start + len <= e->start + e->len && start + len <= FOUR_GIB)
			return start;
	}
	return 0;
}

/* Behind the kernel, so that nothing that it does before it reads its map can hit them. */
static bool place_rest(const struct memmap *scratch, struct nvwa_range segments[LOAD_SEGMENTS])
{
	uint64_t at = segments[SEGMENT_KERNEL].start + segments[SEGMENT_KERNEL].len;

	for (int i = SEGMENT_PARAMS; i <= SEGMENT_INITRAMFS; i++) {
		segments[i].start = find_room(scratch, at, segments[i].len);
		if (!segments[i].start)
			return false;
		at = segments[i].start + segments[i].len;
	}

	return true;
}

/*
 * Try one place after the other for the kernel, from its link address on, until
 * there was room for all in as many as wanted, or no place is left. Returns
 * in how many; the segments are in the last of them if it is as many as wanted.
 */
static uint64_t try_places(const struct load *l, uint64_t wanted,
			   struct nvwa_range segments[LOAD_SEGMENTS])
{
	const struct memmap *scratch = &l->plan->scratch;
	uint64_t align = l->image->header.kernel_alignment, room = image_room(l->image);
	uint64_t nr = 0;

	for (size_t i = 0; i < scratch->nr; i++) {
		const struct memmap_entry *e = &scratch->entries[i];
		uint64_t end = e->start + e->len < FOUR_GIB ? e->start + e->len : FOUR_GIB;
		uint64_t at = e->start > l->image->load_addr ? e->start : l->image->load_addr;

		for (at = (at + align - 1) & ~(align - 1); at + room <= end && nr < wanted;
		     at += align) {
			segments[SEGMENT_KERNEL].start = at;
			if (place_rest(scratch, segments))
				nr++;
		}
	}

	return nr;
}

static int place_at_random(const struct load *l, struct nvwa_range segments[LOAD_SEGMENTS],
			   struct error *err)
{
	uint64_t nr = try_places(l, UINT64_MAX, segments), nth;
	int r;

	if (!nr)
		return error_set(err, ENOSPC, "The scratch has no room for the kernel and what "
				 "goes with it below 4 GiB. A larger scratch is needed.");
	r = kaslr_random(nr, &nth);
	if (r < 0)
		return error_set(err, -r, "the kernel gave no random numbers");
	try_places(l, nth + 1, segments);
	return 0;
}

int load_place(const struct load *l, struct nvwa_range segments[LOAD_SEGMENTS], struct error *err)
{
	struct bootparams b = {
		.image = l->image, .next = &l->plan->next, .cmdline = l->cmdline,
		.efi = l->efi, .rsdp = l->rsdp,
	};

	segments[SEGMENT_KERNEL] = (struct nvwa_range){
		.start = l->image->load_addr, .len = l->image->load_end - l->image->load_addr,
	};
	segments[SEGMENT_PARAMS].len = bootparams_size(&b);
	segments[SEGMENT_INITRAMFS].len = page_align(l->initramfs_len);

	if (l->image->kaslr && l->image->load_addr >= LOW_END)
		return place_at_random(l, segments, err);

	if (l->image->load_addr < LOW_END ||
	    !is_scratch(&l->plan->scratch, l->image->load_addr, l->image->load_end))
		return error_set(err, ENOSPC, "The memory from %" PRIx64 " to %" PRIx64 ", where "
				 "the kernel must lie, is not free RAM on this machine.",
				 l->image->load_addr, l->image->load_end);
	if (!place_rest(&l->plan->scratch, segments))
		return error_set(err, ENOSPC, "The scratch has no room for %llu KiB below 4 GiB. "
				 "A larger scratch is needed.",
				 (unsigned long long)(segments[SEGMENT_PARAMS].len +
						      segments[SEGMENT_INITRAMFS].len) >> 10);
	return 0;
}

static int explain(int code, struct error *err)
{
	switch (code) {
	case EPERM:
		return error_set(err, code, "The running kernel does not let a kernel be loaded: "
				 "it is locked down (Secure Boot), or kernel.kexec_load_disabled "
				 "is set.");
	case ENOSYS:
		return error_set(err, code, "The running kernel is built without CONFIG_KEXEC.");
	case EBUSY:
		return error_set(err, code, "Somebody else is loading a kernel with kexec. Try "
				 "again.");
	case ENOMEM:
		return error_set(err, code, "There is not enough free memory to load the next "
				 "kernel.");
	default:
		return error_set(err, code, "kexec_load failed (%s).", strerror(code));
	}
}

int load(const struct load *l, struct nvwa_range segments[LOAD_SEGMENTS], struct error *err)
{
	struct kexec_segment table[LOAD_SEGMENTS] = { 0 };
	_cleanup_free_ char *params = NULL;
	struct bootparams b = {
		.image = l->image, .next = &l->plan->next, .cmdline = l->cmdline,
		.efi = l->efi, .rsdp = l->rsdp,
		.ramdisk_len = l->initramfs_len,
	};
	int r = load_place(l, segments, err);

	if (r < 0)
		return r;
	b.kernel = segments[SEGMENT_KERNEL].start;
	b.ramdisk = segments[SEGMENT_INITRAMFS].start;
	r = bootparams_build(l->sysroot, &b, segments[SEGMENT_PARAMS].start, &params, err);
	if (r < 0)
		return error_set(err, -r, "The boot parameters cannot be made (%s).", strerror(-r));

	/* What a segment has beyond its bytes, such as the kernel's bss, is zeroed by kexec. */
	for (int i = 0; i < LOAD_SEGMENTS; i++) {
		table[i].mem = (void *)segments[i].start;
		table[i].memsz = segments[i].len;
	}
	table[SEGMENT_KERNEL].buf = l->image->kernel;
	table[SEGMENT_KERNEL].bufsz = l->image->kernel_len;
	table[SEGMENT_PARAMS].buf = params;
	table[SEGMENT_PARAMS].bufsz = segments[SEGMENT_PARAMS].len;
	table[SEGMENT_INITRAMFS].buf = l->initramfs;
	table[SEGMENT_INITRAMFS].bufsz = l->initramfs_len;

	if (syscall(SYS_kexec_load, segments[SEGMENT_PARAMS].start, (unsigned long)LOAD_SEGMENTS,
		    table, (unsigned long)KEXEC_ARCH_X86_64))
		return explain(errno, err);
	return 0;
}

int load_nothing(void)
{
	if (syscall(SYS_kexec_load, 0UL, 0UL, NULL, (unsigned long)KEXEC_ARCH_X86_64))
		return -errno;
	return 0;
}
