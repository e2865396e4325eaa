// SPDX-License-Identifier: GPL-2.0-only
/* The configuration files: what they mean, and what is said where they are wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"
#include "tool/config.h"

static char *const dir = temp_dir;
static char restore[64], server[64];

static int make_dir(void **state)
{
	if (make_temp_dir(state))
		return -1;
	snprintf(restore, sizeof(restore), "%s/" CONFIG_RESTORE, dir);
	snprintf(server, sizeof(server), "%s/" CONFIG_SERVER, dir);
	return 0;
}

static int load(const char *restore_text, const char *server_text, struct config *config,
		struct error *err)
{
	memset(err, 0, sizeof(*err));
	remove(restore);
	remove(server);
	if (restore_text)
		assert_int_equal(file_write(restore, restore_text, strlen(restore_text), 0644), 0);
	if (server_text)
		assert_int_equal(file_write(server, server_text, strlen(server_text), 0644), 0);
	return config_load(restore, config, err);
}

static void test_everything(void **state)
{
	struct config c;
	struct error err;

	(void)state;
	assert_int_equal(load("# what is carried\n"
			      "services:\n  - redis-server\n  - nginx.service\n  - php8.2-fpm\n"
			      "pids: [1234, 99]\n"
			      "restore_net: no\nenable_quick_kexec: true\n"
			      "enable_pin_memory: True\nenbale_debug_mode: on\n",
			      "criu_dir: /run/criu\ncriu_exe: /usr/sbin/criu\n"
			      "kexec_exe: kexec\nsystemd_etc: /etc/systemd/system\n"
			      "log_dir: /var/log\nscratch_mb: 768\nahead_seconds: 15\n"
			      "freeze_timeout: 30\n"
			      "device_shutdown: full\nfull_shutdown_drivers: [nvme]\n"
			      "quiet_drivers:\n  - igb\n  - 3w-9xxx\n"
			      "extra_cmdline: >\n  loglevel=6\n  quiet\n", &c, &err), 0);
	assert_int_equal(c.nr_services, 3);
	assert_string_equal(c.services[0], "redis-server.service");
	assert_string_equal(c.services[1], "nginx.service");
	assert_string_equal(c.services[2], "php8.2-fpm.service");
	assert_int_equal(c.nr_pids, 2);
	assert_int_equal(c.pids[0], 1234);
	assert_int_equal(c.pids[1], 99);
	assert_false(c.restore_net);
	assert_true(c.enable_quick_kexec);
	assert_true(c.enable_pin_memory);
	assert_true(c.debug);
	assert_string_equal(c.criu_exe, "/usr/sbin/criu");
	assert_string_equal(c.log_dir, "/var/log");
	assert_int_equal(c.scratch_mb, 768);
	assert_int_equal(c.ahead_seconds, 15);
	assert_int_equal(c.freeze_timeout, 30);
	assert_true(c.devices.none);
	assert_int_equal(c.devices.nr_full, 1);
	assert_string_equal(c.devices.full[0], "nvme");
	assert_int_equal(c.devices.nr_quiet, 2);
	assert_string_equal(c.devices.quiet[1], "3w-9xxx");
	assert_string_equal(c.extra_cmdline, "loglevel=6 quiet\n");
	config_free(&c);
	assert_null(c.services);
	assert_null(c.devices.quiet);
}

static void test_defaults(void **state)
{
	static const char *const texts[] = {
		"", "# only a comment\n", "---\n...\n", "services:\npids:\n", "services: []\n",
		"pids: ~\n",
	};
	struct config c;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(load(texts[i], NULL, &c, &err), 0);
		assert_int_equal(c.nr_services, 0);
		assert_int_equal(c.nr_pids, 0);
		assert_true(c.restore_net);
		assert_true(c.enable_pin_memory);
		assert_false(c.debug);
		assert_int_equal(c.scratch_mb, 512);
		assert_int_equal(c.ahead_seconds, 180);
		assert_int_equal(c.freeze_timeout, 180);
		assert_false(c.devices.none);
		assert_int_equal(c.devices.nr_full + c.devices.nr_quiet, 0);
		assert_null(c.criu_exe);
		assert_null(c.extra_cmdline);
		config_free(&c);
	}
}

/* Each broken text, the line that must be named, and words that must be said. */
static void test_refusals(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *words;
	} cases[] = {
		{ "services: redis\n", 1, "expected a list of services" },
		{ "services:\n  redis: yes\n", 2, "found keys and values" },
		{ "services:\n  - redis\n  - [a]\n", 3, "found a list" },
		{ "services:\n  - \"two words\"\n", 2, "expected the name of a service" },
		{ "services:\n  - ../x\n", 2, "expected the name of a service" },
		{ "services:\n  - x.socket\n", 2, "name the service that it starts" },
		{ "services:\n  - redis\n  - redis.service\n", 3, "a second time" },
		{ "pids:\n  - twelve\n", 2, "expected a PID from 2" },
		{ "pids:\n  - 1\n", 2, "found 1" },
		{ "pids:\n  - -5\n", 2, "found -5" },
		{ "pids:\n  - 12x\n", 2, "found 12x" },
		{ "pids:\n  - 99999999999999999999\n", 2, "expected a PID" },
		{ "pids: [3, 3]\n", 1, "PID 3 is named a second time" },
		{ "pids: 3\n", 1, "expected a list of PIDs" },
		{ "restore_net: maybe\n", 1, "expected true or false, found maybe" },
		{ "restore_net:\n", 1, "found nothing" },
		{ "\n\nsevices:\n  - redis\n", 3, "found sevices" },
		{ "[a]: b\n", 1, "expected one of the keys services" },
		{ "- redis\n", 1, "expected lines of the form" },
		{ "redis\n", 1, "found a single value" },
		{ "pids: [2]\npids: [3]\n", 2, "pids is given a second time" },
		{ "pids: [2\nservices: []\n", 2, "expected YAML" },
		{ "services:\n\t- redis\n", 2, "expected YAML" },
		{ "pids: []\n---\npids: [2]\n", 3, "second document" },
		{ "pids: []\n---\n]\n", 3, "expected YAML" },
		{ "scratch_mb: 512\n", 1, "found scratch_mb" },
	};
	struct config c;
	struct error err;
	char where[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(load(cases[i].text, NULL, &c, &err), -EINVAL);
		snprintf(where, sizeof(where), "%s:%d: ", restore, cases[i].line);
		if (strncmp(err.text, where, strlen(where)) != 0 ||
		    !strstr(err.text, cases[i].words))
			fail_msg("%s\nfor:\n%s\nwanted: %s%s", err.text, cases[i].text, where,
				 cases[i].words);
		assert_null(c.services);
		assert_null(c.pids);
	}
}

