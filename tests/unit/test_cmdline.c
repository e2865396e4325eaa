// SPDX-License-Identifier: GPL-2.0-only
/* The next kernel's command line: passed on, stripped, added, and the same after every update. */
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

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/param.h"
#include "lib/kexec/cmdline.h"
#include "tests/unit/temp-dir.h"

#define LOCKUPS	"softlockup_panic=1 nmi_watchdog=panic"
#define GUARDS	"panic=10 " LOCKUPS
#define FIRST	"nvwa=1 cryptomgr.notests rcupdate.rcu_expedited=1"
#define ALWAYS	FIRST " nohibernate " GUARDS

static char *const root = temp_dir;

static void put(const char *path, const char *text)
{
	char full[PATH_MAX];

	assert_int_equal(path_format(full, sizeof(full), "%s%s", root, path), 0);
	assert_int_equal(file_write(full, text, strlen(text), 0644), 0);
}

/* What follows a running kernel's command line; and again what follows that. */
static void expect(const char *running, unsigned int khz, const char *wanted)
{
	struct cmdline_facts facts = { .tsc_khz = khz };
	struct error err = { 0 };
	char *next;

	for (int i = 0; i < 2; i++) {
		put("/proc/cmdline", i ? wanted : running);
		assert_int_equal(cmdline_next(root, &facts, &next, &err), 0);
		assert_string_equal(next, wanted);
		free(next);
	}
}

static void passes_on(void **state)
{
	(void)state;
	expect("root=/dev/vda ro quiet panic=5\n", 0,
	       "root=/dev/vda ro quiet panic=5 " FIRST " nohibernate " LOCKUPS);
	expect("dyndbg=\"file a.c +p\" quiet\n", 0, "dyndbg=\"file a.c +p\" quiet " ALWAYS);
	expect("\n", 0, ALWAYS);
}

static void strips(void **state)
{
	(void)state;
	expect("BOOT_IMAGE=/boot/vmlinuz-6.12 root=/dev/vda crashkernel=256M hugepagesz=2M "
	       "hugepages=99 rdinit=/bin/sh mem=2G memmap=1M$2M lpj=1234 quiet\n", 0,
	       "root=/dev/vda nvwa_boot.crashkernel=256M nvwa_boot.hugepagesz=2M "
	       "nvwa_boot.hugepages=99 quiet " ALWAYS);
	/* Names that only begin alike stay. */
	expect("memory_corruption_check=1 default_hugepagesz=1G cmake\n", 0,
	       "memory_corruption_check=1 default_hugepagesz=1G cmake " ALWAYS);
}

static void keeps_for_later_what_the_scratch_has_no_room_for(void **state)
{
	(void)state;
	expect("swiotlb=524288 movable-node reserve_mem=1M:4096:x swiotlb=force\n", 0,
	       "nvwa_boot.swiotlb=524288 nvwa_boot.movable-node nvwa_boot.reserve_mem=1M:4096:x "
	       "swiotlb=force " ALWAYS);
	expect("init=/usr/lib/systemd/systemd \"crashkernel=1G\" lockdown=none s2=1\n", 0,
	       "init=/usr/lib/systemd/systemd nvwa_boot.\"crashkernel=1G\" lockdown=none s2=1 "
	       ALWAYS);
}

/* A host of virtual machines: what it says of its memory and CPUs is as right as before. */
static void passes_on_a_host_of_guests(void **state)
{
	(void)state;
	expect("BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro mem_encrypt=off kvm_amd.sev=1 iommu=nopt "
	       "panic=-1 efi=runtime nokaslr=0 maxcpus=64 possible_cpus=256 numa=off "
	       "numa_balancing=disable memhp_default_state=online_movable "
	       "memory_hotplug.memmap_on_memory=y hugetlb_free_vmemmap=on\n", 0,
	       "root=/dev/sda1 ro mem_encrypt=off kvm_amd.sev=1 iommu=nopt "
	       "panic=-1 efi=runtime nokaslr=0 maxcpus=64 possible_cpus=256 numa=off "
	       "numa_balancing=disable memhp_default_state=online_movable "
	       "memory_hotplug.memmap_on_memory=y hugetlb_free_vmemmap=on "
	       FIRST " nohibernate " LOCKUPS);
}

