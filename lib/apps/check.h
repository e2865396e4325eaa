/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of app_check() share. */
#ifndef NVWA_APPS_CHECK_H
#define NVWA_APPS_CHECK_H

#include <stdbool.h>
#include "lib/apps/app.h"

struct checker {
	const struct app *app;
	const char *target;		/* release of the next kernel */
	app_reason_fn reason;
	void *ctx;
	int nr_fatal;
};

/* Report one reason. */
void check_say(struct checker *c, bool fatal, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "Process 123 (name)"; buf is returned. */
const char *check_process(pid_t pid, char *buf, size_t size);

/* The memory of one process, who being "Process 123 (name)". */
void check_memory(struct checker *c, pid_t pid, const char *who);
/* Does the control group's limit let the app have all in memory that is swapped out? */
void check_swapped(struct checker *c);
/* The open files of all processes. */
void check_files(struct checker *c);
/* One of them that is a socket; late is of net_late_addresses(). */
struct open_file;
void check_socket(struct checker *c, const struct open_file *f, const char *late, const char *who);
/* One of them that is of epoll(7). */
void check_epoll(struct checker *c, const struct open_file *f, const char *who);
/* What it has in memory file systems. */
void check_places(struct checker *c);
/* System V semaphores and message queues. */
void check_ipc(struct checker *c);
/* The unit of a service. */
void check_unit(struct checker *c);

#endif
