// SPDX-License-Identifier: GPL-2.0-only
/* The machine's memory map: where it is read from, and its text form. */
#include "lib/kexec/memmap.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/cmdline.h"
#include "lib/kexec/memmap_edit.h"
#include "uapi/record.h"

#define PAGE_MASK	(~(uint64_t)(NVWA_PAGE_SIZE - 1))

/* Names of e820_type_to_string() in the kernel's arch/x86/kernel/e820.c. */
static const struct {
	const char *name;
	uint32_t type;
} e820_names[] = {
	{ "System RAM", E820_RAM },
	{ "ACPI Tables", E820_ACPI },
	{ "ACPI Non-volatile Storage", E820_NVS },
	{ "Unusable memory", E820_UNUSABLE },
	{ "Persistent Memory", E820_PMEM },
	{ "Persistent Memory (legacy)", E820_PRAM },
	/* Reserved, Soft Reserved, and whatever is not known here. */
};

void memmap_free(struct memmap *map)
{
	free(map->entries);
	*map = (struct memmap){ 0 };
}

int memmap_append(struct memmap *map, uint64_t start, uint64_t end, uint32_t type, int nid)
{
	struct memmap_entry *last = map->nr ? &map->entries[map->nr - 1] : NULL;
	struct memmap_entry *more;

	if (start >= end)
		return 0;
	if (last && last->start + last->len == start && last->type == type && last->nid == nid) {
		last->len += end - start;
		return 0;
	}

	more = realloc(map->entries, (map->nr + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	map->entries = more;
	map->entries[map->nr++] = (struct memmap_entry){
		.start = start, .len = end - start, .type = type, .nid = nid,
	};
	return 0;
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = ((const struct memmap_entry *)a)->start;
	uint64_t y = ((const struct memmap_entry *)b)->start;

	return x < y ? -1 : x > y;
}

static void sort_entries(struct memmap *map)
{
	if (map->nr)
		qsort(map->entries, map->nr, sizeof(*map->entries), by_start);
}

int memmap_overlay(struct memmap *map, uint64_t start, uint64_t end, uint32_t type, int nid)
{
	struct memmap out = { 0 };
	bool placed = false;
	int r = 0;

	if (start >= end)
		return 0;
	for (size_t i = 0; i < map->nr && !r; i++) {
		const struct memmap_entry *e = &map->entries[i];
		uint64_t e_end = e->start + e->len;

		if (!placed && e->start >= start) {
			r = memmap_append(&out, start, end, type, nid);
			placed = true;
		}
		if (!r && e->start < start)
			r = memmap_append(&out, e->start, e_end < start ? e_end : start,
					  e->type, e->nid);
		if (!r && !placed && e_end > start) {
			r = memmap_append(&out, start, end, type, nid);
			placed = true;
		}
		if (!r && e_end > end)
			r = memmap_append(&out, e->start > end ? e->start : end, e_end,
					  e->type, e->nid);
	}
	if (!r && !placed)
		r = memmap_append(&out, start, end, type, nid);
	if (r) {
		memmap_free(&out);
		return r;
	}

	memmap_free(map);
	*map = out;
	return 0;
}

static int read_line(int dirfd, const char *path, char **line)
{
	int r = file_read_at(dirfd, path, line, NULL);

	if (!r)
		(*line)[strcspn(*line, "\n")] = '\0';
	return r;
}

static int read_firmware_entry(int dirfd, const char *name, struct memmap *map)
{
	_cleanup_free_ char *start = NULL, *end = NULL, *type = NULL;
	uint32_t e820 = E820_RESERVED;
	char path[PATH_MAX];
	int r;

	r = path_format(path, sizeof(path), "%s/start", name);
	if (!r)
		r = read_line(dirfd, path, &start);
	if (!r)
		r = path_format(path, sizeof(path), "%s/end", name);
	if (!r)
		r = read_line(dirfd, path, &end);
	if (!r)
		r = path_format(path, sizeof(path), "%s/type", name);
	if (!r)
		r = read_line(dirfd, path, &type);
	if (r < 0)
		return r;

	for (size_t i = 0; i < sizeof(e820_names) / sizeof(e820_names[0]); i++) {
		if (!strcmp(type, e820_names[i].name))
			e820 = e820_names[i].type;
	}
	/* "end" is the last byte. Not memmap_append(): the entries come in no order. */
	return memmap_append(map, strtoull(start, NULL, 0), strtoull(end, NULL, 0) + 1, e820,
			     e820 == E820_RAM ? 0 : -1);
}

static int read_firmware(const char *sysroot, struct memmap *map, struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct memmap raw = { 0 };
	struct dirent *d;
	char path[PATH_MAX];
	int r = path_format(path, sizeof(path), "%s/sys/firmware/memmap", sysroot);

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return error_set(err, errno,
				 "The firmware's memory map %s cannot be read (%s). "
				 "The running kernel needs CONFIG_FIRMWARE_MEMMAP.",
				 path, strerror(errno));

	while (!r && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			r = read_firmware_entry(dirfd(dir), d->d_name, &raw);
	}
	if (!r && !raw.nr)
		r = -ENODATA;
	if (r < 0) {
		memmap_free(&raw);
		return error_set(err, -r, "The firmware's memory map %s cannot be read (%s).",
				 path, strerror(-r));
	}

	/* Firmware maps overlap now and then; what is not RAM wins, as in the kernel. */
	sort_entries(&raw);
	for (size_t i = 0; i < 2 * raw.nr && !r; i++) {
		const struct memmap_entry *e = &raw.entries[i % raw.nr];

		if ((e->type == E820_RAM) == (i < raw.nr))
			r = memmap_overlay(map, e->start, e->start + e->len, e->type, e->nid);
	}
	memmap_free(&raw);
	return r;
}

/* One line of /proc/iomem: nested entries are indented. False: it is none. */
static bool parse_resource(const char *line, uint64_t *start, uint64_t *end, const char **name)
{
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " : %n", start, end, &at) < 2 || !at)
		return false;
	*name = line + at;
	return true;
}

