// SPDX-License-Identifier: GPL-2.0-only
/* Memory maps read from recorded machines, and the scratch that is chosen in them. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/kexec/memmap.h"
#include "lib/kexec/zones.h"
#include "tests/unit/temp-dir.h"

#define MIB	(1ULL << 20)
#define GIB	(1ULL << 30)
#define BLOCK	(128 * MIB)

static char *const root = temp_dir;

static void put(const char *path, const char *text)
{
	char full[PATH_MAX];

	assert_int_equal(path_format(full, sizeof(full), "%s%s", root, path), 0);
	assert_int_equal(file_write(full, text, strlen(text), 0644), 0);
}

/* One entry of /sys/firmware/memmap; end is the last byte, as there. */
struct entry {
	const char *start, *end, *type;
};

static void put_machine(const struct entry *entries, size_t nr, const char *iomem)
{
	char path[PATH_MAX];

	tree_remove(root);
	for (size_t i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "/sys/firmware/memmap/%zu/start", i);
		put(path, entries[i].start);
		snprintf(path, sizeof(path), "/sys/firmware/memmap/%zu/end", i);
		put(path, entries[i].end);
		snprintf(path, sizeof(path), "/sys/firmware/memmap/%zu/type", i);
		put(path, entries[i].type);
	}
	put("/proc/iomem", iomem);
	put("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda quiet\n");
	put("/sys/devices/system/memory/block_size_bytes", "8000000\n");
}

static void assert_map(const struct memmap *map, const char *expected)
{
	char *text;

	assert_int_equal(memmap_format(map, &text), 0);
	assert_string_equal(text, expected);
	free(text);
}

/* QEMU's q35 with 2 GiB. */
static const struct entry q35[] = {
	{ "0x0\n", "0x9fbff\n", "System RAM\n" },
	{ "0x9fc00\n", "0x9ffff\n", "Reserved\n" },
	{ "0xf0000\n", "0xfffff\n", "Reserved\n" },
	{ "0x100000\n", "0x7ffdcfff\n", "System RAM\n" },
	{ "0x7ffdd000\n", "0x7fffffff\n", "Reserved\n" },
	{ "0xb0000000\n", "0xbfffffff\n", "Reserved\n" },
};

static const char q35_iomem[] =
	"00000000-00000fff : Reserved\n"
	"00001000-0009fbff : System RAM\n"
	"0009fc00-0009ffff : Reserved\n"
	"000c0000-000c05ff : Video ROM\n"
	"000f0000-000fffff : Reserved\n"
	"  000f0000-000fffff : System ROM\n"
	"00100000-7ffdcfff : System RAM\n"
	"  01000000-01ffffff : Kernel code\n"
	"7ffdd000-7fffffff : Reserved\n";

static void reads_a_machine(void **state)
{
	struct memmap map = { 0 };
	struct error err = { 0 };

	(void)state;
	put_machine(q35, 6, q35_iomem);
	assert_int_equal(memmap_read(root, &map, &err), 0);
	/* Page 0 and the broken page at 0x9f000 are no RAM. */
	assert_map(&map,
		   "0 1000 2 -1\n"
		   "1000 9e000 1 0\n"
		   "9f000 1000 2 -1\n"
		   "f0000 10000 2 -1\n"
		   "100000 7fedd000 1 0\n"
		   "7ffdd000 23000 2 -1\n"
		   "b0000000 10000000 2 -1\n");
	assert_int_equal(memmap_ram(&map), 0x9e000 + 0x7fedd000);
	memmap_free(&map);
}

static void takes_off_what_the_kernel_reserved(void **state)
{
	static const char iomem[] =
		"00001000-0009fbff : System RAM\n"
		"00100000-2fffffff : System RAM\n"
		"30000000-30000fff : Reserved\n"
		"30001000-7ffdcfff : System RAM\n";
	struct memmap map = { 0 };
	struct error err = { 0 };

	(void)state;
	put_machine(q35, 6, iomem);
	assert_int_equal(memmap_read(root, &map, &err), 0);
	assert_map(&map,
		   "0 1000 2 -1\n"
		   "1000 9e000 1 0\n"
		   "9f000 1000 2 -1\n"
		   "f0000 10000 2 -1\n"
		   "100000 2ff00000 1 0\n"
		   "30000000 1000 2 -1\n"
		   "30001000 4ffdc000 1 0\n"
		   "7ffdd000 23000 2 -1\n"
		   "b0000000 10000000 2 -1\n");
	memmap_free(&map);
}

