/* SPDX-License-Identifier: GPL-2.0-only */
/* Undoing an update that did not come as far as its jump, by its trail (lib/apps/trail.h). */
#ifndef NVWA_TOOL_UNDO_H
#define NVWA_TOOL_UNDO_H

#include <stddef.h>
#include "lib/base/error.h"

/* What is not as it was: sentences, see lib/base/strv.h. */
struct undo_report {
	char **left;
};

void undo_left(struct undo_report *report, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* One kind of change, with values of the trail, and how to undo it and see to it that it is. */
struct undo_step {
	const char *kind;
	void (*undo)(char *const *values, struct undo_report *report);
};

/* Those of an update, the last change first; ended by an empty one. */
extern const struct undo_step undo_steps[];

/*
 * Take all steps of which the trail knows, whatever becomes of the others. The trail
 * is removed if nothing is left to be undone. Free report->left with cleanup_strv().
 */
void undo_run(const struct undo_step *steps, struct undo_report *report);

/*
 * Undo the update, and then say why it failed (unless that is NULL) and what came of it, as
 * nobody may be able to read before. Returns EXIT_OK if all is as it was, otherwise EXIT_FAILURE.
 */
int undo_update(const struct error *why);

#endif
