/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the kernel accounts for shared memory. These structures are in its
 * public headers, the rules are those of mm/shmem.c: struct shmem_inode_info
 * counts the pages that a file has in memory or in the swap space (alloced),
 * i_blocks and the quota count them too, the superblock if it has a limit
 * (used_blocks); and they count as committed memory, one by one with
 * NORESERVE, else all that the size allows for at once. A page that leaves
 * the page cache is taken off of all of these when alloced is found to be too large.
 */
#ifndef NVWA_COMPAT_SHMEM_H
#define NVWA_COMPAT_SHMEM_H

#include <linux/percpu_counter.h>
#include <linux/quotaops.h>
#include <linux/shmem_fs.h>
#include "compat.h"

/* 6.2: replace_page_cache_page() became replace_page_cache_folio(). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define replace_page_cache_folio(old, new) replace_page_cache_page(&(old)->page, &(new)->page)
#endif

/* 7.0: shmem_file_setup() takes the flags of a VMA in a type of their own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define COMPAT_NO_FLAGS 0
#else
#define COMPAT_NO_FLAGS EMPTY_VMA_FLAGS
#endif

/* 7.0: shared memory has flags of its own, before it those of a VMA. */
static inline bool compat_shmem_noreserve(struct inode *inode)
{
#ifdef SHMEM_F_NORESERVE
	return SHMEM_I(inode)->flags & SHMEM_F_NORESERVE;
#else
	return SHMEM_I(inode)->flags & VM_NORESERVE;
#endif
}

/* 6.6: shared memory heeds quotas; before it, a lock of its own guards i_blocks. */
static inline int compat_shmem_add_blocks(struct inode *inode, long nr)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	unsigned long flags;

	spin_lock_irqsave(&SHMEM_I(inode)->lock, flags);
	inode->i_blocks += nr << (PAGE_SHIFT - SECTOR_SHIFT);
	spin_unlock_irqrestore(&SHMEM_I(inode)->lock, flags);
	return 0;
#else
	return dquot_alloc_block_nodirty(inode, nr);
#endif
}

/* Take space for nr pages in the file system and the quota: -ENOSPC or -EDQUOT. */
static inline int compat_shmem_take_space(struct inode *inode, long nr)
{
	struct shmem_sb_info *sb = inode->i_sb->s_fs_info;
	int err;

	if (sb->max_blocks &&
	    (nr > sb->max_blocks ||
	     percpu_counter_compare(&sb->used_blocks, sb->max_blocks - nr) > 0))
		return -ENOSPC;
	err = compat_shmem_add_blocks(inode, nr);
	if (!err && sb->max_blocks)
		percpu_counter_add(&sb->used_blocks, nr);
	return err;
}

/* Note that nr pages more are there, for which space was taken. */
static inline void compat_shmem_note(struct inode *inode, long nr)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	unsigned long flags;

	spin_lock_irqsave(&info->lock, flags);
	info->alloced += nr;
	spin_unlock_irqrestore(&info->lock, flags);
}

/* Do all of these numbers agree? */
static inline bool compat_shmem_agrees(struct inode *inode)
{
	struct shmem_inode_info *info = SHMEM_I(inode);

	return info->alloced - info->swapped == inode->i_mapping->nrpages &&
	       inode->i_blocks == (u64)info->alloced << (PAGE_SHIFT - SECTOR_SHIFT);
}

#endif