static void test_server_refusals(void **state)
{
	struct config c;
	struct error err;

	(void)state;
	assert_int_equal(load("pids: [2]\n", "freeze_timeout: 0\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "seconds from 1 to 86400, found 0"));
	assert_int_equal(load("pids: [2]\n", "scratch_mb: 12\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, CONFIG_SERVER ":1: expected a number of MiB from 256"));
	assert_int_equal(load("", "ahead_seconds: 0\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":1: expected a number of seconds from 5 to 3600, "
			       "found 0"));
	assert_int_equal(load("", "criu_exe: criu\ncriu_exe: criu\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":2: criu_exe is given a second time"));
	assert_int_equal(load("", "criu_exe: [a]\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":1: expected a path or command, found a list"));
	assert_int_equal(load("", "device_shutdown: yes\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":1: expected quiet or full, found yes"));
	assert_int_equal(load("", "quiet_drivers: nvme\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":1: expected a list of drivers"));
	assert_int_equal(load("", "quiet_drivers:\n- drivers/nvme\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":2: expected the name of a PCI driver"));
	assert_int_equal(load("", "quiet_drivers: [igb]\nfull_shutdown_drivers: [igb]\n", &c,
			      &err), -EINVAL);
	assert_non_null(strstr(err.text, ":2: igb is named a second time"));
	assert_int_equal(load("", "extra_cmdline:\n", &c, &err), 0);
	assert_null(c.extra_cmdline);
	config_free(&c);
	assert_int_equal(load("", "extra_cmdline: [quiet]\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":1: expected words for the kernel's command line, found "
			       "a list"));
	assert_int_equal(load("", "\nextra_cmdline: quiet cma=1G\n", &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":2: expected words for the kernel's command line, found "
			       "cma=1G, which an update cannot add (would be reserved"));
}

static void test_unreadable(void **state)
{
	struct config c;
	struct error err;

	(void)state;
	assert_int_equal(load(NULL, NULL, &c, &err), -ENOENT);
	assert_non_null(strstr(err.text, CONFIG_RESTORE ": cannot be read"));
	assert_int_equal(load("services:\n  - \xff\xfe\n", NULL, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "expected text in UTF-8, found byte 0xff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_server_refusals),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests_name("config", tests, make_dir, remove_temp_dir);
}
