// SPDX-License-Identifier: GPL-2.0-only
/* Access control lists of what is in memory. */
#include "lib/apps/acl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/apps/mountinfo.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* As the kernel calls them: who may, and what is made in a directory gets. */
static const char *const kinds[] = { "system.posix_acl_access", "system.posix_acl_default" };

#define NR_KINDS	(sizeof(kinds) / sizeof(kinds[0]))

/* A header and some hundred entries. */
#define ACL_MAX		1024

bool acl_has(const char *path)
{
	return lgetxattr(path, kinds[0], NULL, 0) > 0;
}

static void put_value(FILE *out, const uint8_t *value, ssize_t len)
{
	if (len <= 0)
		fputc('-', out);
	for (ssize_t i = 0; i < len; i++)
		fprintf(out, "%02x", value[i]);
}

/* "UID GID ACCESS DEFAULT PATH", the lists in hexadecimal digits, "-" if there is none. */
int acl_put(FILE *out, const char *root, const char *path)
{
	_cleanup_free_ char *escaped = mountinfo_escape(path);
	uint8_t value[ACL_MAX] = { 0 };
	char where[PATH_MAX];
	struct stat st;
	int r;

	if (!escaped)
		return -ENOMEM;
	r = path_format(where, sizeof(where), "%s%s", root, path);
	if (r < 0)
		return r;
	if (lstat(where, &st) || S_ISLNK(st.st_mode) ||
	    (!acl_has(where) && lgetxattr(where, kinds[1], NULL, 0) <= 0))
		return 0;
	fprintf(out, "%u %u ", st.st_uid, st.st_gid);
	for (size_t i = 0; i < NR_KINDS; i++) {
		put_value(out, value, lgetxattr(where, kinds[i], value, sizeof(value)));
		fputc(' ', out);
	}
	fprintf(out, "%s\n", escaped);

	return 0;
}

/* path may be that of a descriptor in /proc. */
static int give_value(const char *path, const char *kind, const char *hex)
{
	uint8_t value[ACL_MAX];
	size_t len = strlen(hex) / 2;

	if (!strcmp(hex, "-"))
		return 0;
	if (len > sizeof(value))
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (sscanf(hex + 2 * i, "%2hhx", &value[i]) != 1)
			return -EBADMSG;
	}

	return setxattr(path, kind, value, len, 0) ? -errno : 0;
}

static int restore_line(int root, char *line)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH,
	};
	char *words[3 + NR_KINDS], path[64];
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		words[i] = strsep(&line, " ");
		if (!words[i] || !*words[i])
			return -EBADMSG;
	}
	mountinfo_unescape(words[4]);
	if (line || words[4][0] != '/')
		return -EBADMSG;
	fd = syscall(SYS_openat2, root, words[4] + 1, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) || st.st_uid != strtoul(words[0], NULL, 10) ||
	    st.st_gid != strtoul(words[1], NULL, 10))
		return 0;
	/* A FIFO cannot be opened in any other way. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (size_t i = 0; !r && i < NR_KINDS; i++) {
		if (getxattr(path, kinds[i], NULL, 0) <= 0)
			r = give_value(path, kinds[i], words[2 + i]);
	}

	return r;
}

void acl_put_file(FILE *out, int fd)
{
	uint8_t value[ACL_MAX] = { 0 };

	put_value(out, value, fgetxattr(fd, kinds[0], value, sizeof(value)));
}

int acl_give_file(int fd, const char *word)
{
	char path[64];

	/* What it has is from the directory that it was made in. */
	if (fremovexattr(fd, kinds[0]) && errno != ENODATA && errno != EOPNOTSUPP)
		return -errno;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	return give_value(path, kinds[0], word);
}

int acls_restore(const char *text, const char *root)
{
	_cleanup_close_ int fd = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	while (!r && (line = strsep(&rest, "\n"))) {
		if (*line)
			r = restore_line(fd, line);
	}

	return r;
}
