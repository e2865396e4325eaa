// SPDX-License-Identifier: GPL-2.0-only
/* nvwa init: clean up what an interrupted update left behind, on either side of the jump. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/apps/app.h"
#include "lib/apps/quiesce.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/target.h"
#include "lib/net/net.h"
#include "tool/attempt.h"
#include "tool/carry.h"
#include "tool/common.h"
#include "tool/verbs.h"

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Let one app run on that the dump may have left stopped. Returns the number of processes. */
static int continue_app(const char *name)
{
	struct error err = { 0 };
	struct app app = { 0 };
	int pid, r;

	if (sscanf(name, "pid-%d", &pid) == 1)
		r = app_find_program(pid, &app, &err);
	else
		r = app_find_service(name, &app, &err);
	if (r < 0)
		return 0;
	app_continue(&app);
	r = app.nr_pids;
	app_free(&app);
	return r;
}

static void continue_apps(void)
{
	_cleanup_closedir_ DIR *dir = opendir(CARRY_OUT_DIR "/" CARRY_APPS);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int nr;

		if (entry->d_name[0] == '.')
			continue;
		nr = continue_app(entry->d_name);
		if (nr > 0)
			printf("%s runs on (%d process%s)\n", entry->d_name, nr,
			       nr == 1 ? "" : "es");
		else
			printf("%s has ended meanwhile\n", entry->d_name);
	}
}

static int start_stopped(struct error *err)
{
	_cleanup_free_ char **services = NULL;
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	size_t nr = 0, room = 2;

	if (file_read(CARRY_OUT_DIR "/" CARRY_STOPPED, &text, NULL) < 0)
		return 0;
	for (const char *c = text; *c; c++)
		room += *c == '\n';
	services = calloc(room, sizeof(*services));
	if (!services)
		return -ENOMEM;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			services[nr++] = line;
	if (nr > 0)
		printf("starting %zu service%s again\n", nr, nr == 1 ? "" : "s");
	return quiesce_start(services, err);
}

static bool kernel_loaded(void)
{
	_cleanup_free_ char *text = NULL;

	return file_read("/sys/kernel/kexec_loaded", &text, NULL) == 0 && text[0] == '1';
}

/* Keep the first failure, say every one. */
static void note(int r, const char *what, struct error *err, int *status)
{
	if (r < 0) {
		complain("%s: %s", what, err->text[0] ? err->text : strerror(-r));
		*status = EXIT_FAILURE;
	}
	memset(err, 0, sizeof(*err));
}

/* An update that did not come as far as the jump. */
static int clean_old_side(void)
{
	struct error err = { 0 };
	int status = EXIT_OK;

	printf("an update was interrupted before its jump\n");
	quiesce_thaw();
	continue_apps();
	note(start_stopped(&err), "cannot start services again", &err, &status);
	if (kernel_loaded()) {
		note(target_unload(), "cannot unload the next kernel", &err, &status);
		printf("the loaded kernel is unloaded\n");
	}
	note(attempt_end(&err), "the update stays noted as one that failed", &err, &status);
	note(tree_remove(CARRY_OUT_DIR), "cannot remove " CARRY_OUT_DIR, &err, &status);
	return status;
}

/* Jobs of systemd that still bring programs back must not lose their pages to us. */
static bool resume_runs(void)
{
	char *const argv[] = { "systemctl", "list-jobs", "--plain", "--no-legend", NULL };
	_cleanup_free_ char *output = NULL;

	return command_run(argv, &output) == 0 && output && strstr(output, "nvwa");
}

/* An update that jumped, but whose programs were not all brought back. */
static int clean_new_side(void)
{
	char *argv[] = { "nvwa resume", "--settle", NULL };

	if (resume_runs()) {
		complain("programs are being resumed at this moment. Wait, and see: nvwa status");
		return EXIT_BUSY;
	}
	printf("an update was interrupted after its jump: settling it now\n");
	optind = 0;
	return verb_resume(2, argv);
}

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ },
};

int verb_init(int argc, char **argv)
{
	_cleanup_close_ int lock = -1;
	struct error err = { 0 };
	int c, status = EXIT_OK;
	bool clean = true;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1)
		return c == 'h' ? verb_usage("init") : EXIT_USAGE;
	if (optind < argc) {
		complain("init takes no argument, but was given %s", argv[optind]);
		return EXIT_USAGE;
	}
	if (geteuid() != 0) {
		complain("cleaning up needs root. Run nvwa through sudo");
		return EXIT_ROOT;
	}
	lock = lock_take(&err);
	if (lock < 0) {
		complain("%s", err.text);
		return lock == -EBUSY ? EXIT_BUSY : EXIT_FAILURE;
	}
	if (exists(CARRY_OUT_DIR)) {
		clean = false;
		status = clean_old_side();
	}
	if (exists(NVWA_STATE_DIR "/" CARRY_UPDATE) && !exists(NVWA_STATE_DIR "/" CARRY_SETTLED)) {
		clean = false;
		c = clean_new_side();
		if (c != EXIT_OK)
			return c;
	}
	/* Also where nothing else was left. */
	note(net_unlock(&err), "TCP may stay locked", &err, &status);
	note(net_unguard(&err), "the network may stay closed", &err, &status);
	if (clean && status == EXIT_OK)
		printf("no update was interrupted: nothing to clean up\n");
	return status;
}
