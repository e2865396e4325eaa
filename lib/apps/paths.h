/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the files are that lib/apps uses, in one place so that tests can move them. */
#ifndef NVWA_APPS_PATHS_H
#define NVWA_APPS_PATHS_H

struct app_paths {
	const char *criu;		/* the command */
	const char *preload;		/* libnvwa-criu.so */
	const char *plugins;		/* directory of libnvwa-criu.so, and of no other library */
	const char *placeholder;	/* static program that waits */
	const char *nvwa;		/* the nvwa command */
	const char *kdat;		/* what criu keeps of the running kernel */
	const char *kdat_store;		/* where we keep it of every kernel */
	const char *units;		/* where nvwa-resume.service and its like are installed */
	const char *tmpfiles;		/* runtime configuration of systemd-tmpfiles */
};

const struct app_paths *app_paths(void);

/* Use another criu command, as configured; NULL: the usual one. The string is not copied. */
void app_paths_set_criu(const char *command);

#endif
