// SPDX-License-Identifier: GPL-2.0-only
/* The choice of the park area (uapi/park.h). */
#include "lib/kexec/park.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/bootparams.h"
#include "lib/kexec/efi.h"
#include "lib/kexec/memmap_edit.h"
#include "lib/kexec/target.h"
#include "lib/record/keeper.h"
#include "uapi/park.h"

/* The first page belongs to the BIOS, and some kernels leave all below 64 KiB alone. */
#define LOWEST		0x10000
/* A kernel's own code for starting CPUs must have room above; it is some 32 KiB. */
#define TRAMPOLINE	0x10000

static int read_keeper(void *ctx, uint64_t phys, void *to, size_t len)
{
	return keeper_firmware(*(int *)ctx, phys, to, len);
}

/* The root pointer that the running kernel was started with; 0: not known. */
static int running_rsdp(uint64_t *rsdp, struct error *err)
{
	struct boot_params params;
	struct efi efi;
	int r = bootparams_running("", &params);

	if (r < 0)
		return error_set(err, -r, "the running kernel's boot parameters cannot be read: %s",
				 strerror(-r));
	*rsdp = params.acpi_rsdp_addr;
	if (*rsdp)
		return 0;
	r = efi_read("", &efi, err);
	if (r < 0)
		return r;
	*rsdp = efi.rsdp;
	efi_free(&efi);
	return 0;
}

uint64_t park_place(const struct memmap *map)
{
	for (size_t i = 0; i < map->nr; i++) {
		const struct memmap_entry *e = &map->entries[i];
		uint64_t start = e->start > LOWEST ? e->start : LOWEST, end = e->start + e->len;

		if (end > NVWA_PARK_END)
			end = NVWA_PARK_END;
		start = (start + NVWA_PARK_LEN - 1) & ~(uint64_t)(NVWA_PARK_LEN - 1);
		if (e->type == E820_RAM && start + NVWA_PARK_LEN + TRAMPOLINE <= end)
			return start;
	}
	return 0;
}

int park_reserve(const struct park *park, struct memmap *map)
{
	return memmap_overlay(map, park->kept, park->kept ? park->kept + NVWA_PARK_LEN : 0,
			      E820_NVS, -1);
}

/* Take it out of what the next kernel boots in. */
static int reserve(const struct park *park, struct scratch_plan *plan)
{
	struct memmap scratch = { 0 };
	int r = park_reserve(park, &plan->next);

	for (size_t i = 0; i < plan->next.nr && !r; i++) {
		const struct memmap_entry *e = &plan->next.entries[i];

		if (e->type == E820_RAM)
			r = memmap_append(&scratch, e->start, e->start + e->len, e->type, e->nid);
	}
	if (r) {
		memmap_free(&scratch);
		return r;
	}
	memmap_free(&plan->scratch);
	plan->scratch = scratch;
	return 0;
}

/* The CPUs of a list as in /sys/devices/system/cpu, "0-3,8"; 0 if it cannot be read. */
static unsigned int count_cpus(const char *name)
{
	_cleanup_free_ char *text = NULL;
	unsigned int first, last, nr = 0;
	char path[64], *rest, *range;

	if (path_format(path, sizeof(path), "/sys/devices/system/cpu/%s", name) ||
	    file_read(path, &text, NULL))
		return 0;
	for (rest = text; (range = strsep(&rest, ","));) {
		int n = sscanf(range, "%u-%u", &first, &last);

		nr += n == 2 ? last - first + 1 : n == 1;
	}
	return nr;
}

static int check(const char *release, unsigned int online, struct error *err)
{
	if (online < 2)
		return error_set(err, ENODEV, "there is one CPU only");
	if (online > NVWA_PARK_CPUS)
		return error_set(err, E2BIG, "there are more than %d CPUs", NVWA_PARK_CPUS);
	if (online != count_cpus("present"))
		return error_set(err, EBUSY, "CPUs are offline");
	/* Since 6.11, which can also hand a CPU back to the mailbox and so take it offline. */
	if (!target_is_configured(release, "CONFIG_ACPI_MADT_WAKEUP=y"))
		return error_set(err, EOPNOTSUPP, "Linux %s could not take CPUs offline that were "
				 "woken by a mailbox", release);
	return 0;
}

/* Known: the machine's root pointer, and the area if there was one before. */
static int choose(const struct acpi_memory *memory, const char *release, bool wanted,
		  const struct memmap *next, struct park *park, struct error *err)
{
	unsigned int online = count_cpus("online");
	uint64_t area = park->kept ?: park_place(next);
	int r = check(release, online, err);

	if (!r && !wanted)
		r = error_set(err, ECANCELED, "cpu_park is switched off");
	if (!r && !area)
		r = error_set(err, ENOSPC, "there is no room for them below 1 MiB");
	if (!r)
		r = acpi_wakeup(memory, park->original, area, &park->tables, err);
	if (!r && park->tables.nr_cpus != online)
		r = error_set(err, EBADMSG, "the ACPI tables name %u CPUs, and %u are online",
			      park->tables.nr_cpus, online);
	if (r < 0)
		return r;
	park->area = park->kept = area;
	park->rsdp = park->tables.rsdp;
	return 0;
}

int park_choose(int keeper, const char *release, bool wanted, struct scratch_plan *plan,
		struct park *park, struct error *err)
{
	const struct acpi_memory memory = { read_keeper, &keeper };
	int r, reserved;

	*park = (struct park){ 0 };
	r = running_rsdp(&park->original, err);
	if (!r && !park->original)
		r = error_set(err, ENOENT, "it is not known where the ACPI tables are");
	if (r < 0)
		return r;
	r = acpi_original(&memory, &park->original, &park->kept);
	park->rsdp = park->original;
	if (r < 0)
		return error_set(err, -r, "the ACPI tables cannot be read: %s", strerror(-r));
	r = choose(&memory, release, wanted, &plan->next, park, err);
	reserved = reserve(park, plan);
	if (reserved < 0)
		r = error_set(err, -reserved, "%s", strerror(-reserved));
	if (r < 0) {
		park_free(park);
		park->area = 0;
		park->rsdp = park->original;
	}
	return r;
}

void park_free(struct park *park)
{
	free(park->tables.data);
	park->tables.data = NULL;
}
