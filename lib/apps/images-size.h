/* SPDX-License-Identifier: GPL-2.0-only */
/* How much CRIU will write of an app, foretold. */
#ifndef NVWA_APPS_IMAGES_SIZE_H
#define NVWA_APPS_IMAGES_SIZE_H

#include <stdint.h>
#include "lib/apps/app.h"

/* Add the bytes, about; deleted files that are open are most of it, if there are some. */
int images_size(const struct app *app, uint64_t *bytes);

#endif
