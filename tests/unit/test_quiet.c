// SPDX-License-Identifier: GPL-2.0-only
/* What the jump only quiets of another machine's devices, and what is seen after it. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "init/init.h"
#include "lib/base/file.h"
#include "lib/kexec/quiet.h"
#include "tests/unit/temp-dir.h"

#define PCI	"/sys/bus/pci/devices"

static char *const root = temp_dir;

static void put(const char *device, const char *name, const void *data, size_t len)
{
	char path[PATH_MAX];

	assert_int_equal(path_format(path, sizeof(path), "%s" PCI "/%s/%s", root, device, name), 0);
	assert_int_equal(file_write(path, data, len, 0644), 0);
}

/* driver: NULL if it has none. master: may it write to memory? */
static void device(const char *name, unsigned int class, const char *driver, bool master)
{
	uint8_t config[64] = {
		[4] = master ? 0x07 : 0x03,
		[10] = class >> 8, [11] = class >> 16,
	};
	char text[16], link[PATH_MAX], target[PATH_MAX];

	snprintf(text, sizeof(text), "0x%06x\n", class);
	put(name, "class", text, strlen(text));
	put(name, "config", config, sizeof(config));
	if (!driver)
		return;
	assert_int_equal(path_format(link, sizeof(link), "%s" PCI "/%s/driver", root, name), 0);
	assert_int_equal(path_format(target, sizeof(target), "../../drivers/%s", driver), 0);
	assert_int_equal(symlink(target, link), 0);
	/* The link's end is looked for. */
	assert_int_equal(path_format(target, sizeof(target), "%s/sys/bus/pci/drivers/%s", root,
				     driver), 0);
	assert_int_equal(dir_make(target), 0);
}

static int make_root(void **state)
{
	if (make_temp_dir(state))
		return -1;
	device("0000:00:00.0", 0x060000, NULL, true);
	device("0000:00:01.0", 0x060400, "pcieport", true);
	device("0000:00:02.0", 0x030000, NULL, true);
	device("0000:00:03.0", 0x080600, NULL, true);
	device("0000:00:04.0", 0x020000, NULL, true);
	device("0000:00:05.0", 0x0c0330, NULL, false);
	device("0000:01:00.0", 0x010802, "nvme", true);
	device("0000:02:00.0", 0x010802, "nvme", true);
	device("0000:03:00.0", 0x020000, "e1000e", true);
	device("0000:04:00.0", 0x010400, "megaraid_sas", true);
	device("0000:05:00.0", 0x118000, "unheard-of", true);
	return 0;
}

/* "name" of those that are quieted, "-name" of the others. */
static const char *choice(const struct quiet_wish *wish)
{
	static char text[512];
	struct quiet_driver *drivers;
	struct error err = { 0 };
	size_t nr, len = 0;

	assert_int_equal(quiet_choose(root, wish, &drivers, &nr, &err), 0);
	text[0] = '\0';
	for (size_t i = 0; i < nr; i++) {
		assert_non_null(drivers[i].why);
		len += snprintf(text + len, sizeof(text) - len, "%s%s%s", i ? " " : "",
				drivers[i].quiet ? "" : "-", drivers[i].name);
	}
	free(drivers);
	return text;
}

static void test_choice(void **state)
{
	char *nvme[] = { "nvme" }, *raid[] = { "unheard-of", "megaraid_sas", "not-here" };

	(void)state;
	assert_string_equal(choice(&(struct quiet_wish){ 0 }),
			    "-e1000e -megaraid_sas nvme -unheard-of");
	assert_string_equal(choice(&(struct quiet_wish){ .full = nvme, .nr_full = 1 }),
			    "-e1000e -megaraid_sas -nvme -unheard-of");
	assert_string_equal(choice(&(struct quiet_wish){ .quiet = raid, .nr_quiet = 3 }),
			    "-e1000e megaraid_sas nvme unheard-of");
	assert_string_equal(choice(&(struct quiet_wish){ .none = true, .quiet = raid,
							 .nr_quiet = 3 }),
			    "-e1000e -megaraid_sas -nvme -unheard-of");
}

static void test_no_pci(void **state)
{
	struct quiet_driver *drivers;
	struct quiet_wish wish = { 0 };
	struct error err = { 0 };
	size_t nr;

	(void)state;
	assert_int_equal(quiet_choose("/nowhere", &wish, &drivers, &nr, &err), 0);
	assert_int_equal(nr, 0);
	free(drivers);
	assert_int_equal(devices_check("/nowhere"), 0);
}

/* Of those without a driver only the network card counts. */
static void test_masters(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(path_format(path, sizeof(path), "%s" PCI, root), 0);
	assert_int_equal(devices_check(path), 1);
	device("0000:06:00.0", 0x0c0330, NULL, true);
	assert_int_equal(devices_check(path), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_no_pci),
		cmocka_unit_test(test_masters),
	};

	return cmocka_run_group_tests_name("quiet", tests, make_root, remove_temp_dir);
}