static void lets_other_types_win_in_overlaps(void **state)
{
	static const struct entry entries[] = {
		{ "0x100000\n", "0x3fffffff\n", "System RAM\n" },
		{ "0x20000000\n", "0x200fffff\n", "ACPI Tables\n" },
		{ "0x20100000\n", "0x201fffff\n", "ACPI Non-volatile Storage\n" },
		{ "0x20200000\n", "0x202fffff\n", "Something new\n" },
	};
	struct memmap map = { 0 };
	struct error err = { 0 };

	(void)state;
	put_machine(entries, 4, "00100000-3fffffff : System RAM\n");
	assert_int_equal(memmap_read(root, &map, &err), 0);
	assert_map(&map,
		   "100000 1ff00000 1 0\n"
		   "20000000 100000 3 -1\n"
		   "20100000 100000 4 -1\n"
		   "20200000 100000 2 -1\n"
		   "20300000 1fd00000 1 0\n");
	memmap_free(&map);
}

static void knows_numa_nodes(void **state)
{
	static const struct entry entries[] = {
		{ "0x100000\n", "0x3fffffff\n", "System RAM\n" },
	};
	struct memmap map = { 0 };
	struct error err = { 0 };

	(void)state;
	put_machine(entries, 1, "00100000-3fffffff : System RAM\n");
	put("/sys/devices/system/node/node1/memory4/x", "");
	put("/sys/devices/system/node/node1/memory5/x", "");
	assert_int_equal(memmap_read(root, &map, &err), 0);
	assert_map(&map,
		   "100000 1ff00000 1 0\n"
		   "20000000 10000000 1 1\n"
		   "30000000 10000000 1 0\n");
	memmap_free(&map);
}

static void refuses_hidden_addresses(void **state)
{
	struct memmap map = { 0 };
	struct error err = { 0 };

	(void)state;
	put_machine(q35, 6, "00000000-00000000 : System RAM\n00000000-00000000 : Reserved\n");
	assert_int_equal(memmap_read(root, &map, &err), -EPERM);
	assert_non_null(strstr(err.text, "root"));
}

static void reads_what_an_update_left(void **state)
{
	struct memmap map = { 0 };
	struct error err = { 0 };

	(void)state;
	put_machine(q35, 6, q35_iomem);
	put("/proc/cmdline", "root=/dev/vda nvwa=1 noresume\n");
	assert_int_equal(memmap_read(root, &map, &err), -ENOENT);
	assert_non_null(strstr(err.text, "Reboot"));

	put("/run/nvwa/ram", "1000 9e000 1 0\n9f000 1000 2 -1\n");
	assert_int_equal(memmap_read(root, &map, NULL), 0);
	assert_map(&map, "1000 9e000 1 0\n9f000 1000 2 -1\n");
	memmap_free(&map);
}

static void parses_only_good_text(void **state)
{
	static const char *const bad[] = {
		"x\n", "0 1000 1\n", "0 1000 1 0", "0 0 1 0\n",
		"1000 1000 1 0\n0 1000 1 0\n", "0 2000 1 0\n1000 1000 1 0\n",
		"fffffffffffff000 2000 1 0\n",
	};
	struct memmap map = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(memmap_parse(bad[i], &map), -EBADMSG);
	assert_int_equal(memmap_parse("", &map), 0);
	assert_int_equal(map.nr, 0);
}

static struct scratch_plan choose(const char *text, uint64_t min, const uint64_t *used, size_t nr)
{
	struct scratch_plan plan = { 0 };
	struct memmap map = { 0 };
	struct error err = { 0 };

	assert_int_equal(memmap_parse(text, &map), 0);
	assert_int_equal(scratch_choose(&map, BLOCK, min, used, nr, &plan, &err), 0);
	assert_int_equal(plan.block_size, BLOCK);
	/* Nothing is lost and nothing is twice. */
	assert_int_equal(memmap_ram(&plan.next), memmap_ram(&plan.scratch));
	assert_int_equal(memmap_ram(&map),
			 memmap_ram(&plan.scratch) + memmap_ram(&plan.hidden) + plan.lost);
	for (size_t i = 0; i < plan.hidden.nr; i++) {
		assert_int_equal(plan.hidden.entries[i].start % BLOCK, 0);
		assert_int_equal(plan.hidden.entries[i].len % BLOCK, 0);
	}
	memmap_free(&map);
	return plan;
}

