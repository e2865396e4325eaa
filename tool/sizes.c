// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes that were derived while most of memory was hidden, put right when it
 * is there: huge pages that the command line asks for, settings of sysctl.d
 * that the kernel has changed or could not carry out, and what modules made of
 * the memory that they found. What can be known earlier is done earlier, by
 * nvwa-init (init/sizes.c).
 */
#include "tool/sizes.h"

#include <inttypes.h>
#include <libkmod.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/param.h"
#include "lib/kexec/cmdline.h"
#include "lib/kexec/hugepages.h"
#include "lib/kexec/online.h"
#include "tool/common.h"
#include "uapi/record.h"

#define GIB	(1ULL << 30)

static int read_number(const char *path, uint64_t *value)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(path, &text, NULL);

	if (r == 0)
		*value = strtoull(text, NULL, 10);
	return r;
}

static void write_number(const char *path, uint64_t value)
{
	char text[32];
	int r;

	r = path_format(text, sizeof(text), "%" PRIu64, value);
	if (r == 0)
		r = file_write(path, text, strlen(text), 0644);
	if (r < 0)
		complain("%s cannot be set to %s: %s", path, text, strerror(-r));
}

/* --- huge pages -------------------------------------------------------- */

/* "2M" or "1G" in KiB. */
static uint64_t size_kib(const char *text)
{
	char *unit;
	uint64_t n = strtoull(text, &unit, 10);

	switch (*unit) {
	case 'g':
	case 'G':
		return n << 20;
	case 'm':
	case 'M':
		return n << 10;
	case 'k':
	case 'K':
		return n;
	default:
		return n >> 10;
	}
}

static uint64_t default_size_kib(void)
{
	_cleanup_free_ char *text = NULL;
	const char *line;

	if (file_read("/proc/meminfo", &text, NULL) < 0)
		return 0;
	line = strstr(text, "\nHugepagesize:");
	return line ? strtoull(line + strlen("\nHugepagesize:"), NULL, 10) : 0;
}

static void reserve_pages(const char *dir, uint64_t kib, uint64_t nr)
{
	char path[PATH_MAX];
	uint64_t got = 0;

	if (path_format(path, sizeof(path), "%s/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
			dir, kib) < 0)
		return;
	write_number(path, nr);
	if (read_number(path, &got) == 0 && got < nr)
		complain("of %" PRIu64 " huge pages of %" PRIu64 " KiB that the command line asks "
			 "for, there was room for %" PRIu64, nr, kib, got);
}

/* "512", or "0:256,1:256" by NUMA node. */
static void reserve(uint64_t kib, const char *wanted)
{
	char dir[64], *end;
	uint64_t n;

	n = strtoull(wanted, &end, 10);
	if (*end != ':') {
		reserve_pages("/sys/kernel/mm", kib, n);
		return;
	}
	while (*end == ':') {
		uint64_t nr = strtoull(end + 1, &end, 10);

		if (path_format(dir, sizeof(dir), "/sys/devices/system/node/node%" PRIu64, n) == 0)
			reserve_pages(dir, kib, nr);
		if (*end == ',')
			n = strtoull(end + 1, &end, 10);
	}
}

/* hugepagesz= counts for each hugepages= that follows, up to the next hugepagesz=. */
static void reserve_huge_pages(void)
{
	_cleanup_free_ char *cmdline = NULL;
	const char *pos, *token;
	uint64_t kib = default_size_kib();
	size_t len;

	if (file_read("/proc/cmdline", &cmdline, NULL) < 0)
		return;
	pos = cmdline;
	while ((token = param_next(&pos, &len)) && !param_is(token, len, "--")) {
		const char *equals = memchr(token, '=', len);
		_cleanup_free_ char *value = NULL;

		if (!equals)
			continue;
		value = strndup(equals + 1, token + len - equals - 1);
		if (!value)
			return;
		if (param_has_name(token, len, CMDLINE_KEPT "hugepagesz"))
			kib = size_kib(value);
		else if (param_has_name(token, len, CMDLINE_KEPT "hugepages"))
			reserve(kib, value);
	}
}

/* --- sysctl.d ------------------------------------------------------------ */

/*
 * When memory is added, the kernel computes some of vm.* anew whatever the
 * administrator has set; and vm.nr_hugepages came when there was no room.
 */
static void set_sysctls_again(void)
{
	char *const argv[] = { "/usr/lib/systemd/systemd-sysctl", "--prefix=/vm", NULL };

	if (command_run(argv, NULL) != 0)
		complain("the settings of vm.* in sysctl.d could not all be made again");
}

/* --- modules ------------------------------------------------------------- */

