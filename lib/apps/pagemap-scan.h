/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioctl(PAGEMAP_SCAN) of /proc/PID/pagemap, for C libraries older than it:
 * include/uapi/linux/fs.h of Linux 6.7, and PAGE_IS_GUARD of 6.16.
 */
#ifndef NVWA_APPS_PAGEMAP_SCAN_H
#define NVWA_APPS_PAGEMAP_SCAN_H

#include <linux/fs.h>

#ifndef PAGEMAP_SCAN
#include <linux/types.h>
#include <sys/ioctl.h>

#define PAGE_IS_FILE	(1 << 2)
#define PAGE_IS_PRESENT	(1 << 3)
#define PAGE_IS_SWAPPED	(1 << 4)
#define PAGE_IS_PFNZERO	(1 << 5)

struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};

#define PAGEMAP_SCAN	_IOWR('f', 16, struct pm_scan_arg)
#endif

#ifndef PAGE_IS_GUARD
#define PAGE_IS_GUARD	(1 << 8)
#endif

#endif
