/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/nvwa: what the module does for the nvwa command and for nvwa-init.
 *
 * Before the jump. NVWA_IOC_BEGIN opens a capture on this file descriptor;
 * one capture may be open at a time (-EBUSY). It says which memory is hidden:
 * the RAM that the next kernel does not boot in, and will add. Only there does
 * the next kernel look for anything, so that all that is carried is in it in the
 * end: a page that lies there stays, one that lies elsewhere is evacuated, which
 * is to be copied into it. NVWA_IOC_CAPTURE takes the
 * pages of a stopped process, NVWA_IOC_CAPTURE_SHMEM those of a file in
 * shared memory (tmpfs, memfd, SysV, shared anonymous), NVWA_IOC_PUT adds a
 * file, NVWA_IOC_QUIET says which devices the jump need not shut down,
 * NVWA_IOC_SEAL makes the record valid. Closing the descriptor, or the
 * death of the process that holds it, undoes everything: pages are let go and
 * the record's memory is wiped and freed, sealed or not. Page tables are never
 * changed, so the programs may go on at once.
 *
 * After the jump. NVWA_IOC_ADOPT finds, checks and reads in the record; from
 * then on read(2) and pread(2) give the record stream (uapi/record.h), and so does
 * mmap(2), privately and from its beginning, without a copy.
 * NVWA_IOC_ADD_MEMORY adds hidden RAM while holding back the pages that the
 * record names; NVWA_IOC_INSERT puts the pages of one process of the record
 * into a stopped process, NVWA_IOC_INSERT_SHMEM those of a file in shared memory
 * into another such file; NVWA_IOC_RELEASE wipes and frees whatever was not
 * claimed. This state belongs to the module, not to a descriptor; the module
 * cannot be unloaded between ADOPT and RELEASE.
 *
 * NVWA_IOC_INFO, NVWA_IOC_VMAS, NVWA_IOC_AIO and NVWA_IOC_FIRMWARE may be called at any time.
 *
 * Every struct begins with its size; a size or flag that the module does not
 * know is refused with -EINVAL. All calls need CAP_SYS_ADMIN.
 */
#ifndef NVWA_UAPI_NVWA_H
#define NVWA_UAPI_NVWA_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include "fit.h"
#include "park.h"
#include "record.h"

#define NVWA_DEVICE		"/dev/nvwa"
/* Raised when a call changes; the tool and the module must agree. */
#define NVWA_ABI_VERSION	7

/* A physical address range, page aligned. */
struct nvwa_range {
	__u64 start;
	__u64 len;
};

/*
 * Errors: -EBUSY, a capture is open; -EOPNOTSUPP, this machine's memory is
 * encrypted, so that the next kernel could not read what this one wrote;
 * -ENOMEM, also if no hidden memory is to be had.
 */
struct nvwa_begin {
	__u32 size;
	__u32 flags;		/* 0 */
	/*
	 * in: user pointer to struct nvwa_range[nr_hidden], which is hidden memory. What
	 * lies in two ranges that adjoin counts as elsewhere; so these are given as one.
	 */
	__u64 hidden;
	__u32 nr_hidden;	/* in: 1 to 4096, sorted, without overlap */
	__u32 reserved;
	__u8  nonce[NVWA_NONCE_LEN];		/* in */
	char  writer[NVWA_WRITER_LEN];		/* in: goes into the header */
	__u64 header_phys;	/* out: tell this to the next kernel */
};

/*
 * Take the pages that are present (or swapped out) in the given virtual
 * ranges of a process, all threads of which are stopped. The zero page and the
 * huge zero page are skipped: a hole reads the same. Errors: -ESRCH, no
 * such process; -EFAULT, an address in a range has no page; -ENOMEM; -EIO, a
 * page is poisoned; -EBUSY, somebody else holds pages after the deadline
 * (busy_addr names the first), or NVWA_IOC_AIO would tell of requests (busy_addr is 0);
 * -EOPNOTSUPP as there; -EEXIST, captured before. On error nothing of this call is kept.
 */
struct nvwa_capture {
	__u32 size;
	__u32 flags;		/* 0 */
	__s32 pid;		/* in: thread group id in the caller's pid namespace */
	__u32 nr_ranges;	/* in */
	__u64 ranges;		/* in: user pointer to struct nvwa_range[nr_ranges], sorted */
	__u64 nr_pinned;	/* out: pages taken where they are */
	__u64 nr_evacuated;	/* out: pages copied into hidden memory, those shared once */
	__u64 nr_unshared;	/* out: pages copied as another process of the record has them */
	__u64 nr_runs;		/* out */
	__u64 busy_addr;	/* out, with -EBUSY */
};

