// SPDX-License-Identifier: GPL-2.0-only
/* UEFI as /sys/firmware/efi shows it, for kexec (Documentation/ABI/testing/sysfs-firmware-efi*). */
#include "lib/kexec/efi.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define EFI_DIR	"/sys/firmware/efi"

static int read_value(const char *sysroot, const char *name, uint64_t *value)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r = path_format(path, sizeof(path), "%s" EFI_DIR "/%s", sysroot, name);

	if (!r)
		r = file_read(path, &text, NULL);
	if (!r)
		*value = strtoull(text, NULL, 0);
	return r;
}

/* One line of "systab": NAME=ADDRESS. 0 if there is none. */
static uint64_t table(const char *systab, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = systab; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (!strncmp(line, name, len) && line[len] == '=')
			return strtoull(line + len + 1, NULL, 0);
	}
	return 0;
}

static int read_desc(const char *sysroot, size_t nr, struct efi_desc *desc)
{
	const struct {
		const char *name;
		uint64_t *to;
	} values[] = {
		{ "phys_addr", &desc->phys_addr },
		{ "virt_addr", &desc->virt_addr },
		{ "num_pages", &desc->num_pages },
		{ "attribute", &desc->attribute },
	};
	uint64_t type = 0;
	char name[64];
	int r;

	r = path_format(name, sizeof(name), "runtime-map/%zu/type", nr);
	if (!r)
		r = read_value(sysroot, name, &type);
	desc->type = type;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]) && !r; i++) {
		r = path_format(name, sizeof(name), "runtime-map/%zu/%s", nr, values[i].name);
		if (!r)
			r = read_value(sysroot, name, values[i].to);
	}
	return r;
}

/* They are numbered from 0 without a gap. */
static int read_map(const char *sysroot, struct efi *efi)
{
	for (;;) {
		struct efi_desc desc = { 0 }, *more;
		int r = read_desc(sysroot, efi->nr, &desc);

		if (r)
			return r == -ENOENT ? 0 : r;
		more = reallocarray(efi->map, efi->nr + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		efi->map = more;
		efi->map[efi->nr++] = desc;
	}
}

int efi_read(const char *sysroot, struct efi *efi, struct error *err)
{
	_cleanup_free_ char *systab = NULL;
	struct efi found = { 0 };
	char path[PATH_MAX];
	int r;

	*efi = found;
	r = path_format(path, sizeof(path), "%s" EFI_DIR "/systab", sysroot);
	if (!r)
		r = file_read(path, &systab, NULL);
	if (r == -ENOENT)
		return 0;
	if (!r) {
		found.rsdp = table(systab, "ACPI20");
		if (!found.rsdp)
			found.rsdp = table(systab, "ACPI");
		/* The address of a 64-bit entry point (SMBIOS3) needs no telling. */
		found.setup.smbios = table(systab, "SMBIOS");
		r = read_map(sysroot, &found);
	}
	if (!r && found.nr)
		r = read_value(sysroot, "fw_vendor", &found.setup.fw_vendor);
	if (!r && found.nr)
		r = read_value(sysroot, "config_table", &found.setup.tables);
	if (r < 0) {
		efi_free(&found);
		return error_set(err, -r, "What UEFI has told the running kernel, %s%s, cannot be "
				 "read (%s).", sysroot, EFI_DIR, strerror(-r));
	}
	*efi = found;
	return 0;
}

void efi_free(struct efi *efi)
{
	free(efi->map);
	*efi = (struct efi){ 0 };
}
