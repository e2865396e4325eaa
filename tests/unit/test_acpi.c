// SPDX-License-Identifier: GPL-2.0-only
/* ACPI tables for the next kernel: those of machines of several kinds, and damaged ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/kexec/acpi.h"
#include "lib/kexec/memmap.h"
#include "lib/kexec/park.h"
#include "uapi/park.h"

#define AREA		0x20000
#define RSDP		0xf5ac0		/* where SeaBIOS has it */
#define RSDT		0x8000
#define XSDT		0x8100
#define MADT		0x8200
#define FADT		0x8800

/* The tables between 0x8000 and 0x10000, and the BIOS, in one piece of memory. */
static uint8_t memory[NVWA_PARK_END];

static int read_memory(void *ctx, uint64_t phys, void *to, size_t len)
{
	(void)ctx;
	if (phys > sizeof(memory) || len > sizeof(memory) - phys)
		return -ENXIO;
	memcpy(to, memory + phys, len);
	return 0;
}

static const struct acpi_memory reader = { read_memory, NULL };

static void put(uint64_t at, const void *data, size_t len)
{
	memcpy(memory + at, data, len);
}

static uint64_t get(uint64_t at, size_t len)
{
	uint64_t value = 0;

	memcpy(&value, memory + at, len);
	return value;
}

static uint8_t sum(uint64_t at, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += memory[at++];
	return s;
}

static void set_sum(uint64_t at, uint64_t field, size_t len)
{
	memory[field] = 0;
	memory[field] = -sum(at, len);
}

static void put_table(uint64_t at, const char *signature, const void *body, uint32_t len)
{
	uint32_t all = 36 + len;

	memset(memory + at, 0, 36);
	put(at, signature, 4);
	put(at + 4, &all, sizeof(all));
	memory[at + 8] = 1;
	put(at + 36, body, len);
	set_sum(at, at + 9, all);
}

/* CPUs 0 to 3, of which the last is not there, and an I/O APIC. */
static const uint8_t madt[] = {
	0, 0, 0xe0, 0xfe, 1, 0, 0, 0,
	0, 8, 0, 0, 1, 0, 0, 0,
	0, 8, 1, 1, 1, 0, 0, 0,
	9, 16, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
	0, 8, 3, 3, 0, 0, 0, 0,
	1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,
};

static void make_machine(bool wide)
{
	const uint32_t narrow_list[] = { FADT, MADT };
	const uint64_t wide_list[] = { FADT, MADT };
	const uint32_t rsdt = RSDT, len = 36;
	const uint64_t xsdt = XSDT;

	memset(memory, 0, sizeof(memory));
	put_table(RSDT, "RSDT", narrow_list, sizeof(narrow_list));
	put_table(XSDT, "XSDT", wide_list, sizeof(wide_list));
	put_table(FADT, "FACP", madt, sizeof(madt));
	put_table(MADT, "APIC", madt, sizeof(madt));
	put(RSDP, "RSD PTR ", 8);
	put(RSDP + 9, "BOCHS ", 6);
	put(RSDP + 16, &rsdt, 4);
	memory[RSDP + 15] = wide ? 2 : 0;
	if (wide) {
		put(RSDP + 20, &len, 4);
		put(RSDP + 24, &xsdt, 8);
	}
	set_sum(RSDP, RSDP + 8, 20);
	if (wide)
		set_sum(RSDP, RSDP + 32, 36);
}

static void has_a_mailbox(bool wide)
{
	struct acpi_tables t;
	struct error err = { 0 };
	uint64_t rsdp, area, xsdt, at;

	make_machine(wide);
	rsdp = RSDP;
	assert_int_equal(acpi_original(&reader, &rsdp, &area), 0);
	assert_int_equal(rsdp, RSDP);
	assert_int_equal(area, 0);
	assert_int_equal(acpi_wakeup(&reader, RSDP, AREA, &t, &err), 0);
	assert_int_equal(t.nr_cpus, 3);
	put(AREA + NVWA_PARK_TABLES, t.data, t.len);

	/* As a kernel goes through them. */
	assert_int_equal(t.rsdp, AREA + NVWA_PARK_TABLES);
	assert_memory_equal(memory + t.rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(t.rsdp, 20), 0);
	assert_int_equal(sum(t.rsdp, 36), 0);
	assert_int_equal(memory[t.rsdp + 15], 2);
	xsdt = get(t.rsdp + 24, 8);
	assert_memory_equal(memory + xsdt, "XSDT", 4);
	assert_int_equal(get(xsdt + 4, 4), 36 + 16);
	assert_int_equal(sum(xsdt, 36 + 16), 0);
	assert_int_equal(get(xsdt + 36, 8), FADT);
	at = get(xsdt + 36 + 8, 8);
	assert_int_equal(at, AREA + NVWA_PARK_TABLES + t.madt);
	assert_memory_equal(memory + at, "APIC", 4);
	assert_int_equal(get(at + 4, 4), 36 + sizeof(madt) + 24);
	assert_int_equal(sum(at, 36 + sizeof(madt) + 24), 0);
	assert_memory_equal(memory + at + 36, madt, sizeof(madt));
	at = AREA + NVWA_PARK_TABLES + t.wakeup;
	assert_int_equal(memory[at], 0x10);
	assert_int_equal(memory[at + 1], 24);
	assert_int_equal(get(at + 2, 2), 1);
	assert_int_equal(get(at + 8, 8), AREA + NVWA_PARK_MAILBOX);
	assert_int_equal(get(at + 16, 8), AREA + NVWA_PARK_RESET);

	/* And as the next update does. */
	rsdp = t.rsdp;
	assert_int_equal(acpi_original(&reader, &rsdp, &area), 0);
	assert_int_equal(rsdp, RSDP);
	assert_int_equal(area, AREA);
	free(t.data);
}

