// SPDX-License-Identifier: GPL-2.0-only
/* What an app has in memory besides what it holds open: pid files, and its own directories. */
#include "lib/apps/runfiles.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/apps/acl.h"
#include "lib/apps/mountinfo.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"

/* A number and its line's end, also one that is filled up with blanks as in /run/lock. */
#define PID_FILE_MAX	32

/* --- finding ------------------------------------------------------------------- */

/* What the system itself keeps there, and what sessions do. */
static bool is_of_system(const char *path)
{
	static const char *const dirs[] = {
		"/run/credentials", "/run/log", "/run/nvwa", "/run/systemd", "/run/udev",
		"/run/user",
	};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (path_is_below(path, dirs[i]))
			return true;
	}

	return false;
}

static bool is_left_out(const struct runfiles_search *s, const char *path)
{
	for (char *const *p = s->left_out; p && *p; p++) {
		if (path_is_below(path, *p))
			return true;
	}

	return is_of_system(path);
}

static bool is_marked(const struct runfiles_search *s, const char *path)
{
	for (char *const *p = s->marked; p && *p; p++) {
		if (!strcmp(path, *p))
			return true;
	}

	return false;
}

static bool is_of_user(const struct runfiles_search *s, uid_t uid)
{
	for (size_t i = 0; uid && i < s->nr_uids; i++) {
		if (s->uids[i] == uid)
			return true;
	}

	return false;
}

static bool is_process(const struct runfiles_search *s, pid_t pid)
{
	for (size_t i = 0; i < s->nr_pids; i++) {
		if (s->pids[i] == pid)
			return true;
	}

	return false;
}

/* The number that is a file's first line, 0 if there is none; *only: it has no other line. */
static pid_t first_number(int dir, const char *name, bool *only)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[PID_FILE_MAX + 1], *end;
	ssize_t n = fd < 0 ? -1 : read(fd, text, PID_FILE_MAX);
	unsigned long number;
	char *at = text;

	*only = false;
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at += strspn(at, " \t");
	if (!isdigit((unsigned char)*at))
		return 0;
	number = strtoul(at, &end, 10);
	end += strspn(end, " \t\r");
	if ((*end && *end != '\n') || number > INT_MAX)
		return 0;
	*only = n < PID_FILE_MAX && !end[strspn(end, " \t\r\n")];

	return number;
}

/* By its name, does it say whose it is, and does it name a process that is none of the app's? */
static bool is_of_other(const struct runfiles_search *s, int dir, const char *name)
{
	pid_t pid = 0;
	bool only;

	if (strcasestr(name, "pid") || strcasestr(name, "lock"))
		pid = first_number(dir, name, &only);

	return pid > 0 && !is_process(s, pid) && (!kill(pid, 0) || errno != ESRCH);
}

/* What anybody else says of the app's processes is not its own. */
static bool is_pid_file(const struct runfiles_search *s, int dir, const char *name,
			const struct stat *st)
{
	bool only;

	return S_ISREG(st->st_mode) && st->st_size && st->st_size < PID_FILE_MAX &&
	       (!st->st_uid || is_of_user(s, st->st_uid)) &&
	       is_process(s, first_number(dir, name, &only)) && only;
}

static int found_file(struct runfiles_search *s, const char *path, const struct stat *st)
{
	unsigned long size = st->st_size;

	if (size > RUNFILES_MAX_FILE || s->sum + size > RUNFILES_MAX_SUM ||
	    s->nr >= RUNFILES_MAX_NUMBER)
		return s->fn(s->ctx, RUNFILE_TOO_LARGE, path);
	s->sum += size;
	s->nr++;

	return s->fn(s->ctx, RUNFILE_COPY, path);
}

struct level {
	int dir;
	dev_t dev;
	const char *path;
	unsigned int depth;
	bool own;
};

static int find_in(struct runfiles_search *s, const struct level *l);

