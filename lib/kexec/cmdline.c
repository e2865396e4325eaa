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
#include "lib/kexec/fate.h"
#include "lib/kexec/tables.h"

#define MARKER	"nvwa=1"

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
	{ "panic=10", NULL,
	  "a kernel that panics before the update has settled resets the machine" },
	{ "softlockup_panic=1", NULL, "the same of one that hangs, and still takes interrupts" },
	{ "nmi_watchdog=panic", NULL, "the same of one that takes no interrupts, where the "
	  "processor can count for the watchdog" },
};

/* Of these, what makes a kernel that dies reset the machine, and where it is put back. */
static const struct {
	const char *text, *sysctl;
} guards[] = {
	{ "panic=10", "kernel/panic" },
	{ "softlockup_panic=1", "kernel/softlockup_panic" },
	{ "nmi_watchdog=panic", "kernel/hardlockup_panic" },
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
static int put_word(FILE *out, const char *token, size_t len, struct error *err)
{
	const char *why;

	switch (fate_of(token, len, &why)) {
	case FATE_REFUSE:
		return error_set(err, EOPNOTSUPP, "The running kernel's command line has %.*s: %s. "
				 "Take it out of the boot loader's configuration and reboot.",
				 (int)len, token, why);
	case FATE_STRIP:
		return 0;
	case FATE_KEEP:
		fputs(CMDLINE_KEPT, out);
		/* fallthrough */
	case FATE_PASS:
	case FATE_SAME:
		fprintf(out, "%.*s ", (int)len, token);
	}
	return 0;
}

int cmdline_check_extra(const char *extra, struct error *err)
{
	const char *token, *why, *pos = extra;
	size_t len, quotes = 0;

	for (const char *c = extra; *c; c++) {
		quotes += *c == '"';
		if ((*c < ' ' && !strchr("\t\n", *c)) || *c > '~')
			return error_set(err, EINVAL, "byte %#x, which is no printable ASCII",
					 (unsigned char)*c);
	}
	if (quotes % 2)
		return error_set(err, EINVAL, "a quotation mark that is not closed");
	while ((token = param_next(&pos, &len))) {
		if (param_is(token, len, "--"))
			return error_set(err, EINVAL, "\"--\", after which there are arguments of "
					 "init");
		if (!strncmp(token, CMDLINE_KEPT, strlen(CMDLINE_KEPT)))
			return error_set(err, EINVAL, "%.*s, which means nothing there", (int)len,
					 token);
		if (fate_of(token, len, &why) != FATE_PASS)
			return error_set(err, EINVAL, "%.*s, which an update cannot add (%s)",
					 (int)len, token, why);
	}
	return 0;
}

static void put_tables(FILE *out, const char *said, const struct cmdline_facts *facts)
{
	struct table_param params[TABLE_PARAMS];

	tables_for(facts->ram, facts->scratch, params);
	for (size_t i = 0; i < TABLE_PARAMS; i++) {
		if (!has_param(said, params[i].name))
			fprintf(out, " %s=%" PRIu64 "%s", params[i].name, params[i].value,
				params[i].unit);
	}
}

/* What is added, unless the machine's owner has said something about it. */
static void put_added(FILE *out, const char *sysroot, const char *said,
		      const struct cmdline_facts *facts)
{
	fputs(MARKER, out);
	for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++) {
		if (!has_param(said, added[i].text) &&
		    (!added[i].wanted || added[i].wanted(sysroot)))
			fprintf(out, " %s", added[i].text);
	}
	/* What the running kernel has measured need not be measured again. */
	if (facts->tsc_khz && clocksource_is_tsc(sysroot) && !has_param(said, "tsc_early_khz"))
		fprintf(out, " tsc_early_khz=%u", facts->tsc_khz);
	if (facts->ram)
		put_tables(out, said, facts);
}

int cmdline_next(const char *sysroot, const struct cmdline_facts *facts, char **next,
		 struct error *err)
{
	const char *pos, *token = NULL, *word, *extra = facts->extra ? facts->extra : "";
	_cleanup_free_ char *old = NULL, *text = NULL, *said = NULL;
	_cleanup_fclose_ FILE *out = NULL;
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
	while (!r && (token = param_next(&pos, &len)) && !param_is(token, len, "--")) {
		ours = ours || param_is(token, len, MARKER);
		if (!ours)
			r = put_word(out, token, len, err);
	}
	if (r < 0)
		return r;
	if (fflush(out))
		return -ENOMEM;
	if (asprintf(&said, "%s %s", text, extra) < 0)
		return -ENOMEM;
	put_added(out, sysroot, said, facts);

	/* Last, so that it counts. */
	while ((word = param_next(&extra, &len)))
		fprintf(out, " %.*s", (int)len, word);
	/* "--" and what it separates: the arguments of the machine's init. */
	if (token)
		fprintf(out, " %.*s", (int)strcspn(token, "\n"), token);
	r = fclose(steal_ptr(out)) ? -ENOMEM : 0;
	if (!r)
		*next = steal_ptr(text);
	return r;
}

void cmdline_lift_guards(const char *sysroot)
{
	_cleanup_free_ char *cmdline = NULL;
	const char *pos, *token;
	char path[PATH_MAX];
	bool ours = false;
	size_t len;

	if (path_format(path, sizeof(path), "%s/proc/cmdline", sysroot) ||
	    file_read(path, &cmdline, NULL))
		return;
	pos = cmdline;
	while ((token = param_next(&pos, &len)) && !param_is(token, len, "--")) {
		ours = ours || param_is(token, len, MARKER);
		for (size_t i = 0; ours && i < sizeof(guards) / sizeof(guards[0]); i++) {
			if (param_is(token, len, guards[i].text) &&
			    !path_format(path, sizeof(path), "%s/proc/sys/%s", sysroot,
					 guards[i].sysctl))
				file_write(path, "0", 1, 0644);
		}
	}
}
