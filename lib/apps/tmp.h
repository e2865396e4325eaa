/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files of /tmp, where that is a tmpfs: a promise to users until the next boot, and an
 * update is no boot to them. Where it is on a disk there is nothing to do.
 */
#ifndef NVWA_APPS_TMP_H
#define NVWA_APPS_TMP_H

#include <stdint.h>
#include "lib/apps/tree-size.h"
#include "lib/base/error.h"

#define TMP_DIR		"/tmp"

/* Add what would be carried, as tree_size_add() does. */
int tmp_size_add(struct tree_size *size);

/* Into an archive, see archive_save(); none if there is nothing that a boot would not make. */
int tmp_save(const char *tar, uint64_t *left, struct error *err);

/* Out of it; what is there already stays as it is. */
int tmp_restore(const char *tar, struct error *err);

#endif
