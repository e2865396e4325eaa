/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An update is made by a child, and its parent guards it: it does nothing but wait, outlives
 * what ends the child, and is there to undo what the child has done. A child that says nothing
 * for longer than it said it would is ended.
 */
#ifndef NVWA_TOOL_GUARD_H
#define NVWA_TOOL_GUARD_H

#include <stdbool.h>
#include <sys/types.h>
#include "lib/base/error.h"

/*
 * Fork. In the parent: the PID of the child. In the child: 0; it is in a session of its own,
 * so that nothing that happens to the terminal reaches it or its commands.
 */
pid_t guard_start(struct error *err);

/*
 * The parent: wait until the child has ended, and all that it has started, or end them. An
 * interrupt is handed on. Returns the child's exit code, or EXIT_NOT_UPDATED. why is the sentence
 * of guard_failed(), or says how the child came to its end.
 */
int guard_wait(pid_t child, struct error *why);

/* The child: what it does now, and in how many seconds at most it says something again. */
void guard_step(unsigned int seconds, const char *what);

/* The child: why it is going to end. */
void guard_failed(const char *text);

/* The child: is its parent there? If not, it has to undo itself what it did. */
bool guard_is_there(void);

/* The parent, as the child knows it. */
pid_t guard_pid(void);

/* Keep the kernel from ending this process for want of memory, and its pages in memory. */
int guard_harden(struct error *err);

#endif
