/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests that change the network: a network namespace of their own, and ip(8) in it. */
#ifndef NVWA_TESTS_NET_NAMESPACE_H
#define NVWA_TESTS_NET_NAMESPACE_H

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Only root may; whoever is not skips such tests. */
static bool have_namespace;

static inline int enter_namespace(void **state)
{
	(void)state;
	have_namespace = !unshare(CLONE_NEWNET);
	return 0;
}

#define NEED_NAMESPACE()	do { if (!have_namespace) skip(); } while (0)

/* Run a command by the shell, which has to succeed; what it prints, malloc()ed. */
__attribute__((format(printf, 1, 2)))
static inline char *shell(const char *fmt, ...)
{
	char command[4096], *output = NULL;
	char *const argv[] = { "sh", "-ec", command, NULL };
	va_list args;
	int r;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	r = command_run(argv, &output);
	if (r)
		fail_msg("%s: status %d: %s", command, r, output ?: "");
	return output;
}

#endif
