// SPDX-License-Identifier: GPL-2.0-only
/* nvwa init: clean up what an interrupted update left behind, on either side of the jump. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/net/net.h"
#include "tool/carry.h"
#include "tool/common.h"
#include "tool/undo.h"
#include "tool/verbs.h"

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
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
	if (trail_exists()) {
		clean = false;
		printf("an update was interrupted before its jump\n");
		fflush(stdout);
		status = undo_update(NULL);
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