static void chooses_low_blocks_first(void **state)
{
	struct scratch_plan plan = choose("1000 9e000 1 0\n100000 7fedd000 1 0\n"
					  "7ffdd000 23000 2 -1\n",
					  512 * MIB, NULL, 0);

	(void)state;
	assert_map(&plan.scratch, "1000 9e000 1 0\n100000 1ff00000 1 0\n78000000 7fdd000 1 0\n");
	assert_map(&plan.hidden, "20000000 58000000 1 0\n");
	assert_map(&plan.next,
		   "1000 9e000 1 0\n100000 1ff00000 1 0\n20000000 58000000 2 -1\n"
		   "78000000 7fdd000 1 0\n7ffdd000 23000 2 -1\n");
	scratch_free(&plan);
}

static void avoids_used_blocks(void **state)
{
	/* Blocks 1 and 2 are full of pages of programs. */
	const uint64_t used[] = { 0, 32768, 32768, 1 };
	struct scratch_plan plan = choose("100000 7ff00000 1 0\n", 500 * MIB, used, 4);

	(void)state;
	assert_map(&plan.scratch, "100000 7f00000 1 0\n20000000 10000000 1 0\n"
		   "78000000 8000000 1 0\n");
	assert_map(&plan.hidden,
		   "8000000 18000000 1 0\n30000000 48000000 1 0\n");
	scratch_free(&plan);
}

static void takes_one_block_above_four_gib(void **state)
{
	struct scratch_plan plan = choose("100000 7ff00000 1 0\n100000000 180000000 1 0\n",
					  256 * MIB, NULL, 0);

	(void)state;
	assert_map(&plan.scratch, "100000 7f00000 1 0\n78000000 8000000 1 0\n"
		   "100000000 8000000 1 0\n");
	assert_int_equal(memmap_ram(&plan.hidden), 8 * GIB - 3 * BLOCK);
	scratch_free(&plan);
}

static void stays_below_64_gib(void **state)
{
	/* The last block, at 80 GiB, is ragged: it is given up, not booted in. */
	struct scratch_plan plan = choose("100000 7ff00000 1 0\n100000000 1300001000 1 0\n",
					  512 * MIB, NULL, 0);
	const struct memmap_entry *last = &plan.scratch.entries[plan.scratch.nr - 1];

	(void)state;
	assert_true(last->start + last->len <= 64 * GIB);
	assert_int_equal(plan.lost, 0x1000);
	last = &plan.hidden.entries[plan.hidden.nr - 1];
	assert_int_equal(last->start + last->len, 0x1400000000);
	last = &plan.next.entries[plan.next.nr - 1];
	assert_int_equal(last->start + last->len, 0x1400001000);
	assert_int_equal(last->type, E820_RESERVED);
	scratch_free(&plan);
}

/*
 * A server of 1 TiB with four nodes of memory, as its firmware lays it out: each node's ends in
 * the middle of a block, the last one's lies beyond 1 TiB.
 */
static void tells_what_is_lost_on_a_large_machine(void **state)
{
	struct scratch_plan plan = choose("1000 9f000 1 0\n100000 75cb0000 1 0\n"
					  "75db0000 250000 2 -1\n76000000 31000000 1 0\n"
					  "a7000000 5000000 2 -1\nac000000 4000000 1 0\n"
					  "b0000000 10000000 2 -1\n"
					  "100000000 3f4fe00000 1 0\n404fe00000 200000 2 -1\n"
					  "4050000000 3ffff00000 1 1\n804ff00000 100000 2 -1\n"
					  "8050000000 3ffff00000 1 2\nc04ff00000 100000 2 -1\n"
					  "fd00000000 300000000 2 -1\n"
					  "10000000000 3fff300000 1 3\n13fff300000 d00000 2 -1\n",
					  512 * MIB, NULL, 0);
	const uint64_t ends[] = { 0x404fe00000, 0x804ff00000, 0xc04ff00000, 0x13fff300000 };
	uint64_t lost = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		lost += ends[i] % BLOCK;
	assert_int_equal(plan.lost, lost);
	assert_int_equal(plan.lost / MIB, 495);
	/* A program's page there is neither booted over nor found again. */
	for (size_t i = 0; i < plan.hidden.nr; i++) {
		const struct memmap_entry *e = &plan.hidden.entries[i];

		for (size_t k = 0; k < sizeof(ends) / sizeof(ends[0]); k++)
			assert_true(ends[k] - 1 < e->start || ends[k] - 1 >= e->start + e->len);
	}
	scratch_free(&plan);
}