int memmap_added(const char *sysroot, uint64_t *bytes)
{
	static const char by_driver[] = "System RAM (";
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX], *line, *save = NULL;
	uint64_t start, end;
	const char *name;
	int r;

	r = path_format(path, sizeof(path), "%s/proc/iomem", sysroot);
	if (!r)
		r = file_read(path, &text, NULL);
	if (r < 0)
		return r;
	*bytes = 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (parse_resource(line, &start, &end, &name) &&
		    !strncmp(name, by_driver, strlen(by_driver)))
			*bytes += end + 1 - start;
	}
	return 0;
}

/*
 * Keep as RAM only what the running kernel itself took as RAM: it knows of
 * reservations that the firmware map does not show (UEFI tables, mem=).
 */
static int keep_system_ram(const char *sysroot, struct memmap *map, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX], *line, *save = NULL;
	uint64_t start, end, done = 0;
	bool seen = false;
	int r;

	r = path_format(path, sizeof(path), "%s/proc/iomem", sysroot);
	if (!r)
		r = file_read(path, &text, NULL);
	if (r < 0)
		return error_set(err, -r, "%s cannot be read (%s).", path, strerror(-r));

	struct memmap ram = { 0 };

	for (line = strtok_r(text, "\n", &save); line && !r; line = strtok_r(NULL, "\n", &save)) {
		const char *name;

		/* Nested entries are hot-added RAM, kernel code. */
		if (!parse_resource(line, &start, &end, &name) || line[0] == ' ' ||
		    strcmp(name, "System RAM"))
			continue;
		if (end)
			seen = true;
		r = memmap_append(&ram, start, end + 1, E820_RAM, 0);
	}
	if (!r && !seen) {
		memmap_free(&ram);
		return error_set(err, EPERM, "%s hides its addresses: run this as root.", path);
	}

	/* Every gap between the kernel's RAM: what the firmware called RAM there is not. */
	sort_entries(&ram);
	for (size_t i = 0; i <= ram.nr && !r; i++) {
		uint64_t gap_end = i < ram.nr ? ram.entries[i].start : UINT64_MAX;

		for (size_t k = 0; k < map->nr && !r; k++) {
			struct memmap_entry e = map->entries[k];
			uint64_t from = e.start > done ? e.start : done;
			uint64_t to = e.start + e.len < gap_end ? e.start + e.len : gap_end;

			if (e.type == E820_RAM && from < to) {
				r = memmap_overlay(map, from, to, E820_RESERVED, -1);
				k = (size_t)-1;	/* the table has changed */
			}
		}
		if (i < ram.nr)
			done = ram.entries[i].start + ram.entries[i].len;
	}
	memmap_free(&ram);
	return r;
}

