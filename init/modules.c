// SPDX-License-Identifier: GPL-2.0-only
/* The modules of the initramfs. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define KEEPER	"nvwa.ko"

static int insert(const char *name, const char *options)
{
	_cleanup_close_ int fd = -1;
	char path[300];
	int r = path_format(path, sizeof(path), "/nvwa/ko/%s", name);

	if (r)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return syscall(SYS_finit_module, fd, options, 0) && errno != EEXIST ? -errno : 0;
}

int modules_insert(struct error *err)
{
	_cleanup_free_ char *list = NULL;
	char *line, *save = NULL;
	bool keeper = false;
	int r = file_read("/nvwa/modules", &list, NULL);

	if (r < 0)
		return error_set(err, -r, "the initramfs has no /nvwa/modules");

	for (line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *options = line + strcspn(line, " ");

		if (*options)
			*options++ = '\0';
		r = insert(line, options);
		if (!strcmp(line, KEEPER)) {
			if (r < 0)
				return error_set(err, -r, "the module nvwa cannot be inserted: %s",
						 strerror(-r));
			keeper = true;
		} else if (r < 0 && r != -ENODEV) {
			/* -ENODEV: a faster variant that this CPU has no instructions for. */
			log_error("%s cannot be inserted: %s", line, strerror(-r));
		}
	}

	return keeper ? 0 : error_set(err, ENOENT, "the initramfs holds no module nvwa");
}
