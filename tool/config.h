/* SPDX-License-Identifier: GPL-2.0-only */
/* What the administrator wrote: nvwa-restore.yaml(5) and nvwa-server.yaml(5). */
#ifndef NVWA_TOOL_CONFIG_H
#define NVWA_TOOL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "lib/base/error.h"
#include "lib/kexec/quiet.h"

#define CONFIG_DIR		"/etc/nvwa"
#define CONFIG_RESTORE		"nvwa-restore.yaml"
#define CONFIG_SERVER		"nvwa-server.yaml"

struct config {
	/* nvwa-restore.yaml: what is carried */
	char **services;
	size_t nr_services;
	pid_t *pids;
	size_t nr_pids;
	bool restore_net;
	bool enable_quick_kexec;
	bool enable_pin_memory;
	bool debug;			/* enbale_debug_mode */

	/* nvwa-server.yaml: how */
	char *criu_dir;
	char *criu_exe;
	char *kexec_exe;
	char *systemd_etc;
	char *log_dir;
	bool cpu_park;
	bool ahead_of_systemd;		/* programs need not wait for it */
	unsigned int ahead_seconds;	/* after which a restore ahead of systemd hangs */
	char *extra_cmdline;		/* for the next kernel, or NULL */
	unsigned int scratch_mb;	/* memory that the next kernel boots in, at least */
	unsigned int freeze_timeout;	/* seconds that a step of the freeze may take */
	struct quiet_wish devices;	/* device_shutdown and the lists of drivers */
};

/*
 * Read both files. path names nvwa-restore.yaml (NULL: the one in
 * CONFIG_DIR); nvwa-server.yaml is looked for beside it and may be missing.
 * On error *config is empty, and err names file and line and says what was
 * expected. Freed by config_free().
 */
int config_load(const char *path, struct config *config, struct error *err);
void config_free(struct config *config);

#endif
