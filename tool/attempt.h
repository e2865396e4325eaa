/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An update that was begun and has not ended: a note on disk, written before the programs are
 * frozen and removed when the update has settled or is undone. If a later boot finds it, the
 * next kernel died; it is not tried again unless somebody insists.
 */
#ifndef NVWA_TOOL_ATTEMPT_H
#define NVWA_TOOL_ATTEMPT_H

#include "lib/base/error.h"

struct json_object;

/*
 * Write the note, and have the boot loader start the running kernel at the next reset. That the
 * boot loader cannot be told is no failure.
 */
int attempt_begin(const char *id, const char *from, const char *to, struct error *err);

/* It settled, or was undone: remove the note, and take back what the boot loader was told. */
int attempt_end(struct error *err);

/*
 * An update that began in an earlier boot and has not come to its end: {id, from, to, started};
 * NULL if there is none. Ownership goes to the caller.
 */
struct json_object *attempt_failed(void);

/* Did an update to this release fail, with the kernel image that is installed now? */
int attempt_check(const char *release, struct error *err);

#endif
