// SPDX-License-Identifier: GPL-2.0-only
/* What the next kernel is told: boot_params, the long memory map, where things lie. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/kexec/bootparams.h"
#include "lib/kexec/load.h"
#include "tests/unit/temp-dir.h"

#define PHYS	0x5000000
#define MIB	(1ULL << 20)

static char *const root = temp_dir;
static struct image image;

static int make_root(void **state)
{
	struct boot_params running = {
		.acpi_rsdp_addr = 0xf5ac0, .screen_info.orig_video_cols = 80,
		.efi_info.efi_systab = 0x7f9ee018,
	};
	char path[PATH_MAX];

	image.header.init_size = 0x2000000;
	image.header.kernel_alignment = 2 * MIB;
	image.header.cmdline_size = 2047;
	image.header.loadflags = LOADED_HIGH | KASLR_FLAG;
	image.header.setup_data = 0xdead;
	image.entry = 0x1000c43;
	image.load_addr = 16 * MIB;
	image.load_end = 76 * MIB;
	if (make_temp_dir(state) ||
	    path_format(path, sizeof(path), "%s/sys/kernel/boot_params/data", root))
		return -1;
	return file_write(path, &running, sizeof(running), 0644);
}

static const struct setup_data *find(const char *data, uint32_t type)
{
	const struct boot_params *p = (const void *)(data + 4096);
	uint64_t at = p->hdr.setup_data;

	while (at) {
		const struct setup_data *part = (const void *)(data + (at - PHYS));

		if (part->type == type)
			return part;
		at = part->next;
	}
	return NULL;
}

static void tells_all(void **state)
{
	struct memmap_entry entries[150];
	const struct memmap next = { .entries = entries, .nr = 150 };
	const struct bootparams b = {
		.image = &image, .kernel = 48 * MIB, .next = &next,
		.cmdline = "root=/dev/vda quiet",
		.ramdisk = 0x5200000, .ramdisk_len = 12345,
		.rsdp = 0x3b000,
	};
	const struct boot_e820_entry *e820;
	const struct boot_params *p;
	const struct setup_data *part;
	struct error err = { 0 };
	uint64_t address;
	char *data;

	(void)state;
	for (size_t i = 0; i < next.nr; i++)
		entries[i] = (struct memmap_entry){
			.start = i * MIB, .len = MIB / 2, .type = 1 + i % 4,
		};
	assert_int_equal(bootparams_size(&b) % 4096, 0);
	assert_int_equal(bootparams_build(root, &b, PHYS, &data, &err), 0);

	p = (const void *)(data + 4096);
	assert_int_equal(p->acpi_rsdp_addr, 0x3b000);
	assert_int_equal(p->screen_info.orig_video_cols, 80);
	assert_int_equal(p->sentinel, 0);
	assert_int_equal(p->hdr.loadflags, LOADED_HIGH);
	assert_int_equal(p->hdr.type_of_loader, 0xff);
	assert_int_equal(p->hdr.ramdisk_image, 0x5200000);
	assert_int_equal(p->hdr.ramdisk_size, 12345);
	assert_string_equal(data + (p->hdr.cmd_line_ptr - PHYS), "root=/dev/vda quiet");

	assert_int_equal(p->e820_entries, 128);
	assert_int_equal(p->e820_table[127].addr, 127 * MIB);
	part = find(data, SETUP_E820_EXT);
	assert_non_null(part);
	assert_int_equal(part->len, 22 * sizeof(*e820));
	e820 = (const void *)part->data;
	assert_int_equal(e820[21].addr, 149 * MIB);
	assert_int_equal(e820[21].size, MIB / 2);
	assert_int_equal(e820[21].type, 2);

	assert_non_null(find(data, SETUP_RNG_SEED));
	part = find(data, SETUP_NVWA_ENTRY);
	assert_non_null(part);
	assert_int_equal(part->len, 8);
	/* Where the first instructions put the stamp: after cld, rdtsc, shl, or. */
	memcpy(&address, data + 12, 8);
	assert_int_equal(address, PHYS + ((const char *)part->data - data));
	memcpy(&address, data + 22, 8);
	assert_int_equal(address, PHYS + 4096);
	memcpy(&address, data + 32, 8);
	assert_int_equal(address, 48 * MIB + 0xc43);
	free(data);
}

