/* SPDX-License-Identifier: GPL-2.0-only */
/* Running the criu command: its arguments, descriptors, namespaces and log. */
#ifndef NVWA_APPS_CRIU_H
#define NVWA_APPS_CRIU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "lib/base/error.h"

/* Called in our process for every rebuilt process that is about to run; not 0: it is killed. */
typedef int (*criu_resume_fn)(void *ctx, pid_t pid);

struct criu {
	char **argv;		/* NULL-ended */
	size_t nr_args;
	int *fds;		/* kept open over exec, under their own numbers */
	size_t nr_fds;
	pid_t namespaces_of;	/* criu works in the namespaces of this process; 0: in ours */
	bool hide_userns;	/* see libnvwa-criu.so; likewise: */
	bool hide_memory;	/* private memory of other processes seems to be all holes */
	bool hide_shared;	/* shared memory likewise */
	bool carry_sysv;	/* System V IPC of the namespace that criu is in */
	bool no_firewall;	/* criu's own packet rules come to nothing */
	int keeper;		/* 0, or the module, to answer for /proc/PID/smaps */
	bool no_new_privileges;	/* set for criu, and so for what it makes */
	criu_resume_fn resume;	/* may be NULL */
	void *ctx;
	uint64_t stop_tsc;	/* after criu_run(): when it first stopped a process; 0: never */
	uint64_t go_tsc;	/* likewise, when it last let one go */
	pid_t pid;		/* these three from criu_start() to criu_finish(): the command, */
	int hook;		/* where it asks, */
	int output;		/* and where it says what is wrong */
	int failed;		/* -ENOMEM from criu_arg() and criu_keep(), seen by criu_run() */
};

/* The version of the installed command as major * 10000 + minor * 100 + patch, or -ENOENT. */
int criu_version(void);

/*
 * verb is "dump" or "restore". Images are in <dir>/img (made if missing) and
 * the log is <dir>/<verb>.log.
 */
int criu_init(struct criu *criu, const char *verb, const char *dir, struct error *err);
void criu_arg(struct criu *criu, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hand over a descriptor; it keeps its number in criu. */
void criu_keep(struct criu *criu, int fd);
/* Run it. Anything but success is an error, with the end of its log in err. */
int criu_run(struct criu *criu, struct error *err);
/* The same in two steps, so that several run at once. What was started must be finished. */
int criu_start(struct criu *criu, struct error *err);
int criu_finish(struct criu *criu, struct error *err);
void criu_free(struct criu *criu);

/*
 * For the function that resume names: have the process, which does not run yet,
 * make a system call. *result is what the kernel returns to it. Errors:
 * -ENOTRECOVERABLE, it cannot be made; the process must not run then.
 */
int criu_syscall(const struct criu *criu, pid_t pid, long nr, const unsigned long args[6],
		 long *result);

/*
 * criu measures the kernel once a boot, which takes seconds. Do it now if it
 * is to be done, and remember the outcome for a later boot of this kernel.
 */
int criu_warm(struct error *err);
/*
 * Before a restore: take what criu_warm() of this version remembered of the
 * running kernel, if criu has nothing yet, and measure if there is nothing.
 */
void criu_reuse(int version);

#endif