/* RAM in whole pages, and what is left of a page reserved. */
static int align_ram(struct memmap *map)
{
	for (size_t i = 0; i < map->nr; i++) {
		struct memmap_entry e = map->entries[i];
		uint64_t end = e.start + e.len;
		uint64_t first = (e.start + NVWA_PAGE_SIZE - 1) & PAGE_MASK;
		uint64_t last = end & PAGE_MASK;
		int r;

		if (e.type != E820_RAM || (first == e.start && last == end))
			continue;
		if (first >= last) {
			r = memmap_overlay(map, e.start, end, E820_RESERVED, -1);
		} else {
			r = memmap_overlay(map, e.start, first, E820_RESERVED, -1);
			if (!r)
				r = memmap_overlay(map, last, end, E820_RESERVED, -1);
		}
		if (r)
			return r;
		i = (size_t)-1;
	}

	return 0;
}

/* The size of the running kernel's memory blocks. */
static int running_block_size(const char *sysroot, uint64_t *bytes)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r;

	r = path_format(path, sizeof(path), "%s/sys/devices/system/memory/block_size_bytes",
			sysroot);
	if (!r)
		r = file_read(path, &text, NULL);
	if (r)
		return r;
	*bytes = strtoull(text, NULL, 16);
	return *bytes ? 0 : -EBADMSG;
}

int memmap_block_size(const char *sysroot, uint64_t *bytes, struct error *err)
{
	uint64_t running;
	int r = running_block_size(sysroot, &running);

	if (r)
		return error_set(err, -r, "The size of a memory block cannot be read (%s). The "
				 "running kernel needs CONFIG_MEMORY_HOTPLUG.", strerror(-r));
	/* The scratch is chosen so that the next kernel's are the smallest there are. */
	*bytes = BLOCK_SIZE_MIN;
	return 0;
}

/* Put the RAM within [start, end) on a node. */
static int set_node(struct memmap *map, uint64_t start, uint64_t end, int nid)
{
	for (size_t i = 0; i < map->nr; i++) {
		struct memmap_entry e = map->entries[i];
		uint64_t from = e.start > start ? e.start : start;
		uint64_t to = e.start + e.len < end ? e.start + e.len : end;
		int r;

		if (e.type != E820_RAM || from >= to || e.nid == nid)
			continue;
		r = memmap_overlay(map, from, to, E820_RAM, nid);
		if (r)
			return r;
		i = (size_t)-1;
	}

	return 0;
}

/* Say of each memory block that sysfs names to which NUMA node it belongs. */
static int read_nodes(const char *sysroot, struct memmap *map)
{
	char path[PATH_MAX];
	uint64_t block;
	int r;

	r = running_block_size(sysroot, &block);
	if (r == -ENOENT)
		return 0;
	if (r)
		return r;

	/* Node 0 is what the entries say already. */
	for (int nid = 1; nid < 1024; nid++) {
		_cleanup_closedir_ DIR *dir = NULL;
		struct dirent *d;

		r = path_format(path, sizeof(path), "%s/sys/devices/system/node/node%d",
				sysroot, nid);
		if (r)
			return r;
		dir = opendir(path);
		while (dir && (d = readdir(dir))) {
			uint64_t nr;

			if (sscanf(d->d_name, "memory%" SCNu64, &nr) == 1)
				r = set_node(map, nr * block, (nr + 1) * block, nid);
			if (r)
				return r;
		}
	}

	return 0;
}

