// SPDX-License-Identifier: GPL-2.0-only
/* Is there room for what is carried? */
#include "tool/room.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/apps/tmp.h"
#include "lib/base/cleanup.h"
#include "lib/kexec/fit.h"
#include "tool/machine.h"

#define MIB		(1ULL << 20)

/*
 * What an update takes in this kernel whatever it carries: the next one, loaded (60 to 80 MiB),
 * and the command, locked in memory, with criu.
 */
#define UPDATE_BYTES	(128 * MIB)

/* A file is copied to CARRY_OUT_DIR, and from there into the record. */
#define FILE_COPIES	2

static uint64_t mib(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

static struct fit_load load_of(const struct room *room, uint64_t files)
{
	const struct footprint *m = &room->memory;

	return (struct fit_load){
		.used = m->used,
		.nr_used = m->nr_used,
		.block_size = m->block_size,
		.elsewhere = m->swapped + m->shared,
		.runs = m->runs,
		.files = files,
	};
}

static unsigned int cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

int room_find(const struct config *config, const struct app *apps, size_t nr_apps,
	      struct room *room, struct error *err)
{
	struct fit_load load;
	uint64_t block_size;
	int r;

	*room = (struct room){ 0 };
	r = memmap_read("", &room->ram, err);
	if (r == 0)
		r = memmap_block_size("", &block_size, err);
	if (r < 0)
		return r;
	r = footprint_read(apps, nr_apps, block_size, &room->memory);
	if (r < 0)
		return error_set(err, -r, "cannot see where the programs' memory lies: %s",
				 strerror(-r));
	load = load_of(room, 0);
	r = scratch_choose(&room->ram, block_size,
			   fit_scratch(&load, (uint64_t)config->scratch_mb << 20),
			   room->memory.used, room->memory.nr_used, &room->plan, err);
	if (r < 0)
		return r;
	room->bytes = fit_room(memmap_ram(&room->ram), memmap_ram(&room->plan.scratch), cpus());
	room->files_most = fit_files_most(&load, room->bytes);
	return 0;
}

void room_free(struct room *room)
{
	scratch_free(&room->plan);
	memmap_free(&room->ram);
	footprint_free(&room->memory);
}

/* Pages of the apps that lie in the scratch and will be copied. */
static uint64_t pages_in_scratch(const struct room *room)
{
	const struct footprint *m = &room->memory;
	uint64_t pages = 0, last = UINT64_MAX;

	for (size_t i = 0; i < room->plan.scratch.nr; i++) {
		const struct memmap_entry *e = &room->plan.scratch.entries[i];
		uint64_t block = e->start / m->block_size;

		for (; block * m->block_size < e->start + e->len; block++) {
			if (block < m->nr_used && block != last)
				pages += m->used[block];
			last = block;
		}
	}
	return pages;
}

/* Shared memory does not tell how much of it is swapped out; the swap space tells the most. */
static uint64_t pages_swapped(const struct room *room, uint64_t swap_used)
{
	uint64_t pages = room->memory.swapped + room->memory.shared;

	return pages < swap_used / NVWA_PAGE_SIZE ? pages : swap_used / NVWA_PAGE_SIZE;
}

static int files_refuse(const struct room *room, const struct tree_size *size, uint64_t others,
			struct error *err)
{
	struct fit_load load = load_of(room, size->bytes + others);
	uint64_t scratch = fit_scratch_for(&load, memmap_ram(&room->ram), cpus());
	uint64_t most = room->files_most > others ? room->files_most - others : 0;
	char largest[sizeof(err->text) / 2];

	tree_size_say(size, largest, sizeof(largest));
	return error_set(err, EFBIG, "files of %" PRIu64 " MiB, in " TMP_DIR " and in runtime and "
			 "private directories of services, would be copied while all programs "
			 "stand still, and %" PRIu64 " MiB fit into the memory that the next "
			 "kernel boots in. The largest: %s. Remove what is not needed, or set "
			 "scratch_mb to %" PRIu64, mib(size->bytes), most >> 20, largest,
			 scratch >> 20);
}

static int say_limit(int r, const struct tree_size *size, struct error *err)
{
	if (r == -E2BIG)
		return error_set(err, EFBIG, "there are more than %d files in " TMP_DIR " and in "
				 "runtime and private directories of the services, which takes too "
				 "long while all programs stand still. One of them is %s, of user "
				 "%d. Remove what is not needed", TREE_FILES_MOST,
				 size->crowded.path, (int)size->crowded.uid);
	if (r == -ELOOP)
		return error_set(err, EFBIG, "directories in " TMP_DIR " are nested more than %d "
				 "deep. Remove what is not needed", TREE_DEPTH_MOST);
	return error_set(err, -r, "the files in " TMP_DIR " and in runtime and private directories "
			 "of the services cannot be measured: %s", strerror(-r));
}

/* Where they are copied to first. */
static int check_run(uint64_t bytes, struct error *err)
{
	struct statvfs st;
	uint64_t left;

	if (statvfs("/run", &st))
		return error_set(err, errno, "cannot see how much room /run has: %s",
				 strerror(errno));
	left = (uint64_t)st.f_bavail * st.f_frsize;
	if (bytes > left)
		return error_set(err, EFBIG, "files of %" PRIu64 " MiB would be copied to /run "
				 "first, where %" PRIu64 " MiB are left. Remove what is not "
				 "needed, or make it larger: mount -o remount,size=%" PRIu64
				 "M /run", mib(bytes), left >> 20,
				 mib((uint64_t)st.f_blocks * st.f_frsize + bytes - left));
	return 0;
}

int room_check_files(struct room *room, const struct app *apps, size_t nr_apps,
		     uint64_t *left, struct error *err)
{
	struct tree_size size = { 0 };
	uint64_t images = 0;
	int r = tmp_size_add(&size);

	for (size_t i = 0; r == 0 && i < nr_apps; i++)
		r = app_size_files(&apps[i], &size, &images, err);
	if (r < 0)
		return err->text[0] ? r : say_limit(r, &size, err);
	room->files = size.bytes + images;
	if (room->files > room->files_most)
		return files_refuse(room, &size, images, err);
	if (left)
		*left = room->files_most - images;
	return check_run(room->files, err);
}

int room_check_memory(const struct room *room, uint64_t unshared, struct error *err)
{
	const struct footprint *m = &room->memory;
	uint64_t ram = memmap_ram(&room->ram), scratch = memmap_ram(&room->plan.scratch);
	uint64_t carried = (m->present + m->swapped + m->shared) * NVWA_PAGE_SIZE;
	uint64_t now, pages, available, swap_used;
	int r;

	/* All that is carried has to lie in memory that the next kernel adds. */
	if (carried >= memmap_ram(&room->plan.hidden))
		return error_set(err, ENOMEM, "of %" PRIu64 " MiB of memory, the programs use "
				 "%" PRIu64 " MiB (swap space included) and the next kernel needs "
				 "%" PRIu64 " MiB to boot in. Carry less, or lower scratch_mb",
				 ram >> 20, mib(carried), scratch >> 20);
	r = machine_memory("", &available, &swap_used);
	if (r < 0)
		return r;
	pages = pages_swapped(room, swap_used) + pages_in_scratch(room) + unshared;
	now = pages * NVWA_PAGE_SIZE + FILE_COPIES * room->files + UPDATE_BYTES;
	if (now > available)
		return error_set(err, ENOMEM, "the update needs %" PRIu64 " MiB of free memory "
				 "before it leaves this kernel, %" PRIu64 " MiB of them for pages "
				 "of the programs that come out of the swap space, lie where the "
				 "next kernel boots, or are shared copy on write; %" PRIu64 " MiB "
				 "are available. Carry less, or end other programs", mib(now),
				 mib(pages * NVWA_PAGE_SIZE), available >> 20);
	return 0;
}