/*
 * Take the pages of a file in shared memory that are in memory or in the swap
 * space; holes stay holes. It may be mapped by anybody, but nobody may write to
 * it any more. Capture the processes first: that tells of asynchronous I/O which
 * does. Errors: -EBADF, no such descriptor; -EOPNOTSUPP, not
 * a file in shared memory (huge pages of hugetlbfs neither); -EEXIST, this id or
 * this file was captured before; -EBUSY, somebody else holds pages after the
 * deadline (busy_at names the first); -EIO, a page is poisoned or cannot be
 * read from the swap space; -ENOMEM. On error nothing of this call is kept.
 */
struct nvwa_capture_shmem {
	__u32 size;
	__u32 flags;		/* 0 */
	__s32 fd;		/* in: any descriptor of the file, if only for reading */
	__u32 reserved;
	__u64 id;		/* in: what INSERT_SHMEM asks for, not 0 */
	__u64 max_len;		/* in: bytes of the file to take at most */
	__u64 len;		/* out: bytes of the file that are carried, holes included */
	__u64 nr_pinned;	/* out: pages taken where they are */
	__u64 nr_evacuated;	/* out: pages copied into hidden memory */
	__u64 nr_runs;		/* out */
	__u64 busy_at;		/* out, with -EBUSY: offset in the file */
};

struct nvwa_put {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 name;		/* in: user pointer */
	__u32 name_len;		/* in: 1 to 255, no NUL */
	__u32 reserved;
	__u64 data;		/* in: user pointer */
	__u64 data_len;		/* in: bytes */
};

/*
 * Check that all captured pages and all of the record lie in hidden memory, and
 * meet none of the segments loaded for the next kernel (-EBADSLT otherwise, which
 * must never happen), and that the next kernel has the memory to take over what it is
 * handed (-EFBIG otherwise), then checksum and validate.
 *
 * The next kernel has nothing but the scratch when it reads the record (the module
 * keeps a copy of it) and adds the memory blocks that hold captured pages: their struct
 * pages come out of what it has. What else lies in such a block is free afterwards, and
 * page tables of the programs and what is in `later` may come out of that. needed is
 * how much room must be for all of it, each at its time.
 */
struct nvwa_seal {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 segments;		/* in: user pointer to struct nvwa_range[nr_segments], physical */
	__u32 nr_segments;	/* in */
	__u32 reserved;
	__u64 room;		/* in: bytes that are free before the record is read */
	__u64 later;		/* in: bytes taken when the captured pages' memory is there */
	__u64 needed;		/* out, also with -EFBIG: bytes that room must be at least */
	__u64 record_len;	/* out, also with -EFBIG: bytes */
	__u64 record_mem;	/* out: bytes of memory that the record takes, header included */
	__u64 nr_pages;		/* out, also with -EFBIG: captured pages in the record */
	__u64 seal_tsc;		/* out */
};

/*
 * Errors: -ENOENT, no sealed record there; -EKEYREJECTED, another nonce;
 * -EBADMSG, a checksum is wrong; -EPROTONOSUPPORT, another version;
 * -EINVAL, the record contradicts itself (reason in the kernel log);
 * -EALREADY, adopted before. On error the module keeps nothing.
 */
struct nvwa_adopt {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 header_phys;	/* in */
	__u8  nonce[NVWA_NONCE_LEN];	/* in */
	__u64 record_len;	/* out: bytes to read(2) */
	__u64 nr_pages;		/* out: captured pages */
	__u64 seal_tsc;		/* out: these four as in struct nvwa_header */
	__u64 seal_realtime_ns;
	__u64 seal_boottime_ns;
	__u32 tsc_khz;
	__s32 tai_offset_s;
	struct nvwa_late late;	/* out: in order, or 0 */
};

/*
 * Add RAM that the firmware map of this kernel hides. start and len are
 * multiples of the memory block size; a range that is added already is
 * skipped. The blocks come up online. Before ADOPT (or without a record)
 * nothing is held back. Errors: those of add_memory(), -EBUSY when another
 * driver owns the online callback, -EEXIST when a block is in part this
 * kernel's already, -ENOTCONN when the memory did not come online because
 * auto_online_blocks says so (it is removed again).
 */
struct nvwa_add_memory {
	__u32 size;
	__u32 flags;		/* 0 */
	__s32 nid;		/* in: NUMA node, -1 to let the kernel say */
	__u32 reserved;
	__u64 start;		/* in */
	__u64 len;		/* in */
	__u64 nr_held;		/* out: pages held back in this range */
};

/*
 * Put the pages of record process record_pid into process pid, all threads of
 * which are stopped. Every page is accounted for: nr_inserted + nr_copied is
 * the number of pages of that process, else the call fails and the process
 * must not run. Errors: -ESRCH, no such process, -ENOENT, none such in the
 * record, -EALREADY, inserted before, -EFAULT, no private anonymous memory at
 * bad_addr, -ENODATA, a page of it was not adopted, -ENOMEM.
 */