static int read_handed_over(const char *sysroot, struct memmap *map, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r;

	r = path_format(path, sizeof(path), "%s" NVWA_STATE_DIR "/ram", sysroot);
	if (!r)
		r = file_read(path, &text, NULL);
	if (!r)
		r = memmap_parse(text, map);
	if (r < 0)
		return error_set(err, -r,
				 "The running kernel was started by nvwa, but the machine's memory "
				 "map that was handed to it, %s, cannot be read (%s). "
				 "Reboot once in the ordinary way.", path, strerror(-r));
	return 0;
}

int memmap_read(const char *sysroot, struct memmap *map, struct error *err)
{
	_cleanup_free_ char *cmdline = NULL;
	struct memmap read = { 0 };
	char path[PATH_MAX];
	int r;

	r = path_format(path, sizeof(path), "%s/proc/cmdline", sysroot);
	if (!r)
		r = file_read(path, &cmdline, NULL);
	if (r < 0)
		return error_set(err, -r, "%s cannot be read (%s).", path, strerror(-r));

	if (cmdline_is_ours(cmdline))
		return read_handed_over(sysroot, map, err);

	r = read_firmware(sysroot, &read, err);
	if (!r)
		r = keep_system_ram(sysroot, &read, err);
	if (!r)
		r = align_ram(&read);
	if (!r)
		r = read_nodes(sysroot, &read);
	if (r < 0) {
		memmap_free(&read);
		return error_set(err, -r, "The memory map cannot be read (%s).", strerror(-r));
	}

	*map = read;
	return 0;
}

int memmap_format(const struct memmap *map, char **text)
{
	/* Two numbers of 16 digits, a type and a node of up to 11, blanks and a newline. */
	size_t size = map->nr * (2 * 16 + 2 * 11 + 4) + 1, len = 0;
	char *out = malloc(size);

	if (!out)
		return -ENOMEM;
	out[0] = '\0';
	for (size_t i = 0; i < map->nr; i++) {
		const struct memmap_entry *e = &map->entries[i];

		len += snprintf(out + len, size - len, "%" PRIx64 " %" PRIx64 " %" PRIu32 " %d\n",
				e->start, e->len, e->type, e->nid);
	}

	*text = out;
	return 0;
}

int memmap_parse(const char *text, struct memmap *map)
{
	struct memmap read = { 0 };
	uint64_t end = 0;

	while (*text) {
		struct memmap_entry e;
		int used = 0, r;

		if (sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNu32 " %d%n",
			   &e.start, &e.len, &e.type, &e.nid, &used) != 4 ||
		    text[used] != '\n' || !e.len || e.start < end ||
		    __builtin_add_overflow(e.start, e.len, &end)) {
			memmap_free(&read);
			return -EBADMSG;
		}
		r = memmap_append(&read, e.start, end, e.type, e.nid);
		if (r) {
			memmap_free(&read);
			return r;
		}
		text += used + 1;
	}

	*map = read;
	return 0;
}

uint64_t memmap_ram(const struct memmap *map)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < map->nr; i++) {
		if (map->entries[i].type == E820_RAM)
			sum += map->entries[i].len;
	}

	return sum;
}

int memmap_ranges(const struct memmap *map, struct nvwa_range **ranges, size_t *nr)
{
	struct nvwa_range *list = calloc(map->nr + 1, sizeof(*list));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < map->nr; i++) {
		const struct memmap_entry *e = &map->entries[i];

		if (n && list[n - 1].start + list[n - 1].len == e->start)
			list[n - 1].len += e->len;
		else
			list[n++] = (struct nvwa_range){ e->start, e->len };
	}

	*ranges = list;
	*nr = n;
	return 0;
}
