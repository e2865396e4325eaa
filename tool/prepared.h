/* SPDX-License-Identifier: GPL-2.0-only */
/* What "nvwa prepare" has kept, as the other verbs deal with it. */
#ifndef NVWA_TOOL_PREPARED_H
#define NVWA_TOOL_PREPARED_H

struct json_object;
struct target;

/* For an update: say what became of what was kept of its target, and make it anew if need be. */
void prepared_use(const struct target *target, const char *release);

/* After an update to the kernel that runs: what was kept of it takes up room only. */
void prepared_done(void);

/* For "nvwa status": {release, prepared, bytes, fits, why}, or NULL if there is nothing. */
struct json_object *prepared_json(void);
void prepared_print(struct json_object *prepared);

#endif
