// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first boot after an update begins with what carried programs need, and
 * no more: a boot of its own, with nvwa-first.target for its default target.
 */
#include "lib/apps/first.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/apps/archive.h"
#include "lib/apps/bus.h"
#include "lib/apps/paths.h"
#include "lib/apps/units.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/param.h"
#include "lib/net/links.h"
#include "uapi/record.h"

#define CONFIGURED	"/etc/systemd/system"

/* Where systemd looks for units, but for those of generators; see systemd.unit(5). */
static const char *const unit_dirs[] = {
	CONFIGURED, "/run/systemd/system", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system",
};

/*
 * Packet filters: they go first where they are enabled, as nothing may be reachable without, and
 * begin with throwing away all rules.
 */
static const char *const firewalls[] = {
	"netfilter-persistent.service", "nftables.service", "ufw.service",
};

#define NR_FIREWALLS	(sizeof(firewalls) / sizeof(firewalls[0]))

/* It goes first as well: nothing may be unconfined, not even for a moment. */
#define CONFINES	"apparmor.service"

/* Where systemd looks for generators; see systemd.generator(7). */
static const char *const generator_dirs[] = {
	FIRST_MASKS, "/etc/systemd/system-generators",
	"/usr/local/lib/systemd/system-generators", "/usr/lib/systemd/system-generators",
};

#define OUR_GENERATOR	"nvwa-generator"

/* Some KiB, as a rule. */
#define GENERATED_MOST	(16ULL << 20)

/* Where they put what they make, and the archive of each. */
static const struct {
	const char *dir, *archive;
} generated[] = {
	{ "/run/systemd/generator", "generator.tar" },
	{ "/run/systemd/generator.early", "generator-early.tar" },
	{ "/run/systemd/generator.late", "generator-late.tar" },
};

#define NR_GENERATED	(sizeof(generated) / sizeof(generated[0]))

static const char *const devices[] = {
	"systemd-udevd.service", "systemd-udev-trigger.service",
};

static bool fstab_needs_devices(const char *path)
{
	_cleanup_mntent_ FILE *f = setmntent(path, "re");
	bool needed = false;
	struct mntent *m;

	while (f && !needed && (m = getmntent(f)))
		needed = strcmp(m->mnt_dir, "/") && strcmp(m->mnt_type, "swap") &&
			(!strncmp(m->mnt_fsname, "/dev/", 5) || strchr(m->mnt_fsname, '='));

	return needed;
}

bool first_needs_devices(const char *fstab, const char *list, const char *links)
{
	return fstab_needs_devices(fstab) || links_missing(list, links);
}

/* What default.target is a link to; false if it is a unit of its own, or none. */
static bool find_default(char *name, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	for (size_t i = 0; i < sizeof(unit_dirs) / sizeof(unit_dirs[0]); i++) {
		const char *base;

		if (path_format(path, sizeof(path), "%s/default.target", unit_dirs[i]) < 0)
			return false;
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0 && errno == ENOENT)
			continue;
		if (n <= 0)
			return false;
		target[n] = '\0';
		base = strrchr(target, '/');
		base = base ? base + 1 : target;
		return strcmp(base, "default.target") && !path_format(name, size, "%s", base);
	}

	return false;
}

/* See kernel-command-line(7). */
bool first_applies(const char *cmdline)
{
	static const char *const words[] = {
		"emergency", "rescue", "single", "s", "S", "1", "2", "3", "4", "5", "-b",
	};
	char name[NAME_MAX + 1];
	const char *token;
	size_t len;

	while ((token = param_next(&cmdline, &len))) {
		if (param_has_name(token, len, "systemd.unit"))
			return false;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (param_is(token, len, words[i]))
				return false;
		}
	}

	return find_default(name, sizeof(name));
}

/* The names of the generators in a directory, a line each, to the end of a file. */
static int list_generators(const char *path, FILE *list)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *d;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((d = readdir(dir))) {
		if (d->d_name[0] != '.' && strcmp(d->d_name, OUR_GENERATOR))
			fprintf(list, "%s\n", d->d_name);
	}

	return 0;
}

