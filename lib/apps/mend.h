/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What CRIU would restore at the wrong time, or not at all, and the process
 * itself can be made to do just before it runs.
 */
#ifndef NVWA_APPS_MEND_H
#define NVWA_APPS_MEND_H

#include <sys/types.h>
#include "lib/apps/criu.h"
#include "lib/apps/meta.h"
#include "lib/base/error.h"

struct mend;

/*
 * Before the restore: take out of the images what is to be done afterwards.
 * images is their directory. Free with mend_free(), also on failure.
 */
int mend_images(int images, struct mend **mend, struct error *err);

/*
 * In the function that criu.resume names, when the memory of the process is
 * back. extra is what the process had that CRIU did not see, or NULL.
 */
int mend_process(const struct mend *mend, const struct criu *criu, pid_t pid,
		 const struct process_extra *extra, struct error *err);

void mend_free(struct mend *mend);

#endif
