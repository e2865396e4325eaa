/* SPDX-License-Identifier: GPL-2.0-only */
/* The clocks, and time stamps that go on over the jump. */
#ifndef NVWA_BASE_CLOCK_H
#define NVWA_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The time stamp counter: it keeps counting over kexec. */
uint64_t clock_tsc(void);

/* What a clock shows, ns. */
uint64_t clock_ns(clockid_t id);

/*
 * Append "<step> <tsc>\n" to the time line kept in memory; step is a word
 * such as "freeze". Never fails (a full table drops the stamp).
 */
void timeline_stamp(const char *step);

/* The same of a moment that somebody else has noted; 0, not known, is left out. */
void timeline_stamp_at(const char *step, uint64_t tsc);

/* The stamps so far as text, one "<step> <tsc>" per line; malloc()ed. */
char *timeline_text(void);

#endif
