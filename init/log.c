// SPDX-License-Identifier: GPL-2.0-only
/* Messages to the kernel log. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "init/init.h"

/* syslog(3) levels, as /dev/kmsg takes them in front of a line. */
#define LEVEL_ERROR	3
#define LEVEL_INFO	6

static int kmsg = -1;

void log_open(void)
{
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

static void log_line(int level, const char *fmt, va_list ap)
{
	char text[900];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (kmsg >= 0)
		dprintf(kmsg, "<%d>nvwa-init: %s\n", level, text);
	else
		/* Before /dev is there, the console that the kernel opened for us. */
		fprintf(stderr, "nvwa-init: %s\n", text);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LEVEL_ERROR, fmt, ap);
	va_end(ap);
}
