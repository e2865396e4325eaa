// SPDX-License-Identifier: GPL-2.0-only
/* What is in NVWA_STATE_DIR: most is left there for the nvwa command. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/kexec/bootparams.h"
#include "lib/kexec/hugepages.h"
#include "lib/net/links.h"
#include "lib/record/state-dir.h"

#define SETUP_DATA	"/sys/kernel/boot_params/setup_data"

/* The maps are needed whether there is a record or not: by settle, and by the next update. */
void state_keep_maps(void)
{
	static const char *const names[] = { "hidden", "ram", HUGEPAGES_CHOICE };

	state_dir_make();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_free_ char *text = NULL;
		char from[64], to[64];
		size_t len;

		path_format(from, sizeof(from), "/nvwa/%s", names[i]);
		path_format(to, sizeof(to), NVWA_STATE_DIR "/%s", names[i]);
		if (file_read(from, &text, &len) || file_write(to, text, len, 0600))
			log_error("%s cannot be kept", from);
	}
}

void state_failed(const char *why)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s\n", why) < 0)
		text = NULL;
	else
		file_write(NVWA_STATE_DIR "/failed", text, strlen(text), 0600);
}

/* When this kernel's first instruction ran, see lib/kexec/bootparams.c; 0: not known. */
static uint64_t entry_tsc(void)
{
	_cleanup_closedir_ DIR *dir = opendir(SETUP_DATA);
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		_cleanup_free_ char *type = NULL, *data = NULL;
		char path[300];
		uint64_t tsc;
		size_t len;

		if (d->d_name[0] == '.' ||
		    path_format(path, sizeof(path), SETUP_DATA "/%s/type", d->d_name) ||
		    file_read(path, &type, NULL) ||
		    strtoul(type, NULL, 0) != SETUP_NVWA_ENTRY ||
		    path_format(path, sizeof(path), SETUP_DATA "/%s/data", d->d_name) ||
		    file_read(path, &data, &len) || len < sizeof(tsc))
			continue;
		memcpy(&tsc, data, sizeof(tsc));
		return tsc;
	}

	return 0;
}

void state_write_timeline(void)
{
	_cleanup_free_ char *text = NULL;

	timeline_stamp_at("kernel-entry", entry_tsc());
	text = timeline_text();
	if (text)
		file_write(NVWA_STATE_DIR "/timeline.init", text, strlen(text), 0600);
}

void state_name_links(void)
{
	_cleanup_free_ char *text = NULL;

	/* Without the file nobody asked for it; without a name udev sees to it. */
	if (!file_read(NVWA_STATE_DIR "/" LINKS_FILE, &text, NULL) && links_rename(text) < 0)
		log_warning("not all network links have their names yet");
}