static void refuses(void **state)
{
	static const struct {
		const char *word, *why;
	} cases[] = {
		{ "memmap=4G!12G", "persistent memory" },
		{ "numa=fake=4", "nodes" },
		{ "mem_encrypt=on", "noise" },
		{ "mem-encrypt=on", "noise" },
		{ "add_efi_memmap", "map of the machine" },
		{ "init=/bin/sh", "instead of systemd" },
		{ "single", "rescue shell" },
		{ "-b", "rescue shell" },
		{ "systemd.unit=rescue.target", "rescue shell" },
		{ "systemd.volatile=state", "/var" },
		{ "module.sig-enforce", "nvwa.ko" },
		{ "module.sig_enforce=1", "nvwa.ko" },
		{ "\"lockdown=integrity\"", "nvwa.ko" },
	};
	const struct cmdline_facts facts = { 0 };
	char line[128], *next;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = { 0 };

		snprintf(line, sizeof(line), "quiet %s ro\n", cases[i].word);
		put("/proc/cmdline", line);
		assert_int_equal(cmdline_next(root, &facts, &next, &err), -EOPNOTSUPP);
		if (!strstr(err.text, cases[i].word) || !strstr(err.text, cases[i].why))
			fail_msg("\"%s\" of %s", err.text, cases[i].word);
		/* An argument of init, or nvwa's own, does no harm. */
		snprintf(line, sizeof(line), "quiet nvwa=1 %s\n", cases[i].word);
		expect(line, 0, "quiet " ALWAYS);
	}
}

/* Added at the end, not handed on, and above what nvwa would say. */
static void adds_what_the_owner_wants(void **state)
{
	struct cmdline_facts facts = { .extra = " loglevel=6\n x=\"a b\"  nohibernate" };
	const char *wanted = "quiet " FIRST " " GUARDS " loglevel=6 x=\"a b\" nohibernate -- 3";
	struct error err = { 0 };
	char *next;

	(void)state;
	put("/proc/cmdline", "quiet -- 3\n");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cmdline_next(root, &facts, &next, &err), 0);
		assert_string_equal(next, wanted);
		put("/proc/cmdline", next);
		free(next);
	}
	facts.extra = NULL;
	assert_int_equal(cmdline_next(root, &facts, &next, &err), 0);
	assert_string_equal(next, "quiet " ALWAYS " -- 3");
	free(next);
}