struct nvwa_insert {
	__u32 size;
	__u32 flags;		/* 0 */
	__s32 record_pid;	/* in */
	__s32 pid;		/* in */
	__u64 nr_inserted;	/* out: the very same page frames */
	__u64 nr_copied;	/* out: copied, as the kernel would not take the page */
	__u64 bad_addr;		/* out, with -EFAULT */
};

/*
 * Put the pages of the record's shared memory `id` into a file in shared memory,
 * whatever seals it has. Where that has a page already its contents are replaced.
 * Every page is accounted for as with INSERT. Errors: -EBADF; -EOPNOTSUPP, not
 * a file in shared memory; -ENOENT, no such id in the record; -EALREADY,
 * inserted before; -ESRCH, no such process; -EFBIG, the file is shorter than what
 * was carried; -ENOSPC, the file system or the quota is full; -ENODATA, a page of
 * it was not adopted; -ENOMEM. Up to and with -EFBIG in this list nothing was done.
 */
struct nvwa_insert_shmem {
	__u32 size;
	__u32 flags;		/* 0 */
	__s32 fd;		/* in: any descriptor of the file, if only for reading */
	__s32 pid;		/* in: whose cgroup is charged; 0: the caller's */
	__u64 id;		/* in */
	__u64 nr_inserted;	/* out: the very same page frames */
	__u64 nr_copied;	/* out: copied, over pages that were there */
};

/*
 * From now on until the descriptor is closed, let secondary CPUs wait in the park
 * area (uapi/park.h) when this kernel jumps, instead of being halted. tables is what
 * the next kernel's ACPI finds there, from now on; until all CPUs are in the area, and
 * also should one of them not come, the wakeup structure at offset wakeup in it is
 * void, with the checksum of the table at offset madt. Errors: -EBUSY, a CPU is
 * offline; -EOPNOTSUPP, its local APIC is elsewhere than it is on all machines;
 * -EINVAL, the area is not in memory that the kernel leaves alone; -E2BIG, more CPUs
 * than can wait; -ENOMEM.
 */
struct nvwa_park {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 base;		/* in: the area's physical address */
	__u64 tables;		/* in: user pointer, to be put at base + NVWA_PARK_TABLES */
	__u32 tables_len;	/* in: bytes */
	__u32 madt;		/* in: offset in tables */
	__u32 wakeup;		/* in: offset in tables */
	__u32 nr_cpus;		/* out: CPUs that will wait there */
};

/*
 * Read what firmware has left in memory, such as its ACPI tables, which need not
 * be readable in another way. Errors: -EPERM, there is RAM of the kernel's;
 * -ENXIO, nothing can be read there; -EINVAL, more than 1 MiB.
 */
struct nvwa_firmware {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 phys;		/* in */
	__u64 data;		/* in: user pointer, to be filled */
	__u64 len;		/* in: bytes */
};

struct nvwa_release {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 nr_wiped;		/* out: captured pages that nobody claimed */
	__u64 nr_record;	/* out: pages of the record that were freed */
};

/*
 * The mappings of a process with their flags. It is what /proc/PID/smaps
 * shows, without a walk over all page tables, of which that takes hundreds of
 * milliseconds per 10 GB. Errors: -ESRCH, no such process; -ENOMEM.
 */
struct nvwa_vmas {
	__u32 size;
	__u32 flags;		/* 0 */
	__s32 pid;		/* in: thread group id in the caller's pid namespace */
	__u32 nr;		/* in: room, up to 1 << 20; out: how many there are, maybe more */
	__u64 vmas;		/* in: user pointer to struct nvwa_vma[nr] */
	__u32 mm_flags;		/* out: NVWA_MM_* */
	__u32 reserved;		/* 0 */
};

/* What mlockall(2) has said of mappings to come. */
#define NVWA_MM_LOCK_FUTURE	1U	/* MCL_FUTURE */
#define NVWA_MM_LOCK_ONFAULT	2U	/* and MCL_ONFAULT */

#define NVWA_VMA_FLAGS_LEN	112

struct nvwa_vma {
	__u64 start;
	__u64 end;
	/*
	 * Two letters and a space for each flag, as behind "VmFlags: " in smaps
	 * (Documentation/filesystems/proc.rst), in an order of its own; NUL padded.
	 */
	char  flags[NVWA_VMA_FLAGS_LEN];
};

/*
 * How many requests of asynchronous I/O (io_submit(2)) of a process are under way. While its
 * threads are stopped they only become fewer, and where there are none, all have
 * left their events in the rings that the process maps, and in its eventfds. Errors:
 * -ESRCH, no such process; -EOPNOTSUPP, this kernel keeps its books of them in a way
 * that the module does not know; -EINTR.
 */
