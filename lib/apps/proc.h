/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc says of a process. */
#ifndef NVWA_APPS_PROC_H
#define NVWA_APPS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char comm[64];
	char state;
	pid_t ppid, pgid, sid;
	int tty;		/* device number, 0 if none */
};

/* -ESRCH if there is no such process. */
int proc_stat_read(pid_t pid, struct proc_stat *st);

/* A number of /proc/PID/status, base 10 or 16; -ENOENT if there is no such line. */
int proc_status_number(pid_t pid, const char *key, int base, uint64_t *value);

/* The text after "KEY:" and blanks; malloc()ed. */
int proc_status_text(pid_t pid, const char *key, char **value);

/* Inode number of /proc/PID/ns/NAME, 0 if the kernel has no such namespaces; pid 0: our own. */
int proc_ns(pid_t pid, const char *name, uint64_t *ino);

/* How far clocks are from those of the first time namespace; ns. */
struct proc_clocks {
	int64_t monotonic, boottime;
};

/* Of a process, by its time namespace; pid 0: our own. All 0 if the kernel has no such thing. */
int proc_clocks(pid_t pid, struct proc_clocks *clocks);

/* From the text of /proc/PID/timens_offsets; -EINVAL if it is another text. */
int proc_parse_clocks(const char *text, struct proc_clocks *clocks);

/* The numbers that name the entries of a directory of /proc (threads, descriptors), sorted. */
int proc_numbers(const char *dir, int **numbers, size_t *nr);

/* pid and all its descendants, parents before children; *pids malloc()ed. */
int proc_tree(pid_t pid, pid_t **pids, size_t *nr);

/* Like readlink(), 0-terminated, -ENAMETOOLONG if it does not fit. */
int proc_readlink(const char *path, char *buf, size_t size);

/* Is its root directory another one than that of its mount namespace? 1, 0, or an error. */
int proc_is_chrooted(pid_t pid);

/* The id of this boot, as in names: without dashes. */
int proc_boot_id(char *id, size_t size);

/* Path of the process' cgroup (version 2) below the mount; malloc()ed. */
int proc_cgroup(pid_t pid, char **path);

#endif
