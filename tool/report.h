/* SPDX-License-Identifier: GPL-2.0-only */
/* What came of an update: a result for each app, and the report that stays. */
#ifndef NVWA_TOOL_REPORT_H
#define NVWA_TOOL_REPORT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/apps/app.h"
#include "uapi/nvwa.h"

/*
 * Write <dir>/result.json, right after app_restore() has returned status (0 or
 * a negative errno); it was called at start (TSC).
 */
int report_app_result(const char *dir, int status, const struct app_restored *done,
		      uint64_t start, const char *detail);

/* Did this app (by name) go on? */
bool report_app_resumed(const char *name);

/* Put everything together as CARRY_LAST, for nvwa status. keeper gives the TSC's frequency. */
int report_write(struct json_object *update, int keeper, const struct nvwa_release *release);

#endif