/* Only a kernel that was moved is told so. */
static void tells_that_it_is_random(void **state)
{
	const struct memmap next = { 0 };
	struct image moved = image;
	const struct bootparams b = { .image = &moved, .next = &next, .cmdline = "" };
	const struct boot_params *p;
	struct error err = { 0 };
	char *data;

	(void)state;
	for (int i = 0; i < 2; i++) {
		moved.kaslr = i;
		assert_int_equal(bootparams_build(root, &b, PHYS, &data, &err), 0);
		p = (const void *)(data + 4096);
		assert_int_equal(p->hdr.loadflags, LOADED_HIGH | (i ? KASLR_FLAG : 0));
		free(data);
	}
}

static void put_efi(const char *name, const char *text)
{
	char path[PATH_MAX];

	assert_int_equal(path_format(path, sizeof(path), "%s/sys/firmware/efi/%s", root, name), 0);
	assert_int_equal(file_write(path, text, strlen(text), 0644), 0);
}

/* What UEFI leaves comes from sysfs, and goes where a kernel after kexec looks for it. */
static void hands_on_uefi(void **state)
{
	const struct memmap next = { 0 };
	struct efi efi;
	const struct bootparams b = {
		.image = &image, .next = &next, .cmdline = "", .efi = &efi,
	};
	const struct boot_params *p;
	const struct efi_desc *map;
	const struct efi_setup *setup;
	struct error err = { 0 };
	char *data, name[64];

	(void)state;
	assert_int_equal(efi_read(root, &efi, &err), 0);
	assert_int_equal(efi.nr, 0);
	assert_int_equal(bootparams_build(root, &b, PHYS, &data, &err), 0);
	assert_null(find(data, SETUP_EFI));
	free(data);

	put_efi("systab", "ACPI20=0x7fb7e014\nACPI=0x7fb7e000\nSMBIOS=0x7f9a6000\n");
	put_efi("fw_vendor", "0x7f98ba98\n");
	put_efi("config_table", "0x7f9ec018\n");
	for (int i = 0; i < 2; i++) {
		static const char *const names[] = {
			"type", "phys_addr", "virt_addr", "num_pages", "attribute",
		};
		static const char *const values[] = {
			"0x5\n", "0x7f8ed000\n", "0xfffffffeff8ed000\n", "0x100\n",
			"0x800000000000000f\n",
		};

		for (int k = 0; k < 5; k++) {
			assert_int_equal(path_format(name, sizeof(name), "runtime-map/%d/%s", i,
						     names[k]), 0);
			put_efi(name, values[k]);
		}
	}
	assert_int_equal(efi_read(root, &efi, &err), 0);
	assert_int_equal(efi.nr, 2);
	assert_int_equal(efi.rsdp, 0x7fb7e014);
	assert_int_equal(bootparams_build(root, &b, PHYS, &data, &err), 0);
	p = (const void *)(data + 4096);
	assert_int_equal(p->acpi_rsdp_addr, 0);
	assert_int_equal(p->efi_info.efi_memmap_size, 2 * sizeof(*map));
	assert_int_equal(p->efi_info.efi_memdesc_size, 40);
	assert_int_equal(p->efi_info.efi_systab, 0x7f9ee018);
	map = (const void *)(data + (p->efi_info.efi_memmap - PHYS));
	assert_int_equal(map[1].type, 5);
	assert_int_equal(map[1].phys_addr, 0x7f8ed000);
	assert_int_equal(map[1].virt_addr, 0xfffffffeff8ed000);
	assert_int_equal(map[1].num_pages, 0x100);
	assert_non_null(find(data, SETUP_EFI));
	setup = (const void *)find(data, SETUP_EFI)->data;
	assert_int_equal(setup->tables, 0x7f9ec018);
	assert_int_equal(setup->smbios, 0x7f9a6000);
	assert_non_null(find(data, SETUP_NVWA_ENTRY));
	free(data);
	efi_free(&efi);
}

static void needs_the_running_kernels(void **state)
{
	const struct memmap next = { 0 };
	const struct bootparams b = { .image = &image, .next = &next, .cmdline = "" };
	struct error err = { 0 };
	char *data;

	(void)state;
	assert_int_equal(bootparams_build("/nowhere", &b, PHYS, &data, &err), -ENOENT);
	assert_non_null(strstr(err.text, "boot_params"));
}