static void takes_no_other_extra(void **state)
{
	static const struct {
		const char *extra, *why;
	} cases[] = {
		{ "quiet crashkernel=1G", "crashkernel=1G, which an update cannot add" },
		{ "rdinit=/bin/sh", "own" }, { "root=/dev/sda", "mounted now" },
		{ "init=/bin/sh", "systemd" }, { "apparmor=0", "confined" },
		{ "lockdown=integrity", "nvwa.ko" }, { "nvwa=1", "mark" },
		{ "nvwa_boot.cma=1", "nothing" }, { "a -- b", "\"--\"" },
		{ "a=\"b c", "quotation mark" }, { "a=\x01", "byte 0x1" }, { "\xc3\xa4", "0xc3" },
		{ "\"hugepages=9\"", "hugepages=9" },
		{ "mem_encrypt=on", "noise" }, { "nr_cpus=1", "processors" },
		{ "quiet nosmp", "processors" }, { "maxcpus=2", "processors" },
		{ "possible_cpus=4", "processors" }, { "numa=off", "nodes" },
		{ "setcpuid=smap", "features" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = { 0 };

		assert_int_equal(cmdline_check_extra(cases[i].extra, &err), -EINVAL);
		if (!strstr(err.text, cases[i].why))
			fail_msg("\"%s\" of %s", err.text, cases[i].extra);
	}
	assert_int_equal(cmdline_check_extra("", NULL), 0);
	assert_int_equal(cmdline_check_extra(" a=\"b -- c\"\n\tswiotlb=force mitigations=off",
					     NULL), 0);
}

static void keeps_inits_arguments_last(void **state)
{
	(void)state;
	expect("quiet -- single tsc=x nvwa=1\n", 0, "quiet " ALWAYS " -- single tsc=x nvwa=1");
}

static void adds_what_the_machine_allows(void **state)
{
	(void)state;
	put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
	put("/proc/interrupts", "  CPU0\n  0:  9  IO-APIC  2-edge  timer\n");
	expect("quiet\n", 2596123,
	       "quiet nvwa=1 tsc=reliable no_timer_check cryptomgr.notests "
	       "rcupdate.rcu_expedited=1 nohibernate " GUARDS " tsc_early_khz=2596123");
	/* The owner's word counts. */
	expect("tsc=nowatchdog tsc-early-khz=1 nohibernate\n", 2596123,
	       "tsc=nowatchdog tsc-early-khz=1 nohibernate nvwa=1 no_timer_check cryptomgr.notests "
	       "rcupdate.rcu_expedited=1 " GUARDS);

	put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
	put("/proc/sys/crypto/fips_enabled", "1\n");
	put("/sys/kernel/realtime", "1\n");
	expect("quiet\n", 2596123, "quiet nvwa=1 no_timer_check nohibernate " GUARDS);
	assert_int_equal(tree_remove(root), 0);
}

/* The figures are those that Debian's kernels print at boot in a machine of 2 GiB. */
static void says_sizes_of_all_memory(void **state)
{
	struct cmdline_facts facts = { .ram = 2ULL << 30, .scratch = 512ULL << 20 };
	struct error err = { 0 };
	char *next;

	(void)state;
	put("/proc/cmdline", "uhash_entries=8\n");
	assert_int_equal(cmdline_next(root, &facts, &next, &err), 0);
	assert_string_equal(strstr(next, " dhash"), " dhash_entries=262144 ihash_entries=131072 "
			    "mhash_entries=4096 mphash_entries=4096 thash_entries=16384 "
			    "tcpmhash_entries=16384 coherent_pool=252K "
			    "nf_conntrack.expect_hashsize=256");
	free(next);

	/* No table takes more than a sixteenth of the scratch. */
	facts.ram = 1ULL << 40;
	assert_int_equal(cmdline_next(root, &facts, &next, &err), 0);
	assert_non_null(strstr(next, " dhash_entries=4194304 ihash_entries=4194304 "));
	assert_non_null(strstr(next, " thash_entries=524288 "));
	free(next);
}

static void knows_its_own(void **state)
{
	(void)state;
	assert_true(cmdline_is_ours("a nvwa=1 b\n"));
	assert_false(cmdline_is_ours("a nvwa=12 b\n"));
	assert_false(cmdline_is_ours("a -- nvwa=1\n"));
}

static void finds_values(void **state)
{
	char *value;

	(void)state;
	assert_int_equal(param_value("init=/a b init=/sbin/x -- init=/c\n", "init", &value), 0);
	assert_string_equal(value, "/sbin/x");
	free(value);
	assert_int_equal(param_value("xinit=/a init\n", "init", &value), 0);
	assert_null(value);
}

static void expect_file(const char *path, const char *wanted)
{
	_cleanup_free_ char *text = NULL;
	char full[PATH_MAX];

	assert_int_equal(path_format(full, sizeof(full), "%s%s", root, path), 0);
	assert_int_equal(file_read(full, &text, NULL), 0);
	assert_string_equal(text, wanted);
}

/* What the owner said stays, and so does what was said of something else. */
static void lifts_its_guards_only(void **state)
{
	(void)state;
	put("/proc/sys/kernel/panic", "10");
	put("/proc/sys/kernel/softlockup_panic", "1");
	put("/proc/sys/kernel/hardlockup_panic", "1");
	put("/proc/cmdline", "quiet panic=10 nvwa=1 " LOCKUPS " -- panic=10\n");
	cmdline_lift_guards(root);
	expect_file("/proc/sys/kernel/panic", "10");
	expect_file("/proc/sys/kernel/softlockup_panic", "0");
	expect_file("/proc/sys/kernel/hardlockup_panic", "0");

	put("/proc/cmdline", "quiet nvwa=1 " GUARDS "\n");
	cmdline_lift_guards(root);
	expect_file("/proc/sys/kernel/panic", "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_on),
		cmocka_unit_test(strips),
		cmocka_unit_test(keeps_for_later_what_the_scratch_has_no_room_for),
		cmocka_unit_test(passes_on_a_host_of_guests),
		cmocka_unit_test(refuses),
		cmocka_unit_test(adds_what_the_owner_wants),
		cmocka_unit_test(takes_no_other_extra),
		cmocka_unit_test(keeps_inits_arguments_last),
		cmocka_unit_test(adds_what_the_machine_allows),
		cmocka_unit_test(says_sizes_of_all_memory),
		cmocka_unit_test(knows_its_own),
		cmocka_unit_test(finds_values),
		cmocka_unit_test(lifts_its_guards_only),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
