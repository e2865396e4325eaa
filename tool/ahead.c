// SPDX-License-Identifier: GPL-2.0-only
/* Programs that go on ahead of systemd: which, and what they find. */
#include "tool/ahead.h"

#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/apps/criu.h"
#include "lib/apps/first.h"
#include "lib/apps/journal.h"
#include "lib/apps/mountinfo.h"
#include "lib/apps/sockets.h"
#include "lib/apps/takeover.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"
#include "lib/net/links.h"
#include "tool/carry.h"
#include "tool/orders.h"

/* What apparmor.service of Debian runs. */
#define APPARMOR_LOAD	"/lib/apparmor/apparmor.systemd"

/* --- the old kernel ---------------------------------------------------------- */

/*
 * The kernel's own, what nvwa-init mounts, and what belongs to sessions or services: of it no
 * program finds more after systemd has started than before.
 */
static bool is_no_matter(const struct mntent *m)
{
	static const char *const dirs[] = { "/proc", "/sys", "/dev", "/run" };

	if (!strcmp(m->mnt_dir, "/"))
		return true;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (path_is_below(m->mnt_dir, dirs[i]))
			return true;
	}
	return false;
}

/* mount(8) can mount it again by its directory, without the network. */
static bool is_in_fstab(const char *root, const char *dir)
{
	_cleanup_mntent_ FILE *fstab = NULL;
	char path[PATH_MAX], line[4096];
	struct mntent m;

	if (path_format(path, sizeof(path), "%s/etc/fstab", root) == 0)
		fstab = setmntent(path, "re");
	/* The caller is in the middle of another table, of which getmntent() keeps but one. */
	while (fstab && getmntent_r(fstab, &m, line, sizeof(line))) {
		if (!strcmp(m.mnt_dir, dir))
			return !hasmntopt(&m, "_netdev") && !strchr(m.mnt_fsname, ':') &&
			       strncmp(m.mnt_fsname, "//", 2) != 0;
	}
	return false;
}

int ahead_mounts(const char *root, FILE *out, struct error *err)
{
	_cleanup_mntent_ FILE *table = NULL;
	char path[PATH_MAX];
	struct mntent *m;

	if (path_format(path, sizeof(path), "%s/proc/1/mounts", root) == 0)
		table = setmntent(path, "re");
	if (!table)
		return error_set(err, errno, "cannot read /proc/1/mounts: %s", strerror(errno));
	while ((m = getmntent(table))) {
		/* nvwa-init mounts it as the kernel does, and nobody is to see more meanwhile. */
		if (!strcmp(m->mnt_dir, "/proc") &&
		    (hasmntopt(m, "hidepid") || hasmntopt(m, "subset")))
			return error_set(err, ENOTSUP, "/proc gets its options from systemd");
		if (!orders_mount(m) && is_no_matter(m))
			continue;
		if (!orders_mount(m) &&
		    (!strcmp(m->mnt_type, "autofs") || !is_in_fstab(root, m->mnt_dir)))
			return error_set(err, ENOTSUP, "%s (%s) is mounted by systemd", m->mnt_dir,
					 m->mnt_type);
		/* A name with a line's end would have to be quoted. */
		if (strchr(m->mnt_dir, '\n'))
			return error_set(err, ENOTSUP, "%s has an odd name", m->mnt_dir);
		if (out)
			fprintf(out, "mount %s\n", m->mnt_dir);
	}
	return 0;
}

static bool has_apparmor(void)
{
	_cleanup_free_ char *enabled = NULL;

	return first_enabled("apparmor.service") &&
	       file_read("/sys/module/apparmor/parameters/enabled", &enabled, NULL) == 0 &&
	       enabled[0] == 'Y';
}

int ahead_machine_allows(FILE *out, struct error *err)
{
	if (access("/sys/fs/selinux/enforce", F_OK) == 0)
		return error_set(err, ENOTSUP, "SELinux has no policy before systemd has started");
	if (has_apparmor() && access(APPARMOR_LOAD, X_OK) < 0)
		return error_set(err, ENOTSUP, "AppArmor is loaded by apparmor.service, and there "
				 "is no " APPARMOR_LOAD);
	return ahead_mounts("", out, err);
}

