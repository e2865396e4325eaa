// SPDX-License-Identifier: GPL-2.0-only
/* What this machine and its running kernel allow. */
#include "tool/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <libkmod.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define MODULE_NAME	"nvwa"

static int read_below(const char *sysroot, const char *path, char **data, size_t *len)
{
	char full[PATH_MAX];
	int r;

	r = path_format(full, sizeof(full), "%s%s", sysroot, path);
	return r < 0 ? r : file_read(full, data, len);
}

static int check_lockdown(const char *sysroot, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	/* "[none] integrity confidentiality"; no file: no lockdown in this kernel. */
	if (read_below(sysroot, "/sys/kernel/security/lockdown", &text, &len) < 0 ||
	    strstr(text, "[none]"))
		return 0;
	return error_set(err, EPERM, "the kernel is locked down (/sys/kernel/security/lockdown: "
			 "%.*s), which forbids modules and kernels of our own. Boot without "
			 "lockdown= and with Secure Boot off", (int)strcspn(text, "\n"), text);
}

static int check_secure_boot(const char *sysroot, struct error *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;

	/* The EFI global variable of that name: four bytes of attributes, one of value. */
	if (read_below(sysroot, "/sys/firmware/efi/efivars/"
		       "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", &data, &len) < 0 ||
	    len < 5 || data[4] != 1)
		return 0;
	return error_set(err, EPERM, "Secure Boot is on, and the next kernel could not be checked "
			 "as it asks. Switch Secure Boot off in the firmware's setup");
}

const machine_lock_fn machine_locks[] = {
	check_lockdown,
	check_secure_boot,
};

const size_t machine_nr_locks = sizeof(machine_locks) / sizeof(machine_locks[0]);

int machine_load_module(struct error *err)
{
	struct kmod_module *module = NULL;
	struct utsname uts;
	struct kmod_ctx *ctx;
	int r;

	uname(&uts);
	ctx = kmod_new(NULL, NULL);
	if (!ctx)
		return -ENOMEM;
	r = kmod_module_new_from_name(ctx, MODULE_NAME, &module);
	if (r == 0 && kmod_module_get_initstate(module) != KMOD_MODULE_LIVE) {
		if (!kmod_module_get_path(module))
			r = error_set(err, ENOENT, "there is no nvwa.ko for the running kernel "
				      "%s. Install nvwa-dkms, or the package nvwa-modules of "
				      "this kernel", uts.release);
		else
			r = kmod_module_probe_insert_module(module, 0, NULL, NULL, NULL, NULL);
		/* kmod's own refusals (blacklist) are positive. */
		if (r > 0)
			r = -EPERM;
	}
	if (r < 0)
		error_set(err, -r, "nvwa.ko cannot be loaded into the running kernel %s: %s. "
			  "The kernel log may say more", uts.release, strerror(-r));
	kmod_module_unref(module);
	kmod_unref(ctx);
	return r;
}

/* A line of /proc/meminfo, in bytes. */
static int meminfo_bytes(const char *text, const char *key, uint64_t *bytes)
{
	const char *line = strstr(text, key);

	if (!line || sscanf(line + strlen(key), ": %" SCNu64 " kB", bytes) != 1)
		return -EBADMSG;
	*bytes <<= 10;
	return 0;
}

int machine_memory(const char *sysroot, uint64_t *available, uint64_t *swap_used)
{
	_cleanup_free_ char *text = NULL;
	uint64_t swap_free;
	int r;

	r = read_below(sysroot, "/proc/meminfo", &text, NULL);
	if (r == 0)
		r = meminfo_bytes(text, "MemAvailable", available);
	if (r == 0)
		r = meminfo_bytes(text, "SwapTotal", swap_used);
	if (r == 0)
		r = meminfo_bytes(text, "SwapFree", &swap_free);
	if (r == 0)
		*swap_used -= swap_free;
	return r;
}

static bool file_has(const char *sysroot, const char *path, const char *word)
{
	_cleanup_free_ char *text = NULL;

	return !read_below(sysroot, path, &text, NULL) && strstr(text, word);
}

const char *machine_clock_doubt(const char *sysroot)
{
	/* A kernel that has found it wanting, or was told so, uses another clock. */
	if (!file_has(sysroot, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      "tsc"))
		return "the kernel does not trust the TSC";
	if (!file_has(sysroot, "/proc/cpuinfo", " constant_tsc") ||
	    !file_has(sysroot, "/proc/cpuinfo", " nonstop_tsc"))
		return "the processor does not say that its TSC always counts at the same rate";
	return NULL;
}
