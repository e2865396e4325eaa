/* SPDX-License-Identifier: GPL-2.0-only */
/* Directories put away as tar archives with all attributes, by the tar command. */
#ifndef NVWA_APPS_ARCHIVE_H
#define NVWA_APPS_ARCHIVE_H

#include "lib/base/error.h"

/*
 * Archive a directory or one file. Nothing there, or an empty directory: no
 * archive is made.
 */
int archive_save(const char *path, const char *tar, struct error *err);

/* Unpack it over what is at path, which has the same last part; 0 if there is no archive. */
int archive_restore(const char *tar, const char *path, struct error *err);

#endif
