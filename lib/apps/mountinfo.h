/* SPDX-License-Identifier: GPL-2.0-only */
/* The mounts of a process, as /proc/PID/mountinfo tells them; see proc_pid_mountinfo(5). */
#ifndef NVWA_APPS_MOUNTINFO_H
#define NVWA_APPS_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mountinfo {
	int id, parent;
	dev_t dev;
	char *root;		/* directory (or file) in the file system that is mounted */
	char *dir;		/* where */
	char *options;		/* of the mount: "ro,nosuid" */
	bool is_shared, is_slave;
	char *type;		/* of the file system */
	char *source;		/* what is mounted: a device as a rule, a name for people */
	char *data;		/* options of the file system: "rw,size=4096k" */
};

struct mountinfos {
	struct mountinfo *list;	/* in the kernel's order, a mount after its parent */
	size_t nr;
};

/* Take apart the text of a mountinfo file; names come without their escapes. */
int mountinfo_parse(const char *text, struct mountinfos *mounts);

/*
 * The text of that file with all mounts of the process's namespace, malloc()ed: its own has only
 * those below its root directory, which chroot(2) may have changed.
 */
int mountinfo_text(pid_t pid, char **text);

/* Those of a process's namespace, likewise. */
int mountinfo_read(pid_t pid, struct mountinfos *mounts);

void mountinfo_free(struct mountinfos *mounts);

/* The mount on which a path lies, as far as the names tell; NULL: there is none. */
const struct mountinfo *mountinfo_of_path(const struct mountinfos *mounts, const char *path);

/* Whether path is dir, or lies below it. */
bool path_is_below(const char *path, const char *dir);

/*
 * Blanks, tabs, ends of line and backslashes as \ooo, as the kernel writes them there, and
 * back (in place). The text is malloc()ed.
 */
char *mountinfo_escape(const char *name);
void mountinfo_unescape(char *name);

#endif