/* Whether the administrator has given a module an option, in modprobe.d or on the command line. */
static bool has_option(const char *module, const char *option)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	struct kmod_module *m = NULL;
	_cleanup_free_ char *value = NULL;
	const char *options;
	bool found = true;

	if (ctx && kmod_module_new_from_name(ctx, module, &m) == 0) {
		options = kmod_module_get_options(m);
		found = options && (param_value(options, option, &value) < 0 || value);
	}
	kmod_module_unref(m);
	kmod_unref(ctx);
	return found;
}

/* nf_conntrack_init_start() in net/netfilter/nf_conntrack_core.c */
static uint64_t conntrack_buckets(uint64_t ram)
{
	if (ram > 4 * GIB)
		return 262144;
	if (ram > GIB)
		return 65536;
	return ram / 16384 / sizeof(void *);
}

static void grow_conntrack(uint64_t ram)
{
	static const char hashsize[] = "/sys/module/nf_conntrack/parameters/hashsize";
	static const char max[] = "/proc/sys/net/netfilter/nf_conntrack_max";
	static const char expected[] = "/proc/sys/net/netfilter/nf_conntrack_expect_max";
	uint64_t have = 0, most = 0, want = conntrack_buckets(ram);

	if (read_number(hashsize, &have) < 0 || read_number(max, &most) < 0 || have >= want ||
	    has_option("nf_conntrack", "hashsize"))
		return;
	write_number(hashsize, want);
	/* One connection a bucket, and so on, unless somebody has said otherwise. */
	if (most == have)
		write_number(max, want);
	if (read_number(expected, &most) == 0 && most == have / 64)
		write_number(expected, want / 64);
}

/* Told 0, the module computes its limits anew. */
static void grow_fuse(void)
{
	static const char *const names[] = { "max_user_bgreq", "max_user_congthresh" };
	char path[64];
	uint64_t have = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (path_format(path, sizeof(path), "/sys/module/fuse/parameters/%s",
				names[i]) == 0 &&
		    read_number(path, &have) == 0 && !has_option("fuse", names[i]))
			write_number(path, 0);
	}
}

/* drivers/md/dm-bufio.c: a fiftieth of RAM; told 0, it does not compute again by itself. */
static void grow_dm_bufio(uint64_t ram)
{
	static const char path[] = "/sys/module/dm_bufio/parameters/max_cache_size_bytes";
	uint64_t have = 0;

	if (read_number(path, &have) == 0 && have < ram / 50 &&
	    !has_option("dm-bufio", "max_cache_size_bytes"))
		write_number(path, ram / 50);
}

/* --- the kernel and PID 1 -------------------------------------------------- */

/* init_user_reserve() in mm/util.c: a 32nd of what is free at boot, up to 128 MiB, in KiB. */
static void grow_user_reserve(uint64_t ram)
{
	/* 64 bytes of each 4096 are struct pages, and never free at boot. */
	uint64_t kib = (ram - ram / 64) / 32 / 1024;

	write_number("/proc/sys/vm/user_reserve_kbytes", kib < 131072 ? kib : 131072);
}

/* systemd lets itself lock an eighth of RAM (bump_rlimit_memlock() in its src/core/main.c). */
static void grow_locked_memory(uint64_t ram)
{
	struct rlimit limit;

	if (prlimit(1, RLIMIT_MEMLOCK, NULL, &limit) < 0 || limit.rlim_cur >= ram / 8)
		return;
	limit.rlim_cur = limit.rlim_max = ram / 8;
	if (prlimit(1, RLIMIT_MEMLOCK, &limit, NULL) < 0)
		complain("systemd may not lock as much memory as after a boot: %m");
}

/* What the administrator writes to sysfs by tmpfiles.d has the last word. */
static void write_tmpfiles_again(void)
{
	char *const argv[] = { "systemd-tmpfiles", "--create", "--prefix=/sys", NULL };

	if (command_run(argv, NULL) != 0)
		complain("the settings of /sys in tmpfiles.d could not all be made again");
}

void sizes_put_right(void)
{
	struct sysinfo now;
	int r;

	r = hugepages_allow(NVWA_STATE_DIR "/" HUGEPAGES_CHOICE);
	if (r < 0)
		complain("transparent huge pages stay switched off: %s", strerror(-r));
	r = online_as_before(NVWA_STATE_DIR "/" ONLINE_CHOICE);
	if (r < 0)
		complain("memory that is plugged in comes online by itself: %s", strerror(-r));
	write_tmpfiles_again();
	reserve_huge_pages();
	if (sysinfo(&now) < 0)
		return;
	grow_user_reserve(now.totalram * now.mem_unit);
	grow_locked_memory(now.totalram * now.mem_unit);
	set_sysctls_again();
	grow_conntrack(now.totalram * now.mem_unit);
	grow_fuse();
	grow_dm_bufio(now.totalram * now.mem_unit);
}
