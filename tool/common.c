// SPDX-License-Identifier: GPL-2.0-only
/* What every verb uses: exit codes, arguments, messages, the lock against a second update. */
#include "tool/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tool/verbs.h"

static const char *const words[] = {
	[EXIT_OK] = "ok",
	[EXIT_FAILURE] = "failure",
	[EXIT_USAGE] = "usage",
	[EXIT_REFUSED] = "refused",
	[EXIT_NOT_UPDATED] = "not-updated",
	[EXIT_CONFIG] = "config",
	[EXIT_BUSY] = "busy",
	[EXIT_ROOT] = "root",
	[EXIT_RELEASE] = "release",
	[EXIT_SAME] = "same",
	[EXIT_MODULE] = "module",
	[EXIT_CRIU] = "criu",
	[EXIT_LOCKDOWN] = "lockdown",
	[EXIT_ABSENT] = "absent",
	[EXIT_UNCARRIABLE] = "uncarriable",
	[EXIT_MEMORY] = "memory",
	[EXIT_IMAGE] = "image",
	[EXIT_TARGET] = "target",
};

const char *exit_word(int code)
{
	if (code < 0 || (size_t)code >= sizeof(words) / sizeof(words[0]))
		return NULL;
	return words[code];
}

void complain(const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	/* At once: the kernel log makes a message of each write. */
	fprintf(stderr, "nvwa: %s\n", text ?: fmt);
}

int release_args_parse(const char *verb, int argc, char **argv, const struct option *options,
		       const char *letters, struct release_args *args)
{
	int c;

	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		switch (c) {
		case 'f':
			args->force = true;
			break;
		case 'j':
			args->json = true;
			break;
		case 'n':
			args->dry_run = true;
			break;
		case 'r':
			args->remove = true;
			break;
		case 'c':
			args->config = optarg;
			break;
		case 'h':
			return verb_usage(verb);
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind > 1) {
		complain("one release at most. See: nvwa %s --help", verb);
		return EXIT_USAGE;
	}
	args->release = argv[optind];
	return -1;
}

int lock_take(struct error *err)
{
	_cleanup_close_ int fd = -1;

	fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, errno, "cannot open %s: %s", LOCK_FILE, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return error_set(err, EBUSY, "another update is in progress. Wait until "
					 "it has ended");
		return error_set(err, errno, "cannot lock %s: %s", LOCK_FILE, strerror(errno));
	}
	return steal_fd(fd);
}

bool lock_is_held(void)
{
	_cleanup_free_ char *locks = NULL;
	char file[64];
	struct stat st;

	/* "1: FLOCK  ADVISORY  WRITE 123 00:1a:456 0 EOF", see proc_locks(5). */
	if (stat(LOCK_FILE, &st) < 0 || file_read("/proc/locks", &locks, NULL) < 0)
		return false;
	snprintf(file, sizeof(file), " %02x:%02x:%llu ", major(st.st_dev), minor(st.st_dev),
		 (unsigned long long)st.st_ino);
	return strstr(locks, file);
}
