/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The handover record: what one kernel leaves in memory for the next.
 *
 * Protocol. The old kernel's module allocates one header page and, as the
 * record grows, data chunks: physically contiguous memory that is hidden from
 * the next kernel until that adds it (see NVWA_IOC_BEGIN). The physical
 * address of the header and a nonce travel to the next kernel inside its
 * initramfs, as the file NVWA_HANDOVER_FILE; nothing else does. Sealing
 * fills in the header: where the chunks lie, how long the record is, its
 * SHA-256, and the clocks at that moment. A header that was never sealed
 * holds no magic and is refused.
 *
 * The chunks, taken in the order of the header's table, make up one stream
 * of record_len bytes: a sequence of sections. Each section is a struct
 * nvwa_section, then its name (name_len bytes, no NUL), then zeroes up to the
 * next multiple of 8, then data_len bytes of data, then zeroes up to the next
 * multiple of 8. Sections of kind
 *
 *   NVWA_SECTION_PAGES  data is an array of struct nvwa_run, sorted by addr,
 *                       without overlap: where each captured page of process
 *                       `pid` lies. The pages belong to nobody else.
 *   NVWA_SECTION_SHMEM  data is a struct nvwa_shmem and an array of struct
 *                       nvwa_run as above, whose addr is an offset in a file in
 *                       shared memory: where each captured page of it lies.
 *   NVWA_SECTION_FILE   data is the content of a file; name is its path below
 *                       NVWA_STATE_DIR in the next kernel, without a leading
 *                       slash and without "..".
 *
 * All integers are little endian, all addresses and lengths are in bytes
 * unless the name says pfn or nr. A reader refuses what it does not know:
 * another magic or version, flag bits, section kinds, non-zero reserved fields.
 */
#ifndef NVWA_UAPI_RECORD_H
#define NVWA_UAPI_RECORD_H

#include <linux/types.h>

#define NVWA_RECORD_MAGIC	0x314345524157564eULL	/* "NVWAREC1" */
#define NVWA_RECORD_VERSION	3

#define NVWA_PAGE_SHIFT		12
#define NVWA_PAGE_SIZE		4096UL

#define NVWA_NONCE_LEN		16
#define NVWA_SHA256_LEN		32
#define NVWA_WRITER_LEN		96

/* In the hop initramfs: "<header physical address in hex> <nonce in hex>\n". */
#define NVWA_HANDOVER_FILE	"/nvwa/handover"
/* Where the files of the record are put in the next kernel (a tmpfs). */
#define NVWA_STATE_DIR		"/run/nvwa"

/* One physically contiguous piece of the record. */
struct nvwa_chunk {
	__u64 phys;		/* physical address, page aligned */
	__u64 len;		/* bytes of record data in it; the last chunk may be partly used */
};

/* Chunks are up to 4 MiB each, so a record may have up to 896 MiB. */
#define NVWA_MAX_CHUNKS		224

/*
 * TSC at moments after the seal, 0 for what did not happen. No checksum covers them: they are
 * for the time line, and nothing else may depend on them.
 */
struct nvwa_late {
	__u64 told_tsc;		/* the kernel calls its reboot notifiers */
	__u64 devices_tsc;	/* all devices are quieted or shut down */
	__u64 parked_tsc;	/* all other CPUs wait in the park area */
};

/* One page, at the address told to the next kernel. */
struct nvwa_header {
	__u64 magic;		/* NVWA_RECORD_MAGIC, written last */
	__u32 version;		/* NVWA_RECORD_VERSION */
	__u32 header_len;	/* sizeof(struct nvwa_header) */
	__u32 flags;		/* none defined: 0 */
	__u32 nr_chunks;
	__u64 record_len;	/* bytes */
	__u8  nonce[NVWA_NONCE_LEN];
	__u8  record_sha256[NVWA_SHA256_LEN];
	__u8  header_sha256[NVWA_SHA256_LEN];	/* of this page up to late, with this field zero */
	__u64 seal_tsc;		/* TSC and clocks, read together at the seal */
	__u64 seal_realtime_ns;	/* CLOCK_REALTIME */
	__u64 seal_boottime_ns;	/* CLOCK_BOOTTIME of the old kernel */
	__u32 tsc_khz;		/* the old kernel's refined value */
	__s32 tai_offset_s;	/* CLOCK_TAI - CLOCK_REALTIME, seconds */
	__u64 nr_pages;		/* pages named by all runs */
	char  writer[NVWA_WRITER_LEN];	/* kernel release and nvwa version, NUL padded */
	struct nvwa_chunk chunks[NVWA_MAX_CHUNKS];
	__u8  reserved[NVWA_PAGE_SIZE - 248 - NVWA_MAX_CHUNKS * sizeof(struct nvwa_chunk) -
		       sizeof(struct nvwa_late)];
	struct nvwa_late late;
};

#define NVWA_SECTION_PAGES	1
#define NVWA_SECTION_FILE	2
#define NVWA_SECTION_SHMEM	3

struct nvwa_section {
	__u32 kind;		/* NVWA_SECTION_* */
	__u32 flags;		/* none defined: 0 */
	__s32 pid;		/* NVWA_SECTION_PAGES: the process, else 0 */
	__u32 name_len;		/* bytes of name, at most 255; only NVWA_SECTION_FILE has one */
	__u64 data_len;		/* bytes of data */
};

/* What NVWA_SECTION_SHMEM begins with. */
struct nvwa_shmem {
	__u64 id;		/* user space's, not 0, of one section only */
	__u64 len;		/* bytes; no run reaches beyond its last page */
	__u64 reserved;
};

/* nr consecutive virtual pages from addr are nr consecutive frames from pfn. */
struct nvwa_run {
	__u64 addr;		/* virtual address or offset in the file, page aligned */
	__u64 pfn;
	__u32 nr;		/* pages, > 0 */
	__u32 flags;		/* NVWA_RUN_* */
};

/*
 * Only in NVWA_SECTION_PAGES: addr (in pages), pfn and nr are multiples of
 * NVWA_HUGE_PAGES, and each NVWA_HUGE_PAGES of them were one huge page.
 */
#define NVWA_RUN_HUGE		1U
#define NVWA_HUGE_PAGES		512U

#endif
