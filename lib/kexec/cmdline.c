// SPDX-License-Identifier: GPL-2.0-only
/*
 * The next kernel's command line. What nvwa adds comes after the marker
 * nvwa=1 and before "--", so that the next update can tell it from what the
 * machine's owner wrote, and take it off again.
 */
#include "lib/kexec/cmdline.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/param.h"
#include "lib/kexec/tables.h"

#define MARKER	"nvwa=1"

/*
 * Not passed on. Sizes that were chosen for all of RAM cannot be had from the
 * little that the next kernel boots in; what describes the boot itself is
 * said anew.
 */
static const struct {
	const char *name;
	const char *why;
} stripped[] = {
	{ "BOOT_IMAGE",		"added by the boot loader, names the old kernel" },
	{ "initrd",		"read by the boot stub of EFI, names the old initramfs" },
	{ "rdinit",		"the hop initramfs has its own" },
	{ "acpi_rsdp",		"passed in boot_params" },
	{ "elfcorehdr",		"belongs to a crash kernel" },
	{ "kexec_jump_back_entry", "belongs to another kexec" },
	{ "mem",		"the memory map passed on is what it left" },
	{ "memmap",		"as mem=" },
	{ "lpj",		"depends on the kernel's HZ" },
}, reserved[] = {	/* as CMDLINE_KEPT */
	{ "crashkernel",	"would be reserved from the scratch" },
	{ "hugepages",		"would be taken from the scratch" },
	{ "hugepagesz",		"goes with hugepages=" },
	{ "hugetlb_cma",	"as hugepages=" },
	{ "cma",		"as crashkernel=" },
	{ "kernelcore",		"would make movable what the scratch has" },
	{ "movablecore",	"as kernelcore=" },
};

static bool clocksource_is_tsc(const char *sysroot);
static bool timer_is_ioapic(const char *sysroot);
static bool is_not_fips(const char *sysroot);
static bool is_not_rt(const char *sysroot);

/* Added, unless the machine's owner says something about the same parameter. */
static const struct {
	const char *text;
	bool (*wanted)(const char *sysroot);
	const char *why;
} added[] = {
	{ "tsc=reliable", clocksource_is_tsc,
	  "the running kernel has found the TSC good: saves watching it again" },
	{ "no_timer_check", timer_is_ioapic,
	  "the running kernel has found the timer interrupt wired to the IO-APIC" },
	{ "cryptomgr.notests", is_not_fips,
	  "self-tests of ciphers take longer than all the rest of the boot" },
	{ "rcupdate.rcu_expedited=1", is_not_rt,
	  "no waiting for grace periods; put back by writing 0 to /sys/kernel/rcu_expedited" },
	{ "nohibernate", NULL,
	  "an image on disk is older than this machine's memory, and one made now would be "
	  "refused by the kernel that is to resume it, as its memory map is another" },
};

static bool has_param(const char *cmdline, const char *name)
{
	const char *token;
	size_t len;

	while ((token = param_next(&cmdline, &len)) && !param_is(token, len, "--")) {
		if (param_has_name(token, len, name))
			return true;
	}

	return false;
}

bool cmdline_is_ours(const char *cmdline)
{
	const char *token;
	size_t len;

	while ((token = param_next(&cmdline, &len)) && !param_is(token, len, "--")) {
		if (param_is(token, len, MARKER))
			return true;
	}

	return false;
}

static bool file_has(const char *sysroot, const char *path, const char *a, const char *b)
{
	_cleanup_free_ char *text = NULL;
	char full[PATH_MAX], *line, *save = NULL;

	if (path_format(full, sizeof(full), "%s%s", sysroot, path) || file_read(full, &text, NULL))
		return false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strstr(line, a) && (!b || strstr(line, b)))
			return true;
	}

	return false;
}

static bool clocksource_is_tsc(const char *sysroot)
{
	return file_has(sysroot,
			"/sys/devices/system/clocksource/clocksource0/current_clocksource",
			"tsc", NULL);
}

static bool timer_is_ioapic(const char *sysroot)
{
	return file_has(sysroot, "/proc/interrupts", "IO-APIC", "timer");
}

static bool is_not_fips(const char *sysroot)
{
	return !file_has(sysroot, "/proc/sys/crypto/fips_enabled", "1", NULL);
}

static bool is_not_rt(const char *sysroot)
{
	return !file_has(sysroot, "/sys/kernel/realtime", "1", NULL);
}

/* Pass on a word of the machine's owner, or not. */
static void put_word(FILE *out, const char *token, size_t len)
{
	const char *prefix = "";

	for (size_t i = 0; i < sizeof(stripped) / sizeof(stripped[0]); i++) {
		if (param_has_name(token, len, stripped[i].name))
			return;
	}
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (param_has_name(token, len, reserved[i].name))
			prefix = CMDLINE_KEPT;
	}
	fprintf(out, "%s%.*s ", prefix, (int)len, token);
}

static void put_tables(FILE *out, const char *kept, const struct cmdline_facts *facts)
{
	struct table_param params[TABLE_PARAMS];

	tables_for(facts->ram, facts->scratch, params);
	for (size_t i = 0; i < TABLE_PARAMS; i++) {
		if (!has_param(kept, params[i].name))
			fprintf(out, " %s=%" PRIu64 "%s", params[i].name, params[i].value,
				params[i].unit);
	}
}

int cmdline_next(const char *sysroot, const struct cmdline_facts *facts, char **next,
		 struct error *err)
{
	_cleanup_free_ char *old = NULL, *text = NULL;
	_cleanup_fclose_ FILE *out = NULL;
	const char *pos, *token;
	char path[PATH_MAX];
	bool ours = false;
	size_t len, size;
	int r;

	r = path_format(path, sizeof(path), "%s/proc/cmdline", sysroot);
	if (!r)
		r = file_read(path, &old, NULL);
	if (r < 0)
		return error_set(err, -r, "%s cannot be read (%s).", path, strerror(-r));

	out = open_memstream(&text, &size);
	if (!out)
		return -errno;

	pos = old;
	while ((token = param_next(&pos, &len)) && !param_is(token, len, "--")) {
		ours = ours || param_is(token, len, MARKER);
		if (!ours)
			put_word(out, token, len);
	}
	if (fflush(out))
		return -ENOMEM;

	_cleanup_free_ char *kept = strdup(text);

	if (!kept)
		return -ENOMEM;
	fputs(MARKER, out);
	for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++) {
		if (!has_param(kept, added[i].text) &&
		    (!added[i].wanted || added[i].wanted(sysroot)))
			fprintf(out, " %s", added[i].text);
	}
	/* What the running kernel has measured need not be measured again. */
	if (facts->tsc_khz && clocksource_is_tsc(sysroot) && !has_param(kept, "tsc_early_khz"))
		fprintf(out, " tsc_early_khz=%u", facts->tsc_khz);
	if (facts->ram)
		put_tables(out, kept, facts);

	/* "--" and what it separates: the arguments of the machine's init. */
	if (token)
		fprintf(out, " %.*s", (int)strcspn(token, "\n"), token);
	r = fclose(steal_ptr(out)) ? -ENOMEM : 0;
	if (!r)
		*next = steal_ptr(text);
	return r;
}
