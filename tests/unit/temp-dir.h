/* SPDX-License-Identifier: GPL-2.0-only */
/* A directory for the files of a test program: what cmocka calls first and last. */
#ifndef NVWA_TESTS_TEMP_DIR_H
#define NVWA_TESTS_TEMP_DIR_H

#include <stdlib.h>

#include "lib/base/file.h"

static char temp_dir[] = "/tmp/nvwa-test-XXXXXX";

static inline int make_temp_dir(void **state)
{
	(void)state;
	return mkdtemp(temp_dir) ? 0 : -1;
}

static inline int remove_temp_dir(void **state)
{
	(void)state;
	return tree_remove(temp_dir);
}

#endif
