/* SPDX-License-Identifier: GPL-2.0-only */
/* What came of an update: a result for each app, and the report that stays. */
#ifndef NVWA_TOOL_OUTCOME_H
#define NVWA_TOOL_OUTCOME_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/apps/app.h"
#include "uapi/nvwa.h"

/*
 * Write <dir>/result.json, right after app_restore() has returned status (0 or
 * a negative errno); it was called at start (TSC).
 */
int outcome_app(const char *dir, int status, const struct app_restored *done,
		uint64_t start, const char *detail);

/* Note that the restore of an app, by name, begins: -EEXIST, it did already. */
int outcome_begin(const char *name);
bool outcome_begun(const char *name);
/* It did not: it can begin later. */
void outcome_put_off(const char *name);

/* An app (by name) that was resumed could not stay after all. */
void outcome_take_back(const char *name, const char *detail);

/* The result of an app, by name; NULL, there is none. */
struct json_object *outcome_read(const char *name);

/* Did this app (by name) go on? */
bool outcome_resumed(const char *name);

/* Put everything together as CARRY_LAST, for nvwa status. keeper gives the TSC's frequency. */
int outcome_write(struct json_object *update, int keeper, const struct nvwa_release *release);

#endif
