/* SPDX-License-Identifier: GPL-2.0-only */
/* The time line of an update, as its report holds it: what nvwa report shows. */
#ifndef NVWA_TOOL_TIMELINE_H
#define NVWA_TOOL_TIMELINE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Times are ms from the freeze on, shares are parts of the blackout. */
struct timeline_step {
	const char *name;	/* the stamp at its end, as in the report */
	const char *text;	/* what was done until then */
	bool new_kernel;
	double start;
	double end;
	double share;		/* 0 for what is not part of the blackout */
};

/* A program that was restored. */
struct timeline_app {
	const char *name;
	double stop;		/* its last instruction in the old kernel */
	double start;		/* of its restore */
	double end;		/* its first instruction */
	double insertion;	/* of that, how long its pages took; ms */
	bool resumed;
};

struct timeline {
	struct timeline_step *steps;	/* by time, each begins where the one before ends */
	size_t nr_steps;
	struct timeline_app *apps;
	size_t nr_apps;
	double blackout;		/* ms */
	double end;			/* of the last step; ms */
	const char *from, *to;		/* releases */
	const char *doubt;		/* why the times are not exact, "" if they are */
};

/*
 * From a report (/var/lib/nvwa/last.json), which must outlive the time line. Free it in any
 * case. -ENODATA if the report has no time line, or one without a freeze; -ENOMEM.
 */
int timeline_read(struct timeline *t, struct json_object *report);
void timeline_free(struct timeline *t);

/* As a table for people, as JSON, and as a drawing. */
void timeline_print(const struct timeline *t, FILE *out);
struct json_object *timeline_json(const struct timeline *t);
void timeline_draw(const struct timeline *t, FILE *out);	/* tool/draw.c */

#endif