/* Two CXL expanders of 256 GiB that the dax driver has given to the kernel. */
static void sees_memory_that_drivers_added(void **state)
{
	static const struct entry entries[] = {
		{ "0x100000\n", "0x5fffffff\n", "System RAM\n" },
		{ "0x100000000\n", "0x206fffffff\n", "System RAM\n" },
		{ "0x2070000000\n", "0xa06fffffff\n", "Soft Reserved\n" },
	};
	static const char iomem[] =
		"00100000-5fffffff : System RAM\n"
		"100000000-206fffffff : System RAM\n"
		"2070000000-606fffffff : CXL Window 0\n"
		"  2070000000-606fffffff : region0\n"
		"    2070000000-606fffffff : dax0.0\n"
		"      2070000000-606fffffff : System RAM (kmem)\n"
		"6070000000-a06fffffff : CXL Window 1\n"
		"  6070000000-a06fffffff : region1\n"
		"    6070000000-a06fffffff : dax1.0\n"
		"      6070000000-a06fffffff : System RAM (kmem)\n";
	struct memmap map = { 0 };
	struct error err = { 0 };
	uint64_t bytes = 1;

	(void)state;
	put_machine(entries, 3, iomem);
	assert_int_equal(memmap_read(root, &map, &err), 0);
	assert_int_equal(memmap_ram(&map), 0x5ff00000 + 0x1f70000000);
	memmap_free(&map);
	assert_int_equal(memmap_added(root, &bytes), 0);
	assert_int_equal(bytes, 512 * GIB);
	/* What an update has added is in no driver's name. */
	put_machine(q35, 6, "00100000-3fffffff : Reserved\n  00100000-3fffffff : System RAM\n");
	assert_int_equal(memmap_added(root, &bytes), 0);
	assert_int_equal(bytes, 0);
}

static void takes_a_block_of_each_node(void **state)
{
	struct scratch_plan plan = choose("100000 7ff00000 1 0\n100000000 80000000 1 0\n"
					  "180000000 80000000 1 1\n", 256 * MIB, NULL, 0);

	(void)state;
	assert_map(&plan.scratch, "100000 7f00000 1 0\n78000000 8000000 1 0\n"
		   "100000000 8000000 1 0\n180000000 8000000 1 1\n");
	assert_map(&plan.hidden, "8000000 70000000 1 0\n108000000 78000000 1 0\n"
		   "188000000 78000000 1 1\n");
	scratch_free(&plan);
}

