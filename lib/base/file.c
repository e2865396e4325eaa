// SPDX-License-Identifier: GPL-2.0-only
/* Whole files, directories, and running a command. */
#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/base/cleanup.h"

#define OUTPUT_MAX	(4 << 20)

extern char **environ;

/* Read until end of file or limit. */
static int read_all(int fd, size_t size_hint, size_t limit, char **data, size_t *len)
{
	_cleanup_free_ char *buf = NULL;
	size_t size = size_hint < 4095 ? 4096 : size_hint + 1, have = 0;

	buf = malloc(size);
	if (!buf)
		return -ENOMEM;

	while (have < limit) {
		ssize_t n;

		if (have + 1 == size) {
			char *bigger = realloc(buf, size * 2);

			if (!bigger)
				return -ENOMEM;
			buf = bigger;
			size *= 2;
		}
		n = read(fd, buf + have, size - have - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		have += n;
	}
	if (have > limit)
		have = limit;

	buf[have] = '\0';
	*data = steal_ptr(buf);
	if (len)
		*len = have;
	return 0;
}

int file_read_at(int dirfd, const char *path, char **data, size_t *len)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	/* One byte more than the size, so that end of file is met without growing. */
	return read_all(fd, S_ISREG(st.st_mode) ? st.st_size + 1 : 0, SIZE_MAX, data, len);
}

int file_read(const char *path, char **data, size_t *len)
{
	return file_read_at(AT_FDCWD, path, data, len);
}

static int make_dirs(const char *path, mode_t mode);

static int make_parents(const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	int r;

	if (!slash || slash == path)
		return 0;
	r = path_format(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	return r < 0 ? r : make_dirs(parent, mode);
}

static int make_dirs(const char *path, mode_t mode)
{
	struct stat st;
	int r;

	if (!mkdir(path, mode))
		return 0;
	if (errno == ENOENT) {
		r = make_parents(path, mode);
		if (r < 0)
			return r;
		if (!mkdir(path, mode))
			return 0;
	}
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st))
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make(const char *path)
{
	return make_dirs(path, 0755);
}

int dir_make_private(const char *path)
{
	return make_dirs(path, 0700);
}

int file_write_fd(int fd, const void *data, size_t len)
{
	/* In one go where possible: files of /proc and /sys take a value per write. */
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += n;
	}
	return 0;
}

int file_write(const char *path, const void *data, size_t len, mode_t mode)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	_cleanup_close_ int fd = open(path, flags, mode);
	struct stat st;
	int closing, r;

	if (fd < 0 && errno == ENOENT) {
		r = make_parents(path, 0755);
		if (r < 0)
			return r;
		fd = open(path, flags, mode);
	}
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	/* The mode holds whatever the umask or an older file say; sysctls keep theirs. */
	if (S_ISREG(st.st_mode) && (st.st_mode & 07777) != mode && fchmod(fd, mode) &&
	    errno != EPERM)
		return -errno;

	r = file_write_fd(fd, data, len);
	if (r < 0)
		return r;
	closing = steal_fd(fd);
	return close(closing) ? -errno : 0;
}

/* Remove what is in the directory fd (consumed), as far as it is on device dev. */
static int empty_dir(int fd, dev_t dev)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		close(fd);
		return -errno;
	}

	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;
		struct stat st;
		int flags = 0, sub, r;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW)) {
			result = -errno;
			continue;
		}
		if (st.st_dev != dev) {
			result = -EXDEV;
			continue;
		}
		if (S_ISDIR(st.st_mode)) {
			flags = AT_REMOVEDIR;
			sub = openat(dirfd(dir), name,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			r = sub < 0 ? -errno : empty_dir(sub, dev);
			if (r < 0) {
				result = r;
				continue;
			}
		}
		if (unlinkat(dirfd(dir), name, flags) && errno != ENOENT)
			result = -errno;
	}

	return result;
}

int tree_remove(const char *path)
{
	struct stat st;
	int fd, r;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return unlink(path) ? -errno : 0;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = empty_dir(fd, st.st_dev);
	if (r < 0)
		return r;
	return rmdir(path) ? -errno : 0;
}

int path_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int spawn(char *const argv[], int out, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}

	/* The command starts as from a shell, whatever we block or ignore. */
	sigfillset(&set);
	posix_spawnattr_setsigdefault(&attr, &set);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

	r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!r && out >= 0)
		r = posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (!r && out < 0)
		r = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, 1, 2);
	if (!r)
		r = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);

	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int command_run(char *const argv[], char **output)
{
	_cleanup_close_ int out = -1;
	int status, r;
	pid_t pid;

	/*
	 * A file and not a pipe: a daemon that the command leaves behind may
	 * hold on to its output, and must neither block us nor be killed by
	 * SIGPIPE.
	 */
	if (output) {
		out = memfd_create("output", MFD_CLOEXEC);
		if (out < 0)
			return -errno;
	}

	r = spawn(argv, out, &pid);
	if (r < 0)
		return r;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
		/* Whoever has a signal handled wants to get on, and not to wait for this. */
		kill(pid, SIGTERM);
	}

	if (output) {
		if (lseek(out, 0, SEEK_SET) < 0)
			return -errno;
		r = read_all(out, 0, OUTPUT_MAX, output, NULL);
		if (r < 0)
			return r;
	}

	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
