// SPDX-License-Identifier: GPL-2.0-only
/* The mappings of a process, with their flags as /proc/PID/smaps names them. */
#include "nvwa.h"

#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#define MAX_VMAS	(1U << 20)

/* Documentation/filesystems/proc.rst, VmFlags; the letters are fs/proc/task_mmu.c's. */
static const struct {
	vm_flags_t flag;
	char name[4];
} names[] = {
	{ VM_READ, "rd " },
	{ VM_WRITE, "wr " },
	{ VM_EXEC, "ex " },
	{ VM_SHARED, "sh " },
	{ VM_MAYREAD, "mr " },
	{ VM_MAYWRITE, "mw " },
	{ VM_MAYEXEC, "me " },
	{ VM_MAYSHARE, "ms " },
	{ VM_GROWSDOWN, "gd " },
	{ VM_PFNMAP, "pf " },
	{ VM_MAYBE_GUARD, "gu " },
	{ VM_LOCKED, "lo " },
	{ VM_IO, "io " },
	{ VM_SEQ_READ, "sr " },
	{ VM_RAND_READ, "rr " },
	{ VM_DONTCOPY, "dc " },
	{ VM_DONTEXPAND, "de " },
	{ VM_LOCKONFAULT, "lf " },
	{ VM_ACCOUNT, "ac " },
	{ VM_NORESERVE, "nr " },
	{ VM_HUGETLB, "ht " },
	{ VM_SYNC, "sf " },
	{ VM_ARCH_1, "ar " },
	{ VM_WIPEONFORK, "wf " },
	{ VM_DONTDUMP, "dd " },
	{ VM_SOFTDIRTY, "sd " },
	{ VM_MIXEDMAP, "mm " },
	{ VM_HUGEPAGE, "hg " },
	{ VM_NOHUGEPAGE, "nh " },
	{ VM_MERGEABLE, "mg " },
	{ VM_UFFD_MISSING, "um " },
	{ VM_UFFD_WP, "uw " },
	{ VM_UFFD_MINOR, "ui " },
	{ VM_SHADOW_STACK, "ss " },
	{ VM_SEALED, "sl " },
	{ VM_DROPPABLE, "dp " },
};

static void describe(struct nvwa_vma *to, const struct vm_area_struct *vma)
{
	unsigned int i, at = 0;

	BUILD_BUG_ON(ARRAY_SIZE(names) * 3 >= NVWA_VMA_FLAGS_LEN);
	to->start = vma->vm_start;
	to->end = vma->vm_end;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(vma->vm_flags & names[i].flag))
			continue;
		memcpy(to->flags + at, names[i].name, 3);
		at += 3;
	}
}

int vmas_list(struct nvwa_vmas *arg)
{
	struct vm_area_struct *vma;
	struct nvwa_vma *list;
	struct mm_struct *mm;
	unsigned long addr;
	u32 nr = 0;
	int err = 0;

	if (arg->flags || arg->reserved || arg->nr > MAX_VMAS)
		return -EINVAL;
	list = kvcalloc(arg->nr + 1, sizeof(*list), GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	mm = nvwa_mm_of(arg->pid);
	if (!mm) {
		err = -ESRCH;
		goto free_list;
	}
	if (mmap_read_lock_killable(mm)) {
		err = -EINTR;
		goto put_mm;
	}
	for (addr = 0; (vma = find_vma(mm, addr)); addr = vma->vm_end) {
		if (nr < arg->nr)
			describe(&list[nr], vma);
		nr++;
	}
	arg->mm_flags = (mm->def_flags & VM_LOCKED ? NVWA_MM_LOCK_FUTURE : 0) |
			(mm->def_flags & VM_LOCKONFAULT ? NVWA_MM_LOCK_ONFAULT : 0);
	mmap_read_unlock(mm);
	if (copy_to_user(u64_to_user_ptr(arg->vmas), list, min(nr, arg->nr) * sizeof(*list)))
		err = -EFAULT;
	arg->nr = nr;

put_mm:
	mmput(mm);
free_list:
	kvfree(list);
	return err;
}