/* A row of pages that goes over a border of two nodes is in one piece of memory. */
static void gives_ranges_that_adjoin_as_one(void **state)
{
	struct memmap map = { 0 };
	struct nvwa_range *ranges;
	size_t nr;

	(void)state;
	assert_int_equal(memmap_parse("8000000 8000000 1 0\n10000000 8000000 1 1\n"
				      "20000000 8000000 1 1\n", &map), 0);
	assert_int_equal(memmap_ranges(&map, &ranges, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(ranges[0].start, 0x8000000);
	assert_int_equal(ranges[0].len, 2 * BLOCK);
	assert_int_equal(ranges[1].start, 0x20000000);
	assert_int_equal(ranges[1].len, BLOCK);
	free(ranges);
	memmap_free(&map);
}

static void takes_the_ends_of_each_node_below_four_gib(void **state)
{
	struct scratch_plan plan = choose("100000 3ff00000 1 0\n40000000 40000000 1 1\n",
					  256 * MIB, NULL, 0);

	(void)state;
	assert_map(&plan.scratch, "100000 7f00000 1 0\n38000000 8000000 1 0\n"
		   "40000000 8000000 1 1\n78000000 8000000 1 1\n");
	scratch_free(&plan);
}

static void keeps_mixed_blocks(void **state)
{
	struct scratch_plan plan = choose("0 24000000 1 0\n24000000 1c000000 1 1\n",
					  256 * MIB, NULL, 0);

	(void)state;
	/* The block at 0x20000000 lies on both nodes. */
	assert_map(&plan.scratch, "0 8000000 1 0\n18000000 c000000 1 0\n24000000 4000000 1 1\n"
		   "38000000 8000000 1 1\n");
	assert_map(&plan.hidden, "8000000 10000000 1 0\n28000000 10000000 1 1\n");
	scratch_free(&plan);
}

static void hides_nothing_on_a_small_machine(void **state)
{
	struct scratch_plan plan = choose("100000 1ff00000 1 0\n", 500 * MIB, NULL, 0);

	(void)state;
	assert_int_equal(plan.hidden.nr, 0);
	scratch_free(&plan);
}

static void refuses_too_little_memory(void **state)
{
	struct scratch_plan plan = { 0 };
	struct memmap map = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(memmap_parse("100000 1ff00000 1 0\n", &map), 0);
	assert_int_equal(scratch_choose(&map, BLOCK, 512 * MIB, NULL, 0, &plan, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "512 MiB"));
	assert_non_null(strstr(err.text, "511 MiB"));
	memmap_free(&map);
}

static void tells_the_block_size(void **state)
{
	struct error err = { 0 };
	uint64_t size = 0;

	(void)state;
	tree_remove(root);
	assert_int_equal(memmap_block_size(root, &size, &err), -ENOENT);
	assert_non_null(strstr(err.text, "CONFIG_MEMORY_HOTPLUG"));
	/* The running kernel's may be 2 GiB: the next one's is not. */
	put("/sys/devices/system/memory/block_size_bytes", "80000000\n");
	assert_int_equal(memmap_block_size(root, &size, NULL), 0);
	assert_int_equal(size, BLOCK);
}

/* tcp_mem's second number times 16, of two machines after an ordinary boot of 7.3.4. */
static void knows_what_buffers_may_take(void **state)
{
	struct memmap map;
	uint64_t pages;

	(void)state;
	/* 2000 MiB: zones DMA and DMA32. threads-max was 15183, of 128 KiB of RAM each. */
	assert_int_equal(memmap_parse("1000 9e000 1 0\n100000 7cee0000 1 0\n", &map), 0);
	pages = zones_buffer_pages(&map, 15183 * 32, true);
	assert_in_range(pages, 29302 * 16 - 500, 29302 * 16 + 500);
	/* Without huge pages nothing is held back for them. */
	assert_true(zones_buffer_pages(&map, 15183 * 32, false) > pages + 10000);
	memmap_free(&map);

	/* 2560 MiB on two nodes: a zone more. */
	assert_int_equal(memmap_parse("1000 9e000 1 0\n100000 4ff00000 1 0\n"
				      "50000000 4ffdd000 1 1\n", &map), 0);
	pages = zones_buffer_pages(&map, 19622 * 32, true);
	assert_in_range(pages, 37651 * 16 - 500, 37651 * 16 + 500);
	memmap_free(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_machine),
		cmocka_unit_test(takes_off_what_the_kernel_reserved),
		cmocka_unit_test(lets_other_types_win_in_overlaps),
		cmocka_unit_test(knows_numa_nodes),
		cmocka_unit_test(refuses_hidden_addresses),
		cmocka_unit_test(reads_what_an_update_left),
		cmocka_unit_test(parses_only_good_text),
		cmocka_unit_test(chooses_low_blocks_first),
		cmocka_unit_test(avoids_used_blocks),
		cmocka_unit_test(takes_one_block_above_four_gib),
		cmocka_unit_test(stays_below_64_gib),
		cmocka_unit_test(tells_what_is_lost_on_a_large_machine),
		cmocka_unit_test(sees_memory_that_drivers_added),
		cmocka_unit_test(takes_a_block_of_each_node),
		cmocka_unit_test(gives_ranges_that_adjoin_as_one),
		cmocka_unit_test(takes_the_ends_of_each_node_below_four_gib),
		cmocka_unit_test(keeps_mixed_blocks),
		cmocka_unit_test(hides_nothing_on_a_small_machine),
		cmocka_unit_test(refuses_too_little_memory),
		cmocka_unit_test(tells_the_block_size),
		cmocka_unit_test(knows_what_buffers_may_take),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
