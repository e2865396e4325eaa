// SPDX-License-Identifier: GPL-2.0-only
/* Directories put away as tar archives with all attributes, by the tar command. */
#include "lib/apps/archive.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

static bool is_empty(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			return false;
	}

	return true;
}

static int run_tar(char *const argv[], const char *path, struct error *err)
{
	_cleanup_free_ char *output = NULL;
	int r = command_run(argv, &output);

	/* 1: a file changed while it was read, which only shared directories can. */
	if (r == 0 || r == 1)
		return 0;
	if (r < 0)
		return error_set(err, -r, "cannot run tar: %s", strerror(-r));
	if (strlen(output) > 400)
		output[400] = '\0';
	return error_set(err, EIO, "tar failed on %s: %s", path, output);
}

#define TAR_OPTIONS	\
	(char *)"--xattrs", (char *)"--xattrs-include=*", (char *)"--acls", \
	(char *)"--numeric-owner", (char *)"--sparse"

/* Cut a path in two at its last slash: the directory, and what is archived of it. */
static int split_path(char *path, char **directory, char **member)
{
	char *slash = strrchr(path, '/');

	if (!slash || !slash[1])
		return -EINVAL;
	*directory = slash == path ? (char *)"/" : path;
	*slash = '\0';
	*member = slash + 1;

	return 0;
}

int archive_save(const char *path, const char *tar, struct error *err)
{
	_cleanup_free_ char *copy = strdup(path);
	char *directory, *member;
	struct stat st;
	int r;

	if (!copy)
		return -ENOMEM;
	unlink(tar);
	if (stat(path, &st))
		return errno == ENOENT ? 0 : error_set(err, errno, "cannot see %s: %s", path,
						       strerror(errno));
	if (S_ISDIR(st.st_mode) && is_empty(path))
		return 0;
	r = split_path(copy, &directory, &member);
	if (r < 0)
		return r;

	return run_tar((char *[]){ (char *)"tar", TAR_OPTIONS, (char *)"--one-file-system",
				   (char *)"-cf", (char *)tar, (char *)"-C", directory,
				   (char *)"--", member, NULL }, path, err);
}

int archive_restore(const char *tar, const char *path, struct error *err)
{
	_cleanup_free_ char *copy = strdup(path);
	char *directory, *member;
	int r;

	if (!copy)
		return -ENOMEM;
	if (access(tar, F_OK))
		return 0;
	r = split_path(copy, &directory, &member);
	if (r < 0)
		return r;

	return run_tar((char *[]){ (char *)"tar", TAR_OPTIONS, (char *)"-xpf", (char *)tar,
				   (char *)"-C", directory, NULL }, path, err);
}
