// SPDX-License-Identifier: GPL-2.0-only
/* The directory in which both kernels keep what is of an update. */
#include "lib/record/state-dir.h"

#include <errno.h>
#include <sys/stat.h>

#include "uapi/record.h"

#define MODE	0711

int state_dir_make(void)
{
	if (mkdir(NVWA_STATE_DIR, MODE) && errno != EEXIST)
		return -errno;

	/* Whatever the umask says, or whoever made it before. */
	return chmod(NVWA_STATE_DIR, MODE) ? -errno : 0;
}