struct nvwa_aio {
	__u32 size;
	__u32 flags;		/* 0 */
	__s32 pid;		/* in: thread group id in the caller's pid namespace */
	__u32 nr;		/* out */
};

/*
 * At a kexec, and at nothing else, devices of these PCI drivers are only quieted,
 * as long as the capture's file is open: in place of the driver's shutdown, an NVMe
 * controller is disabled, interrupts by pin (INTx) are masked, and bus mastering is
 * switched off. Bus mastering is also taken from functions that no driver has
 * (all but NVWA_PCI_NO_DMA). Names that no driver has are ignored. A second call
 * replaces the list of the first. Errors: -EINVAL, no capture is open on this
 * file, a name is empty or does not end within its room, too many; -ENOMEM.
 */
struct nvwa_quiet {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 drivers;		/* in: user pointer to char[nr_drivers][NVWA_DRIVER_NAME_LEN] */
	__u32 nr_drivers;	/* in: 0 to NVWA_MAX_DRIVERS */
	__u32 reserved;		/* 0 */
};

#define NVWA_DRIVER_NAME_LEN	64	/* with the NUL */
#define NVWA_MAX_DRIVERS	256

/*
 * By PCI class code (24 bits): bridges, which only pass on what others do;
 * system peripherals, as an IOMMU works for all devices and has no driver of the
 * PCI core; displays, as one without a driver shows the firmware's picture.
 */
#define NVWA_PCI_NO_DMA(class) \
	((class) >> 16 == 0x06 || (class) >> 16 == 0x08 || (class) >> 16 == 0x03)

struct nvwa_info {
	__u32 size;
	__u32 abi_version;	/* out: NVWA_ABI_VERSION */
	__u32 state;		/* out: NVWA_STATE_* */
	__u32 flags;		/* out: NVWA_INFO_* */
	__u64 nr_held;		/* out: pages captured or held back at this moment */
	__u64 tsc;		/* out: these three read together */
	__u64 realtime_ns;
	__u64 boottime_ns;
	__u32 tsc_khz;		/* out */
	__u32 online_callback_free;	/* out: 1 if memory could be held back here */
};

#define NVWA_INFO_ENCRYPTED	1U	/* the machine's memory is: SME, SEV, TDX */

#define NVWA_STATE_IDLE		0
#define NVWA_STATE_CAPTURING	1
#define NVWA_STATE_SEALED	2
#define NVWA_STATE_ADOPTED	3

#define NVWA_IOC_MAGIC		0xB7
#define NVWA_IOC_INFO		_IOWR(NVWA_IOC_MAGIC, 0, struct nvwa_info)
#define NVWA_IOC_BEGIN		_IOWR(NVWA_IOC_MAGIC, 1, struct nvwa_begin)
#define NVWA_IOC_CAPTURE	_IOWR(NVWA_IOC_MAGIC, 2, struct nvwa_capture)
#define NVWA_IOC_PUT		_IOWR(NVWA_IOC_MAGIC, 3, struct nvwa_put)
#define NVWA_IOC_SEAL		_IOWR(NVWA_IOC_MAGIC, 4, struct nvwa_seal)
#define NVWA_IOC_ADOPT		_IOWR(NVWA_IOC_MAGIC, 5, struct nvwa_adopt)
#define NVWA_IOC_ADD_MEMORY	_IOWR(NVWA_IOC_MAGIC, 6, struct nvwa_add_memory)
#define NVWA_IOC_INSERT		_IOWR(NVWA_IOC_MAGIC, 7, struct nvwa_insert)
#define NVWA_IOC_RELEASE	_IOWR(NVWA_IOC_MAGIC, 8, struct nvwa_release)
#define NVWA_IOC_CAPTURE_SHMEM	_IOWR(NVWA_IOC_MAGIC, 9, struct nvwa_capture_shmem)
#define NVWA_IOC_INSERT_SHMEM	_IOWR(NVWA_IOC_MAGIC, 10, struct nvwa_insert_shmem)
#define NVWA_IOC_VMAS		_IOWR(NVWA_IOC_MAGIC, 11, struct nvwa_vmas)
#define NVWA_IOC_PARK		_IOWR(NVWA_IOC_MAGIC, 12, struct nvwa_park)
#define NVWA_IOC_QUIET		_IOWR(NVWA_IOC_MAGIC, 13, struct nvwa_quiet)
#define NVWA_IOC_FIRMWARE	_IOWR(NVWA_IOC_MAGIC, 14, struct nvwa_firmware)
#define NVWA_IOC_AIO		_IOWR(NVWA_IOC_MAGIC, 15, struct nvwa_aio)

#endif