int ahead_app_allows(const struct app *app, struct error *err)
{
	_cleanup_free_ char *peer = NULL;
	int r;

	r = app_peer(app, takeover_has_journal() ? journal_receives : NULL, &peer);
	if (r < 0)
		return error_set(err, -r, "its open files cannot be looked at: %s", strerror(-r));
	if (r > 0)
		return error_set(err, ENOTSUP, "it sends to the local socket %s, which "
				 "another program has", peer);
	return app->kind == APP_SERVICE ? takeover_allows(app, err) : 0;
}

/* What of a service is recorded if it may go ahead; without that it cannot. */
static bool is_recorded(const struct app *app)
{
	char path[PATH_MAX];

	return app->kind == APP_PROGRAM ||
	       (path_format(path, sizeof(path), CARRY_OUT_DIR "/" CARRY_APPS "/%s/" TAKEOVER_DIR,
			    app->name) == 0 && access(path, F_OK) == 0);
}

int ahead_save(struct app *apps, size_t nr_apps, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	struct error why = { 0 };
	size_t len, nr = 0;
	int r;

	f = open_memstream(&text, &len);
	if (!f)
		return -ENOMEM;
	if (ahead_machine_allows(f, &why) < 0)
		return 0;
	for (size_t i = 0; i < nr_apps; i++) {
		apps[i].ahead = is_recorded(&apps[i]) && ahead_app_allows(&apps[i], &why) == 0;
		if (apps[i].ahead && ++nr)
			fprintf(f, "app %s\n", apps[i].name);
	}
	if (nr == 0)
		return 0;
	if (nr == nr_apps)
		fprintf(f, "whole yes\n");
	if (takeover_has_journal())
		fprintf(f, "journal yes\n");
	fprintf(f, "criu %d\n", criu_version());
	if (has_apparmor())
		fprintf(f, "guard " APPARMOR_LOAD "\n");
	if (fflush(f))
		return -ENOMEM;
	r = file_write(CARRY_OUT_DIR "/" CARRY_AHEAD, text, len, 0600);
	return r < 0 ? error_set(err, -r, "cannot write " CARRY_OUT_DIR "/" CARRY_AHEAD ": %s",
				 strerror(-r)) : (int)nr;
}

int ahead_save_ports(const struct app *apps, size_t nr_apps, struct error *err)
{
	_cleanup_free_ bool *used = calloc(SOCKETS_PORTS, sizeof(*used));
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	const char *comma = "";
	size_t len;
	int r = 0;

	f = open_memstream(&text, &len);
	if (!used || !f)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < nr_apps; i++) {
		if (!apps[i].ahead)
			r = sockets_ports(&apps[i], used);
	}
	if (r < 0)
		return error_set(err, -r, "cannot list the TCP ports of the programs: %s",
				 strerror(-r));
	for (unsigned int port = 1; port < SOCKETS_PORTS; port++) {
		if (!used[port])
			continue;
		fprintf(f, "%s%u", comma, port);
		comma = ",";
	}
	if (fflush(f))
		return -ENOMEM;
	r = file_write(CARRY_OUT_DIR "/" CARRY_PORTS, text, strlen(text), 0600);
	return r < 0 ? error_set(err, -r, "cannot write " CARRY_OUT_DIR "/" CARRY_PORTS ": %s",
				 strerror(-r)) : 0;
}

/* --- the new kernel ------------------------------------------------------------ */

static int take_line(struct ahead *ahead, char *line)
{
	char *value = strchr(line, ' ');

	if (!value)
		return *line ? -EBADMSG : 0;
	*value++ = '\0';
	if (!strcmp(line, "mount"))
		return strv_append(&ahead->mounts, value);
	if (!strcmp(line, "app"))
		return strv_append(&ahead->apps, value);
	if (!strcmp(line, "whole")) {
		ahead->whole = true;
		return 0;
	}
	if (!strcmp(line, "journal")) {
		ahead->journal = true;
		return 0;
	}
	if (!strcmp(line, "criu")) {
		ahead->criu_version = atoi(value);
		return 0;
	}
	if (strcmp(line, "guard") || ahead->guard)
		return -EBADMSG;
	ahead->guard = strdup(value);
	return ahead->guard ? 0 : -ENOMEM;
}

