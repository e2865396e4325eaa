/* SPDX-License-Identifier: GPL-2.0-only */
/* The directory in which both kernels keep what is of an update. */
#ifndef NVWA_RECORD_STATE_DIR_H
#define NVWA_RECORD_STATE_DIR_H

/*
 * Make NVWA_STATE_DIR. "nvwa status" of any user asks whether certain files are in it, which is
 * all that others may: they neither list it nor read anything below.
 */
int state_dir_make(void);

#endif
