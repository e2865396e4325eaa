// SPDX-License-Identifier: GPL-2.0-only
/* The mounts of a process. */
#include "lib/apps/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 1 && *dir == '/')
		return *path == '/';
	return !strncmp(path, dir, len) && (path[len] == '/' || !path[len]);
}

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
		s[2] <= '7';
}

void mountinfo_unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from;) {
		if (*from == '\\' && is_octal(from + 1)) {
			*to++ = (from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0');
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

char *mountinfo_escape(const char *name)
{
	char *text = malloc(strlen(name) * 4 + 1), *to = text;

	if (!text)
		return NULL;
	for (; *name; name++) {
		if (strchr(" \t\n\\", *name))
			to += sprintf(to, "\\%03o", (unsigned char)*name);
		else
			*to++ = *name;
	}
	*to = '\0';

	return text;
}

/* The next word of a line, malloc()ed and without escapes; NULL: there is none. */
static char *next_word(char **rest)
{
	char *word = strsep(rest, " ");

	word = word && *word ? strdup(word) : NULL;
	if (word)
		mountinfo_unescape(word);

	return word;
}

static int parse_line(char *line, struct mountinfo *m)
{
	unsigned int major, minor;
	char *rest = line, *word;
	int used = 0;

	if (sscanf(line, "%d %d %u:%u %n", &m->id, &m->parent, &major, &minor, &used) < 4 || !used)
		return -EBADMSG;
	m->dev = makedev(major, minor);
	rest += used;
	m->root = next_word(&rest);
	m->dir = next_word(&rest);
	m->options = next_word(&rest);
	/* Any number of fields that are there only if they apply, up to one that is "-". */
	while ((word = strsep(&rest, " ")) && strcmp(word, "-")) {
		m->is_shared |= !strncmp(word, "shared:", 7);
		m->is_slave |= !strncmp(word, "master:", 7);
	}
	m->type = next_word(&rest);
	/* It may be empty: two blanks. */
	word = strsep(&rest, " ");
	m->source = strdup(word ?: "");
	if (m->source)
		mountinfo_unescape(m->source);
	m->data = next_word(&rest);

	return m->root && m->dir && m->options && m->type && m->source && m->data ? 0 : -EBADMSG;
}

int mountinfo_parse(const char *text, struct mountinfos *mounts)
{
	_cleanup_free_ char *copy = strdup(text);
	char *line, *rest = copy;
	size_t lines = 0;
	int r = 0;

	memset(mounts, 0, sizeof(*mounts));
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	mounts->list = calloc(lines + 1, sizeof(*mounts->list));
	if (!copy || !mounts->list)
		r = -ENOMEM;
	while (!r && (line = strsep(&rest, "\n"))) {
		if (*line)
			r = parse_line(line, &mounts->list[mounts->nr++]);
	}
	if (r < 0)
		mountinfo_free(mounts);

	return r;
}

/* In a child: from within the namespace, whose root becomes its own. */
static int copy_mountinfo(int ns, int proc, int out)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	if (setns(ns, CLONE_NEWNS))
		return -errno;
	/* There /proc may be another one. */
	r = file_read_at(proc, "self/mountinfo", &text, &len);

	return r < 0 ? r : file_write_fd(out, text, len);
}

static int read_from_within(pid_t pid, char **text)
{
	_cleanup_close_ int ns = -1, proc = -1, out = -1;
	char path[64];
	int status;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	out = memfd_create("mountinfo", MFD_CLOEXEC);
	if (ns < 0 || proc < 0 || out < 0)
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (!child)
		_exit(-copy_mountinfo(ns, proc, out));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out);

	return file_read(path, text, NULL);
}

int mountinfo_text(pid_t pid, char **text)
{
	const int chrooted = proc_is_chrooted(pid);
	uint64_t ours, theirs;
	char path[64];
	int r;

	r = chrooted < 0 ? chrooted : proc_ns(0, "mnt", &ours);
	if (!r)
		r = proc_ns(pid, "mnt", &theirs);
	if (r < 0)
		return r;
	if (chrooted && ours != theirs)
		return read_from_within(pid, text);
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", ours == theirs ? getpid() : pid);

	return file_read(path, text, NULL);
}

int mountinfo_read(pid_t pid, struct mountinfos *mounts)
{
	_cleanup_free_ char *text = NULL;
	int r;

	memset(mounts, 0, sizeof(*mounts));
	r = mountinfo_text(pid, &text);

	return r < 0 ? r : mountinfo_parse(text, mounts);
}

void mountinfo_free(struct mountinfos *mounts)
{
	for (size_t i = 0; i < mounts->nr; i++) {
		struct mountinfo *m = &mounts->list[i];

		free(m->root);
		free(m->dir);
		free(m->options);
		free(m->type);
		free(m->source);
		free(m->data);
	}
	free(mounts->list);
	memset(mounts, 0, sizeof(*mounts));
}

const struct mountinfo *mountinfo_of_path(const struct mountinfos *mounts, const char *path)
{
	const struct mountinfo *found = NULL;

	/* Of several on one directory the last is on top. */
	for (size_t i = 0; i < mounts->nr; i++) {
		const struct mountinfo *m = &mounts->list[i];

		if (path_is_below(path, m->dir) &&
		    (!found || strlen(m->dir) >= strlen(found->dir)))
			found = m;
	}

	return found;
}