static int place(const char *scratch, size_t initramfs_len, struct nvwa_range *segments,
		 struct error *err)
{
	struct scratch_plan plan = { 0 };
	const struct load l = {
		.sysroot = root, .image = &image, .plan = &plan, .cmdline = "quiet",
		.initramfs_len = initramfs_len,
	};
	int r;

	memset(err, 0, sizeof(*err));
	assert_int_equal(memmap_parse(scratch, &plan.scratch), 0);
	r = load_place(&l, segments, err);
	memmap_free(&plan.scratch);
	return r;
}

static void places_segments_in_the_scratch(void **state)
{
	struct nvwa_range s[LOAD_SEGMENTS];
	struct error err;

	(void)state;
	assert_int_equal(place("1000 9e000 1 0\n100000 7f00000 1 0\n", 5 * MIB - 1, s, &err), 0);
	assert_int_equal(s[0].start, 16 * MIB);
	assert_int_equal(s[0].len, 60 * MIB);
	assert_int_equal(s[1].start, 76 * MIB);
	assert_int_equal(s[2].start, s[1].start + s[1].len);
	assert_int_equal(s[2].len, 5 * MIB);

	/* Too large for block 0: the next part that has room. */
	assert_int_equal(place("100000 7f00000 1 0\n20000000 8000000 1 0\n", 100 * MIB, s,
			       &err), 0);
	assert_int_equal(s[2].start, 0x20000000);
}

static void refuses_where_there_is_no_room(void **state)
{
	struct nvwa_range s[LOAD_SEGMENTS];
	struct error err;

	(void)state;
	/* A hole where the kernel must lie. */
	assert_int_equal(place("100000 3000000 1 0\n3200000 4e00000 1 0\n", MIB, s, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "1000000"));
	assert_int_equal(place("100000 7f00000 1 0\n100000000 8000000 1 0\n", 100 * MIB, s, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.text, "larger scratch"));
}

static bool lies_in(const struct nvwa_range *range, uint64_t start, uint64_t end)
{
	return range->start >= start && range->start + range->len <= end;
}

/* A kernel that was moved goes to any place that has room, aligned, with the rest behind it. */
static void places_at_random(void **state)
{
	const uint64_t link_end = image.load_end;
	struct nvwa_range s[LOAD_SEGMENTS];
	bool seen[28] = { false };
	struct error err;
	int nr = 0;

	(void)state;
	image.kaslr = true;
	image.load_end -= 4096;
	/* For 60 MiB and 5 behind, from 16 to 68 MiB in one part, and one place in the other. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(place("1000 9e000 1 0\n100000 7f00000 1 0\n20100000 4300000 1 0\n"
				       "100000000 8000000 1 0\n", 5 * MIB - 1, s, &err), 0);
		assert_int_equal(s[0].start % (2 * MIB), 0);
		assert_int_equal(s[0].len, 60 * MIB - 4096);
		assert_int_equal(s[2].len, 5 * MIB);
		for (int k = 0; k < LOAD_SEGMENTS; k++) {
			assert_true(lies_in(&s[k], MIB, 128 * MIB) ||
				    lies_in(&s[k], 0x20100000, 0x24400000));
			assert_true(!k || s[k].start >= s[k - 1].start + s[k - 1].len);
		}
		seen[s[0].start == 0x20200000 ? 27 : (s[0].start - 16 * MIB) / (2 * MIB)] = true;
	}
	/* That one of them is never seen in 1000 is less likely than 2^-47. */
	for (int i = 0; i < 28; i++)
		nr += seen[i];
	assert_int_equal(nr, 28);

	/* The link address need not be free. */
	assert_int_equal(place("1100000 6f00000 1 0\n", MIB, s, &err), 0);
	assert_true(lies_in(&s[0], 0x1200000, 128 * MIB));
	assert_int_equal(place("100000 3000000 1 0\n3200000 3b00000 1 0\n", MIB, s, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "larger scratch"));
	assert_int_equal(place("fc600000 8000000 1 0\n", MIB, s, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "below 4 GiB"));
	image.load_end = link_end;
	image.kaslr = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_all),
		cmocka_unit_test(tells_that_it_is_random),
		cmocka_unit_test(hands_on_uefi),
		cmocka_unit_test(needs_the_running_kernels),
		cmocka_unit_test(places_segments_in_the_scratch),
		cmocka_unit_test(refuses_where_there_is_no_room),
		cmocka_unit_test(places_at_random),
	};

	return cmocka_run_group_tests(tests, make_root, remove_temp_dir);
}
