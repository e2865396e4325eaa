// SPDX-License-Identifier: GPL-2.0-only
/* The entry of a release in GRUB's configuration, in the shape that grub-mkconfig gives it. */
#include <errno.h>
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
#include "lib/kexec/boot-once.h"
#include "tests/unit/temp-dir.h"

#define HEAD	"if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\n" \
		"   set next_entry=\nfi\nfunction gfxmode {\n\tset gfxpayload=\"${1}\"\n}\n"
#define ENTRY(id, image, words) \
	"\tmenuentry 'Debian' --class os $menuentry_id_option '" id "' {\n" \
	"\t\tif [ x$grub_platform = xxen ]; then insmod xzio; fi\n" \
	"\t\techo 'Loading ...'\n\t\tlinux\t" image " root=UUID=1-2 ro" words "\n" \
	"\t\tinitrd /initrd\n\t}\n"
#define MENU(id, entries) "submenu 'More' $menuentry_id_option '" id "' {\n" entries "}\n"

#define MANY	"a {\na {\na {\na {\n"

static char *find(const char *config, const char *release, struct error *err)
{
	char path[PATH_MAX], *entry = NULL;

	assert_int_equal(path_format(path, sizeof(path), "%s/boot/grub/grub.cfg", temp_dir), 0);
	assert_int_equal(file_write(path, config, strlen(config), 0600), 0);
	memset(err, 0, sizeof(*err));
	return boot_once_find(temp_dir, release, &entry, err) ? NULL : entry;
}

static void expect(const char *config, const char *release, const char *wanted)
{
	struct error err;
	char *entry = find(config, release, &err);

	if (!entry)
		fail_msg("%s", err.text);
	assert_string_equal(entry, wanted);
	free(entry);
}

static const char config[] = HEAD
	ENTRY("simple-1", "/boot/vmlinuz-7.3-amd64", " quiet")
	MENU("advanced-1",
	     ENTRY("7.3-amd64-advanced-1", "/boot/vmlinuz-7.3-amd64", "")
	     ENTRY("7.3-amd64-recovery-1", "/boot/vmlinuz-7.3-amd64", " single")
	     ENTRY("6.1-amd64-recovery-1", "/vmlinuz-6.1-amd64", " single")
	     ENTRY("6.1-amd64-advanced-1", "/vmlinuz-6.1-amd64", ""));

static void finds_an_entry(void **state)
{
	(void)state;
	/* The first entry is another one as soon as a newer kernel is installed. */
	expect(config, "7.3-amd64", "advanced-1>7.3-amd64-advanced-1");
	expect(config, "6.1-amd64", "advanced-1>6.1-amd64-advanced-1");
	expect(HEAD ENTRY("only", "/boot/vmlinuz-6.1", ""), "6.1", "only");
}

static void says_why_there_is_none(void **state)
{
	struct error err;

	(void)state;
	assert_null(find(config, "6.1", &err));
	assert_non_null(strstr(err.text, "update-grub"));
	assert_null(find(HEAD ENTRY("rescue", "/vmlinuz-6.1", " single"), "6.1", &err));
	assert_null(find(ENTRY("only", "/vmlinuz-6.1", ""), "6.1", &err));
	assert_non_null(strstr(err.text, "next_entry"));
	/* Braces that nobody closes, or that nobody opened. */
	assert_null(find(HEAD MANY MANY MANY MANY MANY "}\n", "6.1", &err));
	assert_null(find(HEAD "}\n}\n}\nlinux /vmlinuz-6.1\n", "6.1", &err));
}

static void needs_grub(void **state)
{
	struct error err = { 0 };
	char *entry;

	(void)state;
	assert_int_equal(boot_once_find("/nowhere", "6.1", &entry, &err), -ENOENT);
	assert_non_null(strstr(err.text, "not GRUB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_an_entry),
		cmocka_unit_test(says_why_there_is_none),
		cmocka_unit_test(needs_grub),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