static int enter(struct runfiles_search *s, const struct level *l, const char *name,
		 const char *path, const struct stat *st)
{
	/* Where everybody may write there are files of everybody. */
	const bool open_to_all = st->st_mode & S_IWOTH;
	struct level next = { .dev = l->dev, .path = path, .depth = l->depth + 1 };
	_cleanup_close_ int dir = -1;

	next.own = !open_to_all && (l->own || is_of_user(s, st->st_uid) || is_marked(s, path));
	if (next.depth > RUNFILES_MAX_DEPTH)
		return 0;
	dir = openat(l->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return 0;
	next.dir = dir;

	return find_in(s, &next);
}

static int look_at(struct runfiles_search *s, const struct level *l, const char *name, bool own)
{
	char path[PATH_MAX];
	struct stat st;
	int r = 0;

	if (++s->seen > RUNFILES_MAX_SEEN ||
	    path_format(path, sizeof(path), "%s/%s", strcmp(l->path, "/") ? l->path : "", name) ||
	    fstatat(l->dir, name, &st, AT_SYMLINK_NOFOLLOW) || st.st_dev != l->dev ||
	    is_left_out(s, path))
		return 0;
	if (S_ISDIR(st.st_mode))
		return enter(s, l, name, path, &st);
	if (is_pid_file(s, l->dir, name, &st))
		return found_file(s, path, &st);
	if (!own)
		return 0;
	if (S_ISREG(st.st_mode) && !is_of_other(s, l->dir, name))
		r = found_file(s, path, &st);
	/* Only root says what a link is to lead to. */
	else if (S_ISFIFO(st.st_mode) || (S_ISLNK(st.st_mode) && !st.st_uid))
		r = s->fn(s->ctx, RUNFILE_NODE, path);

	return r;
}

static bool has_pid_file(struct runfiles_search *s, const struct level *l, char *const *names)
{
	struct stat st;

	for (; names && *names; names++) {
		if (!fstatat(l->dir, *names, &st, AT_SYMLINK_NOFOLLOW) &&
		    is_pid_file(s, l->dir, *names, &st))
			return true;
	}

	return false;
}

static int list_names(int fd, char ***names)
{
	_cleanup_closedir_ DIR *dir = fdopendir(dup(fd));
	struct dirent *entry;
	int r = 0;

	while (dir && !r && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = strv_append(names, entry->d_name);
	}

	return r;
}

static int find_in(struct runfiles_search *s, const struct level *l)
{
	_cleanup_strv_ char **names = NULL;
	struct level here = *l;
	struct stat st;
	int r;

	r = list_names(l->dir, &names);
	if (r < 0)
		return r;
	if (!here.own && l->depth && !fstat(l->dir, &st) && !(st.st_mode & S_IWOTH))
		here.own = has_pid_file(s, l, names);
	if (here.own)
		r = s->fn(s->ctx, RUNFILE_NODE, l->path);
	for (size_t i = 0; !r && names && names[i]; i++)
		r = look_at(s, &here, names[i], here.own);

	return r;
}

int runfiles_find(struct runfiles_search *s, const char *dir)
{
	struct level top = { .path = dir };
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	struct stat st;

	if (path_format(path, sizeof(path), "%s%s", s->root, dir))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return errno == ENOENT ? 0 : -errno;
	top.dir = fd;
	top.dev = st.st_dev;

	return is_left_out(s, dir) ? 0 : find_in(s, &top);
}

/* --- copying ------------------------------------------------------------------- */

static bool is_shared(const char *path, const struct shmem *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (list[i].path && !strcmp(list[i].path, path))
			return true;
	}

	return false;
}

/* The directory of a path, into which no link leads; the path is cut there. */
static int open_parent(int root, char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH,
	};
	char *slash = strrchr(path, '/');
	int fd;

	*slash = '\0';
	fd = syscall(SYS_openat2, root, slash == path ? "." : path + 1, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* What no longer leads to a file as it did. */
static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -ELOOP || error == -ENXIO;
}

