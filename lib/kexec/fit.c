// SPDX-License-Identifier: GPL-2.0-only
/* Does what is handed over fit into the scratch? */
#include "lib/kexec/fit.h"

#include "lib/kexec/tables.h"
#include "uapi/fit.h"
#include "uapi/record.h"

#define MIB		(1ULL << 20)

/*
 * What a kernel takes before nvwa-init reads the record, without its tables and struct pages:
 * image, initramfs, swiotlb (64 MiB, where there is RAM above 4 GiB), drivers. In emulated
 * machines of 6 GiB with 2 CPUs and a scratch of 639 MiB, RAM of the scratch less MemFree at
 * that moment was 177 MiB with 6.1.0-57, 164 MiB with 6.12.117 and 179 MiB with 7.3.4, of which
 * 25 MiB are the other parts of fit_room()'s sum. A third more is for the drivers, firmware and
 * network cards of larger machines.
 */
#define KERNEL_BYTES	(208 * MIB)

/* Per-CPU memory of the kernel and its allocators; /proc/meminfo has 0.4 MiB a CPU as Percpu. */
#define CPU_BYTES	(1 * MIB)

/*
 * Programs of the next kernel until all memory is there: CRIU, systemd and what it starts first.
 * In those machines up to 47 MiB were taken between record and systemd's start, with page cache.
 */
#define PROGRAMS_BYTES	(96 * MIB)

/* A file of the record is unpacked to NVWA_STATE_DIR, and from there to where it belongs. */
#define FILE_COPIES	2

static uint64_t struct_pages(uint64_t bytes)
{
	return bytes / NVWA_PAGE_SIZE * NVWA_FIT_STRUCT_PAGE;
}

uint64_t fit_room(uint64_t ram, uint64_t scratch, unsigned int cpus)
{
	uint64_t own = KERNEL_BYTES + struct_pages(scratch) + tables_bytes(ram, scratch) +
		       cpus * CPU_BYTES;

	return own < scratch ? scratch - own : 0;
}

uint64_t fit_later(uint64_t files)
{
	return FILE_COPIES * files + PROGRAMS_BYTES;
}

/* Struct pages and page tables: what memory takes that is to be added. */
static uint64_t for_memory(const struct fit_load *load)
{
	uint64_t bytes = 0, held = 0, pages = load->elsewhere, piece = 0;
	struct nvwa_fit fit = { 0 };

	/* Nothing of a block but its carried pages is certain to be free later. */
	for (size_t i = 0; i < load->nr_used; i++) {
		uint64_t at = i * load->block_size >> NVWA_FIT_PIECE_SHIFT;

		if (!load->used[i])
			continue;
		if (at != piece) {
			nvwa_fit_piece(&fit, bytes, held);
			piece = at;
			bytes = held = 0;
		}
		bytes += load->block_size;
		held += load->used[i];
		pages += load->used[i];
	}
	nvwa_fit_piece(&fit, bytes, held);
	nvwa_fit_piece(&fit, load->elsewhere * NVWA_PAGE_SIZE, load->elsewhere);
	nvwa_fit_take(&fit, pages * NVWA_FIT_PTE);
	return nvwa_fit_needed(&fit);
}

static uint64_t without_files(const struct fit_load *load)
{
	return load->runs * sizeof(struct nvwa_run) + for_memory(load);
}

uint64_t fit_needed(const struct fit_load *load)
{
	return without_files(load) + load->files + fit_later(load->files);
}

uint64_t fit_files_most(const struct fit_load *load, uint64_t room)
{
	uint64_t rest = without_files(load) + fit_later(0);

	return rest < room ? (room - rest) / (1 + FILE_COPIES) : 0;
}

uint64_t fit_scratch(const struct fit_load *load, uint64_t min_bytes)
{
	uint64_t more = without_files(load);

	/* It has struct pages of its own. */
	return min_bytes + more + struct_pages(more);
}

uint64_t fit_scratch_for(const struct fit_load *load, uint64_t ram, unsigned int cpus)
{
	uint64_t needed = fit_needed(load), scratch = 0;

	while (fit_room(ram, scratch, cpus) < needed)
		scratch += 64 * MIB;
	return scratch;
}
