// SPDX-License-Identifier: GPL-2.0-only
/* What systemd-tmpfiles must not remove in the first boot after an update. */
#include "lib/apps/tmpfiles.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/*
 * Of several lines for one path that contradict each other the first counts, in the order of the
 * files' names; the age is one that nobody else gives.
 */
#define TMP_NAME	"00-nvwa.conf"
#define TMP_TEXT	"d /tmp 1777 root root 3649d\n"

/* A file of this name in /run takes the place of systemd's own. */
#define PRIVATE_NAME	"systemd-tmp.conf"
#define PRIVATE_FILE	"/usr/lib/tmpfiles.d/" PRIVATE_NAME

#define PRIVATE		"systemd-private-"
#define ID_LEN		32

static const char *const tmp_dirs[] = { "/tmp", "/var/tmp" };

#define NR_TMP_DIRS	(sizeof(tmp_dirs) / sizeof(tmp_dirs[0]))

/* "R! /tmp/systemd-private-*", which before systemd 256 is carried out whatever other lines say. */
static bool removes_private(const char *line)
{
	size_t len = strcspn(line, " \t");
	char start[64];

	if (*line != 'R')
		return false;
	line += len + strspn(line + len, " \t");
	for (size_t i = 0; i < NR_TMP_DIRS; i++) {
		snprintf(start, sizeof(start), "%s/" PRIVATE, tmp_dirs[i]);
		if (!strncmp(line, start, strlen(start)))
			return true;
	}

	return false;
}

/* The same for other boots than this one, each by its id, once. *text is what out has so far. */
static int put_others(FILE *out, char *const *text, const char *root, const char *dir,
		      const char *id)
{
	_cleanup_closedir_ DIR *d = NULL;
	char path[4200], line[128];
	struct dirent *entry;

	if (!path_format(path, sizeof(path), "%s%s", root, dir))
		d = opendir(path);
	while (d && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (strncmp(name, PRIVATE, strlen(PRIVATE)))
			continue;
		name += strlen(PRIVATE);
		if (strspn(name, "0123456789abcdef") != ID_LEN || name[ID_LEN] != '-' ||
		    !strncmp(name, id, ID_LEN))
			continue;
		snprintf(line, sizeof(line), "R! %s/" PRIVATE "%.*s-*\n", dir, ID_LEN, name);
		if (fflush(out))
			return -ENOMEM;
		if (!strstr(*text, line))
			fputs(line, out);
	}

	return 0;
}

static int write_file(const char *run, const char *name, const char *text)
{
	char path[4200];
	int r = path_format(path, sizeof(path), "%s/%s", run, name);

	return r < 0 ? r : file_write(path, text, strlen(text), 0644);
}

static int keep_private(const char *root, const char *run)
{
	_cleanup_free_ char *text = NULL, *usual = NULL;
	char path[4200], id[40], *line, *rest;
	size_t len;
	FILE *out;
	int r;

	r = path_format(path, sizeof(path), "%s" PRIVATE_FILE, root);
	if (!r)
		r = file_read(path, &usual, NULL);
	/* Then nothing removes them either. */
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = proc_boot_id(id, sizeof(id));
	if (r < 0)
		return r;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	rest = usual;
	while ((line = strsep(&rest, "\n"))) {
		if (*line && *line != '#' && !removes_private(line))
			fprintf(out, "%s\n", line);
	}
	for (size_t i = 0; !r && i < NR_TMP_DIRS; i++)
		r = put_others(out, &text, root, tmp_dirs[i], id);
	if (fclose(out))
		r = -ENOMEM;

	return r < 0 ? r : write_file(run, PRIVATE_NAME, text);
}

int tmpfiles_keep(const char *root, const char *run)
{
	int r = write_file(run, TMP_NAME, TMP_TEXT);

	return r < 0 ? r : keep_private(root, run);
}

/* That of systemd 252 to 257 begins with "--create --remove --boot", for all of them. */
#define SETUP_DIR	"systemd-tmpfiles-setup.service.d"
#define SETUP_TEXT	"[Service]\n" \
	"ExecStart=\n" \
	"ExecStart=systemd-tmpfiles --create --boot --exclude-prefix=/dev\n" \
	"ExecStart=systemd-tmpfiles --remove --boot --prefix=/tmp --prefix=/var/tmp\n"

int tmpfiles_only_create(const char *early)
{
	return write_file(early, SETUP_DIR "/nvwa.conf", SETUP_TEXT);
}

void tmpfiles_forget(const char *run)
{
	static const char *const names[] = { TMP_NAME, PRIVATE_NAME };
	char path[4200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!path_format(path, sizeof(path), "%s/%s", run, names[i]))
			unlink(path);
	}
}