int ahead_read(struct ahead *ahead, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	int r;

	memset(ahead, 0, sizeof(*ahead));
	r = file_read(NVWA_STATE_DIR "/" CARRY_AHEAD, &text, NULL);
	rest = text;
	while (r == 0 && (line = strsep(&rest, "\n")))
		r = take_line(ahead, line);
	if (r < 0) {
		ahead_free(ahead);
		return error_set(err, -r, "cannot read " NVWA_STATE_DIR "/" CARRY_AHEAD ": %s",
				 strerror(-r));
	}
	return 0;
}

void ahead_free(struct ahead *ahead)
{
	cleanup_strv(&ahead->mounts);
	cleanup_strv(&ahead->apps);
	free(ahead->guard);
	memset(ahead, 0, sizeof(*ahead));
}

static bool is_mounted(const char *dir)
{
	_cleanup_mntent_ FILE *table = setmntent("/proc/self/mounts", "re");
	struct mntent *m;

	while (table && (m = getmntent(table))) {
		if (!strcmp(m->mnt_dir, dir))
			return true;
	}
	return false;
}

/* Its sockets are left with PID 1, for systemd. */
static int make_journal(struct error *err)
{
	struct takeover journal = { .first_fd = TAKEOVER_FIRST_FD };
	int r;

	r = takeover_add_journal(&journal, err);
	if (r == 0)
		r = takeover_leave(&journal, NVWA_STATE_DIR);
	takeover_free(&journal);
	return r < 0 ? error_set(err, -r, "systemd cannot be given the journal's sockets: %s",
				 strerror(-r)) : 0;
}

int ahead_make_ready(const struct ahead *ahead, struct error *err)
{
	/* As systemd does: what is mounted later is to be seen in sandboxes as well. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		return error_set(err, errno, "mounts cannot be shared: %s", strerror(errno));
	if (links_missing(NVWA_STATE_DIR "/" LINKS_FILE, "/sys/class/net"))
		return error_set(err, ENODEV, "network links have to be found by udev");
	for (char **dir = ahead->mounts; dir && *dir; dir++) {
		_cleanup_free_ char *output = NULL;
		char *const argv[] = { "mount", *dir, NULL };

		if (!is_mounted(*dir) && command_run(argv, &output) != 0)
			return error_set(err, ENODEV, "%s cannot be mounted without systemd: %.*s",
					 *dir, (int)strcspn(output ?: "", "\n"), output ?: "");
	}
	if (ahead->guard) {
		_cleanup_free_ char *output = NULL;
		char *const argv[] = { ahead->guard, "reload", NULL };

		if (command_run(argv, &output) != 0)
			return error_set(err, EIO, "%s failed: %.*s", ahead->guard,
					 (int)strcspn(output ?: "", "\n"), output ?: "");
	}
	return ahead->journal ? make_journal(err) : 0;
}

/* In a child; the numbers before those of the first app are the journal's. */
static pid_t start(const char *app, size_t nr, ahead_restore_fn restore)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(restore(app, TAKEOVER_FIRST_FD + (int)(1 + nr) * TAKEOVER_MAX_FDS));
	return pid;
}

/* The next child to end: whether what it was to restore need not wait for systemd. */
static bool reap(int *status)
{
	int how;

	if (wait(&how) < 0 || !WIFEXITED(how)) {
		*status = EXIT_FAILURE;
		return true;
	}
	if (WEXITSTATUS(how) != EXIT_SUCCESS)
		*status = EXIT_FAILURE;
	return WEXITSTATUS(how) != EXIT_AGAIN;
}

bool ahead_restore(const struct ahead *ahead, ahead_restore_fn restore, int *status,
		   struct error *err)
{
	const long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	bool all = true;
	long running = 0;

	for (size_t i = 0; ahead->apps[i]; i++) {
		if (running == nr_cpus && running--)
			all &= reap(status);
		if (start(ahead->apps[i], i, restore) > 0) {
			running++;
		} else {
			error_set(err, errno, "no process can be started for %s: %s",
				  ahead->apps[i], strerror(errno));
			*status = EXIT_FAILURE;
			all = false;
		}
	}
	while (running-- > 0)
		all &= reap(status);
	return all;
}