int first_save(const char *out, struct error *err)
{
	_cleanup_free_ char *cmdline = NULL;
	_cleanup_fclose_ FILE *list = NULL;
	uint64_t left = GENERATED_MOST;
	char path[PATH_MAX];
	int r;

	r = file_read("/proc/cmdline", &cmdline, NULL);
	if (!r && !first_applies(cmdline))
		return 0;
	for (size_t i = 0; !r && i < NR_GENERATED; i++) {
		r = path_format(path, sizeof(path), "%s/%s", out, generated[i].archive);
		if (!r)
			r = archive_save(path, 0, generated[i].dir, &left, err);
	}
	if (!r)
		r = path_format(path, sizeof(path), "%s/" FIRST_GENERATORS, out);
	if (r < 0)
		return error_set(err, -r, "cannot keep what systemd's generators have made: %s",
				 strerror(-r));
	list = fopen(path, "we");
	if (!list)
		return error_set(err, errno, "cannot write %s: %s", path, strerror(errno));
	for (size_t i = 0; !r && i < sizeof(generator_dirs) / sizeof(generator_dirs[0]); i++)
		r = list_generators(generator_dirs[i], list);
	if (!r && fflush(list))
		r = -errno;

	return r < 0 ? error_set(err, -r, "cannot list systemd's generators: %s", strerror(-r)) : 0;
}

/* What generators had made in the old kernel is there as if they had run again. */
static void put_generated(const char *state, struct error *err)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < NR_GENERATED; i++) {
		if (!path_format(path, sizeof(path), "%s/%s", state, generated[i].archive))
			archive_restore(path, 0, generated[i].dir, err);
	}
}

void first_give_up(void)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < NR_GENERATED; i++) {
		if (!path_format(path, sizeof(path), NVWA_STATE_DIR "/%s", generated[i].archive))
			unlink(path);
	}
	tree_remove(FIRST_MASKS);
}

int first_end(const char *target, struct error *err)
{
	_cleanup_bus_ sd_bus *bus = NULL;
	char *const argv[] = { "systemctl", "--no-block", "start", (char *)target, NULL };
	int r;

	/* From now on generators make their units themselves. */
	first_give_up();
	/* Without what they generate the boot is better than none. */
	r = bus_open(&bus, err);
	if (!r)
		r = bus_reload(bus, err);
	if (command_run(argv, NULL))
		return error_set(err, EIO, "systemd does not start %s", target);

	return r;
}

bool first_enabled(const char *unit)
{
	_cleanup_closedir_ DIR *configured = opendir(CONFIGURED);
	struct dirent *d;

	while (configured && (d = readdir(configured))) {
		char path[PATH_MAX];
		size_t len = strlen(d->d_name);

		if (len > 6 && !strcmp(d->d_name + len - 6, ".wants") &&
		    !path_format(path, sizeof(path), CONFIGURED "/%s/%s", d->d_name, unit) &&
		    !access(path, F_OK))
			return true;
	}

	return false;
}

bool first_has_firewall(void)
{
	for (size_t i = 0; i < NR_FIREWALLS; i++) {
		if (first_enabled(firewalls[i]))
			return true;
	}

	return false;
}

static int want_enabled(const char *early, const char *unit)
{
	return first_enabled(unit) ? units_want(early, FIRST_READY, unit, unit) : 0;
}

static int want_guards(const char *early)
{
	int r = want_enabled(early, CONFINES);

	for (size_t i = 0; !r && i < NR_FIREWALLS; i++)
		r = want_enabled(early, firewalls[i]);

	return r;
}

/* The rest of the boot, which is the target of this name. */
static int want_rest(const char *early, const char *target)
{
	char unit[NAME_MAX + 1];
	int r = path_format(unit, sizeof(unit), "nvwa-rest@%s.service", target);

	return r < 0 ? r : units_want(early, FIRST_TARGET, unit, "nvwa-rest@.service");
}

int first_generate(const char *state, const char *early, struct error *err)
{
	char path[PATH_MAX], file[PATH_MAX], target[NAME_MAX + 1];
	int r;

	/* Without it carried programs may be lost, but generators still run in first_end(). */
	put_generated(state, err);
	if (!find_default(target, sizeof(target)))
		return 0;
	r = want_guards(early);
	if (!r)
		r = path_format(path, sizeof(path), "%s/" LINKS_FILE, state);
	if (!r && first_needs_devices("/etc/fstab", path, "/sys/class/net")) {
		for (size_t i = 0; !r && i < sizeof(devices) / sizeof(devices[0]); i++)
			r = units_want(early, FIRST_READY, devices[i], devices[i]);
	}
	if (!r)
		r = want_rest(early, target);
	/* Last, as from here on the rest of the boot depends on all of this. */
	if (!r)
		r = path_format(path, sizeof(path), "%s/default.target", early);
	if (!r)
		r = path_format(file, sizeof(file), "%s/" FIRST_TARGET, app_paths()->units);
	if (!r && symlink(file, path) && errno != EEXIST)
		r = -errno;
	if (r < 0)
		return error_set(err, -r, "carried programs cannot go before the rest of the "
				 "boot: %s", strerror(-r));

	return 0;
}
