// SPDX-License-Identifier: GPL-2.0-only
/* Messages to the kernel log. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "init/init.h"

/* syslog(3) levels, as /dev/kmsg takes them in front of a line. */
#define LEVEL_ERROR	3
#define LEVEL_WARNING	4
#define LEVEL_INFO	6

static int kmsg = -1;

void log_open(void)
{
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

static void log_line(int level, const char *fmt, va_list ap)
{
	char line[1000];
	size_t len = snprintf(line, sizeof(line), "<%d>nvwa-init: ", level);

	/* One write(2) a message, and no lseek(2), which /dev/kmsg does not take: no stdio. */
	len += vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	/* Before /dev is there, the console that the kernel opened for us. */
	if (write(kmsg >= 0 ? kmsg : STDERR_FILENO, line, len) < 0)
		return;
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LEVEL_WARNING, fmt, ap);
	va_end(ap);
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LEVEL_ERROR, fmt, ap);
	va_end(ap);
}