static int open_file(int root, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int dir = copy ? open_parent(root, copy) : -ENOMEM;
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, strrchr(path, '/') + 1, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* One file: "MODE UID GID SECONDS SIZE ACL PATH", its content, and the end of a line. */
static int put_file(FILE *out, int root, const char *path)
{
	_cleanup_free_ char *data = NULL, *escaped = mountinfo_escape(path);
	_cleanup_close_ int fd = open_file(root, path);
	char link[64];
	struct stat st;
	size_t len;
	int r;

	if (!escaped)
		return -ENOMEM;
	if (fd < 0)
		return is_gone(fd) ? 0 : fd;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (unsigned long)st.st_size > RUNFILES_MAX_FILE)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	r = file_read(link, &data, &len);
	if (r < 0)
		return r;
	fprintf(out, "%o %u %u %lld %zu ", st.st_mode & 07777, st.st_uid, st.st_gid,
		(long long)st.st_mtime, len);
	acl_put_file(out, fd);
	fprintf(out, " %s\n", escaped);
	fwrite(data, 1, len, out);
	fputc('\n', out);

	return 0;
}

static int open_root(const char *root)
{
	int fd = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int runfiles_save(const char *root, const char *names, const struct shmem *list, size_t nr,
		  const char *file)
{
	_cleanup_free_ char *copy = strdup(names), *text = NULL;
	_cleanup_close_ int fd = open_root(root);
	char *rest = copy, *name;
	size_t len;
	FILE *out;
	int r = 0;

	if (fd < 0)
		return fd;
	out = copy ? open_memstream(&text, &len) : NULL;
	if (!out)
		return -ENOMEM;
	while (!r && (name = strsep(&rest, "\n"))) {
		mountinfo_unescape(name);
		if (*name == '/' && !is_shared(name, list, nr))
			r = put_file(out, fd, name);
	}
	if (fclose(out) && !r)
		r = -ENOMEM;

	return r < 0 ? r : file_write(file, text, len, 0600);
}

struct kept_file {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	time_t time;
	const char *acl;	/* a word of acl_put_file() */
	const char *data;
	size_t len;
};

static int make_file(int root, char *path, const struct kept_file *f)
{
	const struct timespec times[] = { { .tv_sec = f->time }, { .tv_sec = f->time } };
	const char *name = strrchr(path, '/') + 1;
	_cleanup_close_ int dir = open_parent(root, path);
	_cleanup_close_ int fd = -1;
	int r;

	/* Who has made something else of it knew why. */
	if (dir < 0)
		return is_gone(dir) ? 0 : dir;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	r = file_write_fd(fd, f->data, f->len);
	if (!r)
		r = acl_give_file(fd, f->acl);
	/* With a list the group's bits are its mask. */
	if (!r && (fchown(fd, f->uid, f->gid) || fchmod(fd, f->mode) || futimens(fd, times)))
		r = -errno;

	return r;
}

/* The next of the kept files; *at moves behind it. */
static int next_file(char **at, const char *end, struct kept_file *f, char **path)
{
	char *line_end = memchr(*at, '\n', end - *at);
	long long seconds;
	int used = 0;

	if (!line_end)
		return -EBADMSG;
	*line_end = '\0';
	if (sscanf(*at, "%o %u %u %lld %zu %n", &f->mode, &f->uid, &f->gid, &seconds, &f->len,
		   &used) != 5 || !used || f->len >= (size_t)(end - line_end - 1))
		return -EBADMSG;
	f->time = seconds;
	f->data = line_end + 1;
	*path = *at + used;
	f->acl = strsep(path, " ");
	if (!*path)
		return -EBADMSG;
	mountinfo_unescape(*path);
	if (**path != '/' || (*path)[strlen(*path) - 1] == '/')
		return -EBADMSG;
	*at = line_end + 1 + f->len + 1;

	return 0;
}

int runfiles_restore(const char *file, const char *root)
{
	_cleanup_close_ int fd = open_root(root);
	_cleanup_free_ char *text = NULL;
	char *at, *path;
	size_t len;
	int r;

	if (fd < 0)
		return fd;
	r = file_read(file, &text, &len);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	at = text;
	while (!r && at < text + len) {
		struct kept_file f;

		r = next_file(&at, text + len, &f, &path);
		if (!r)
			r = make_file(fd, path, &f);
	}

	return r;
}
