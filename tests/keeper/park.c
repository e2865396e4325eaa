// SPDX-License-Identifier: GPL-2.0-only
/* The park area: what is refused, and what lies there until the jump. And the firmware's memory. */
#include "keeper.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AREA	0x20000ULL
#define BIOS	0xf0000ULL
/* A table of 60 bytes, and 24 of a wakeup structure in it. */
#define MADT	16
#define WAKEUP	(MADT + 36)
#define LEN	(WAKEUP + 24)

static char tables[LEN];

static struct nvwa_park good(void)
{
	return (struct nvwa_park){
		.base = AREA, .tables = (uintptr_t)tables, .tables_len = LEN,
		.madt = MADT, .wakeup = WAKEUP,
	};
}

static int arm(int fd, struct nvwa_park park)
{
	return keeper_call(fd, NVWA_IOC_PARK, &park);
}

static void refuses(int fd)
{
	struct nvwa_park p;

	p = good();
	p.flags = 1;
	same(arm(fd, p), -EINVAL, "unknown flags are refused");
	p = good();
	p.base += 8;
	same(arm(fd, p), -EINVAL, "an area inside a page is refused");
	p.base = 0x100000;
	same(arm(fd, p), -EINVAL, "an area above 1 MiB is refused");
	p.base = 0xa0000;
	same(arm(fd, p), -EINVAL, "an area of a device is refused");
	p.base = ~0ULL << 12;
	same(arm(fd, p), -EINVAL, "an area that wraps around is refused");
	p = good();
	p.tables_len = NVWA_PARK_LEN;
	same(arm(fd, p), -EINVAL, "tables without room are refused");
	p = good();
	p.wakeup = LEN;
	same(arm(fd, p), -EINVAL, "a wakeup structure outside of the tables is refused");
	p = good();
	p.madt = ~0U;
	same(arm(fd, p), -EINVAL, "a MADT outside of the tables is refused");
	p = good();
	p.tables = 1;
	same(arm(fd, p), -EFAULT, "tables that cannot be read are refused");
}

static void holds_void_tables(void)
{
	uint8_t there[LEN], sum = 0;

	read_phys(AREA + NVWA_PARK_TABLES, there, LEN);
	for (int i = MADT; i < LEN; i++)
		sum += there[i];
	ok(there[WAKEUP] != 0x10, "until the jump the wakeup structure is void");
	same(sum, 0, "with the checksum of its table");
	there[WAKEUP] = tables[WAKEUP];
	there[MADT + 9] = tables[MADT + 9];
	ok(!memcmp(there, tables, LEN), "and all else as it was given");
}

static int read_firmware(int fd, uint64_t phys, void *to, uint64_t len)
{
	struct nvwa_firmware f = { .phys = phys, .data = (uintptr_t)to, .len = len };

	return keeper_call(fd, NVWA_IOC_FIRMWARE, &f);
}

static void test_firmware(int fd)
{
	static char data[4 * PAGE];
	char reset[16];

	same(read_firmware(fd, BIOS, data, sizeof(data)), 0, "the BIOS can be read");
	/* The first instruction of all, a jump, and the date of the BIOS. */
	same(read_firmware(fd, 0xffff0, reset, sizeof(reset)), 0, "and to its last byte");
	ok(reset[7] == '/' && reset[10] == '/', "which is as in any PC");
	same(read_firmware(fd, 0x1000000, data, 1), -EPERM, "RAM cannot");
	same(read_firmware(fd, BIOS, data, 0), -EINVAL, "nothing is refused");
	same(read_firmware(fd, BIOS, data, 2 * MIB), -EINVAL, "2 MiB are refused");
	same(read_firmware(fd, ~0ULL - PAGE, data, PAGE), -ENXIO, "there is no such address");
	same(read_firmware(fd, 1ULL << 60, data, PAGE), -ENXIO, "nor one as far");
	same(read_firmware(fd, BIOS, (void *)1, PAGE), -EFAULT, "no place for the bytes");
}

void test_park(void)
{
	struct nvwa_range scratch = { 0, PAGE };
	int fd = keeper_open(), other = keeper_open();
	struct nvwa_park p = good();
	uint64_t header;
	uint8_t sum = 0;

	for (int i = 0; i < LEN; i++)
		tables[i] = i * 7;
	tables[WAKEUP] = 0x10;
	tables[MADT + 9] = 0;
	for (int i = MADT; i < LEN; i++)
		sum += tables[i];
	tables[MADT + 9] = -sum;

	same(arm(fd, p), -EINVAL, "nothing is parked without a capture");
	same(begin(fd, &scratch, &header), 0, "begin");
	same(arm(other, p), -EINVAL, "nor for another file");
	refuses(fd);
	same(keeper_call(fd, NVWA_IOC_PARK, &p), 0, "CPUs are to be parked");
	same(p.nr_cpus, sysconf(_SC_NPROCESSORS_ONLN) - 1, "all but one");
	holds_void_tables();
	same(arm(fd, good()), -EBUSY, "only once");
	test_firmware(other);
	close(fd);
	fd = other;
	same(begin(fd, &scratch, &header), 0, "begin anew");
	same(arm(fd, good()), 0, "the area is free again");
	close(fd);
}
