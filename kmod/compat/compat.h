/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only place that knows kernel versions, included by nvwa.h. The rest of
 * the module is written as for the newest kernel. Each shim names the release
 * that changed the interface.
 */
#ifndef NVWA_COMPAT_H
#define NVWA_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "nvwa needs Linux 6.1 or newer"
#endif

#include <linux/kasan.h>
#include <linux/mm.h>
#include <crypto/sha2.h>

/* 6.17: struct sha256_ctx; before it, the same functions took a struct sha256_state. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define sha256_ctx sha256_state
#endif

/* 6.16: the functions for model-specific registers were renamed. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define rdmsrq rdmsrl
#define wrmsrq wrmsrl
#endif

/* 6.5: the array of VMAs was dropped from get_user_pages_remote(). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define get_user_pages_remote(mm, start, nr, flags, pages, locked) \
	get_user_pages_remote(mm, start, nr, flags, pages, NULL, locked)
#endif

/* Flags of mappings, by the release that brought them; what is not there is never set. */
#ifndef VM_SHADOW_STACK		/* 6.6 */
#define VM_SHADOW_STACK	VM_NONE
#endif
#ifndef VM_SEALED		/* 6.10 */
#define VM_SEALED	VM_NONE
#endif
#ifndef VM_DROPPABLE		/* 6.11 */
#define VM_DROPPABLE	VM_NONE
#endif
#ifndef VM_MAYBE_GUARD		/* 6.19 */
#define VM_MAYBE_GUARD	VM_NONE
#endif

/*
 * 6.11: pages of hotplugged memory that were not given to the allocator yet
 * are PageOffline; before it, they were PageReserved.
 */
static inline void compat_clear_hotplugged(struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	__ClearPageReserved(page);
#else
	__ClearPageOffline(page);
#endif
}

/*
 * KASAN (6.1 to 7.3) makes the shadow of hotplugged memory out of pages that it
 * does not clear. The allocator sets it when it frees and hands out a page, which
 * never happens to pages that are taken from outside of it.
 */
static inline void compat_kasan_unpoison(struct page *page)
{
#ifdef CONFIG_KASAN_GENERIC
	/* Not memset(): the shadow has no shadow of its own. */
	__memset(kasan_mem_to_shadow(page_address(page)), 0,
		 PAGE_SIZE >> KASAN_SHADOW_SCALE_SHIFT);
#endif
}

static inline bool compat_page_hotplugged(const struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	return PageReserved((struct page *)page);
#else
	return PageOffline(page);
#endif
}

#endif
