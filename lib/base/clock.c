// SPDX-License-Identifier: GPL-2.0-only
/* Time stamps from the TSC, and the time line that they make up. */
#include "lib/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#define TIMELINE_MAX	128
#define STEP_LEN	32

static struct {
	char step[STEP_LEN];
	uint64_t tsc;
} stamps[TIMELINE_MAX];
static size_t nr_stamps;

uint64_t clock_tsc(void)
{
	/* The fence keeps earlier loads from being counted as later than the stamp. */
	_mm_lfence();
	return __rdtsc();
}

uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void timeline_stamp(const char *step)
{
	timeline_stamp_at(step, clock_tsc());
}

void timeline_stamp_at(const char *step, uint64_t tsc)
{
	if (!tsc || nr_stamps == TIMELINE_MAX)
		return;
	snprintf(stamps[nr_stamps].step, STEP_LEN, "%s", step);
	stamps[nr_stamps++].tsc = tsc;
}

char *timeline_text(void)
{
	/* A line is a step, a blank, at most 20 digits and a newline. */
	size_t size = nr_stamps * (STEP_LEN + 22) + 1;
	char *text = malloc(size);
	size_t len = 0;

	if (!text)
		return NULL;
	text[0] = '\0';
	for (size_t i = 0; i < nr_stamps; i++)
		len += snprintf(text + len, size - len, "%s %" PRIu64 "\n",
				stamps[i].step, stamps[i].tsc);

	return text;
}
