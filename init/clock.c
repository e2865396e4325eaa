// SPDX-License-Identifier: GPL-2.0-only
/* CLOCK_REALTIME over the jump: the TSC has kept counting. */
#include <errno.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "init/init.h"
#include "lib/base/clock.h"

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL

void clock_set(const struct nvwa_adopt *adopt)
{
	struct timex tai = { .modes = ADJ_TAI, .constant = adopt->tai_offset_s };
	uint64_t ns = adopt->seal_realtime_ns, tsc;
	struct timespec t;

	tsc = clock_tsc();
	if (adopt->tsc_khz && tsc >= adopt->seal_tsc) {
		/* Ticks over kHz are milliseconds. */
		ns += (unsigned __int128)(tsc - adopt->seal_tsc) * NSEC_PER_MSEC / adopt->tsc_khz;
	} else {
		/* It began anew: the later of the RTC's time and the seal's is the best known. */
		log_error("the TSC did not keep counting, the clock is that of the RTC");
		clock_gettime(CLOCK_REALTIME, &t);
		if (t.tv_sec * NSEC_PER_SEC + t.tv_nsec > ns)
			ns = t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
	}

	t.tv_sec = ns / NSEC_PER_SEC;
	t.tv_nsec = ns % NSEC_PER_SEC;
	if (clock_settime(CLOCK_REALTIME, &t))
		log_error("the clock cannot be set: %s", strerror(errno));
	if (adopt->tai_offset_s && adjtimex(&tai) < 0)
		log_error("the TAI offset cannot be set: %s", strerror(errno));
}