static void of_a_bios(void **state)
{
	(void)state;
	has_a_mailbox(false);
}

static void of_uefi(void **state)
{
	(void)state;
	has_a_mailbox(true);
}

static void refuses(int code, const char *text)
{
	struct acpi_tables t = { 0 };
	struct error err = { 0 };

	assert_int_equal(acpi_wakeup(&reader, RSDP, AREA, &t, &err), code);
	assert_non_null(strstr(err.text, text));
	assert_null(t.data);
}

static void odd_ones(void **state)
{
	static const uint8_t mailbox[16] = { 0x10, 16 };
	uint8_t long_madt[64], none[8] = { 0 };
	uint32_t huge = 0x7fffffff;
	uint8_t *large;

	(void)state;
	make_machine(true);
	memory[RSDP + 24]++;
	refuses(-EBADMSG, "damaged");

	make_machine(true);
	memory[XSDT + 40]++;
	refuses(-EBADMSG, "damaged");

	make_machine(false);
	memory[MADT + 50] ^= 4;
	refuses(-EBADMSG, "damaged");

	make_machine(false);
	put(MADT + 4, &huge, sizeof(huge));
	refuses(-EBADMSG, "damaged");

	/* A table that points to where nothing can be read. */
	make_machine(true);
	put(XSDT + 36, &(uint64_t){ 1ULL << 40 }, 8);
	set_sum(XSDT, XSDT + 9, 36 + 16);
	refuses(-ENXIO, "cannot be read");

	/* Without a MADT. */
	make_machine(true);
	put(XSDT + 44, &(uint64_t){ FADT }, 8);
	set_sum(XSDT, XSDT + 9, 36 + 16);
	refuses(-ENOENT, "cannot be read");

	/* Entries that end nowhere, or beyond the table. */
	make_machine(true);
	memcpy(long_madt, madt, 24);
	long_madt[9] = 0;
	put_table(MADT, "APIC", long_madt, 24);
	refuses(-EBADMSG, "damaged");
	long_madt[9] = 200;
	put_table(MADT, "APIC", long_madt, 24);
	refuses(-EBADMSG, "damaged");
	put_table(MADT, "APIC", none, 4);
	refuses(-EBADMSG, "damaged");

	/* The firmware has the same idea. */
	memcpy(long_madt, none, 8);
	memcpy(long_madt + 8, mailbox, sizeof(mailbox));
	put_table(MADT, "APIC", long_madt, 24);
	refuses(-ENOTSUP, "mailbox of its own");

	/* More than there is room for. */
	large = calloc(1, 0x6000);
	assert_non_null(large);
	for (size_t i = 8; i < 0x5800; i += 8)
		large[i + 1] = 8;
	make_machine(true);
	put_table(0x40000, "APIC", large, 0x5800);
	put(XSDT + 44, &(uint64_t){ 0x40000 }, 8);
	set_sum(XSDT, XSDT + 9, 36 + 16);
	refuses(-E2BIG, "no room");
	free(large);
}

static void has_a_place(void **state)
{
	struct memmap_entry low[] = {
		{ 0x1000, 0x9e000, E820_RAM, 0 },
		{ 0x9fc00, 0x60400, E820_RESERVED, -1 },
		{ 0x100000, 0x7ff00000, E820_RAM, 0 },
	};
	struct memmap map = { low, 3 };

	(void)state;
	assert_int_equal(park_place(&map), 0x20000);
	/* Firmware has left pieces. */
	low[0] = (struct memmap_entry){ 0x58000, 0x40000, E820_RAM, 0 };
	assert_int_equal(park_place(&map), 0x60000);
	/* No room for the kernel's own start of CPUs above it. */
	low[0] = (struct memmap_entry){ 0x1000, 0x4e000, E820_RAM, 0 };
	assert_int_equal(park_place(&map), 0);
	low[0].type = E820_RESERVED;
	assert_int_equal(park_place(&map), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_bios),
		cmocka_unit_test(of_uefi),
		cmocka_unit_test(odd_ones),
		cmocka_unit_test(has_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
