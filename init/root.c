// SPDX-License-Identifier: GPL-2.0-only
/* Finding the root file system by its UUID, and mounting it as it was. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/superblock.h"

#define DEADLINE_MS	30000

/* Group 1 of NETLINK_KOBJECT_UEVENT has the kernel's own messages (lib/kobject_uevent.c). */
#define UEVENT_KERNEL	1

static int events = -1;

void root_listen(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_KERNEL };

	events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);
	if (events >= 0 && bind(events, (struct sockaddr *)&address, sizeof(address))) {
		close(events);
		events = -1;
	}
}

struct root {
	char type[16], name[64], uuid[40], flags[256], data[512];
};

static int read_root(struct root *root)
{
	static const char *const keys[] = { "type", "name", "uuid", "flags", "data" };
	char *const values[] = { root->type, root->name, root->uuid, root->flags, root->data };
	const size_t sizes[] = { sizeof(root->type), sizeof(root->name), sizeof(root->uuid),
				 sizeof(root->flags), sizeof(root->data) };
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;
	int r = file_read("/nvwa/root", &text, NULL);

	for (line = r ? NULL : strtok_r(text, "\n", &save); line && !r;
	     line = strtok_r(NULL, "\n", &save)) {
		char *value = line + strcspn(line, " ");

		if (*value)
			*value++ = '\0';
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !r; i++) {
			if (!strcmp(line, keys[i]))
				r = path_format(values[i], sizes[i], "%s", value);
		}
	}

	return r ? r : root->type[0] && root->uuid[0] ? 0 : -EBADMSG;
}

static int is_root(const struct root *root, const char *name, char *path, size_t size)
{
	_cleanup_close_ int fd = -1;
	struct superblock sb;

	if (path_format(path, size, "/dev/%s", name))
		return 0;
	/* Names in sysfs have ! where those in /dev have a slash. */
	for (char *p = path; *p; p++) {
		if (*p == '!')
			*p = '/';
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && !superblock_read(fd, &sb) && !strcmp(sb.type, root->type) &&
	       !strcmp(sb.uuid, root->uuid);
}

/* The device that holds the file system, most likely under its old name. */
static int find_device(const struct root *root, char *path, size_t size)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;

	if (is_root(root, root->name, path, size))
		return 1;
	dir = opendir("/sys/class/block");
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] != '.' && is_root(root, d->d_name, path, size))
			return 1;
	}
	return 0;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Wait until the kernel says that something about a block device has changed. */
static void wait_event(int timeout_ms)
{
	struct pollfd p = { .fd = events, .events = POLLIN };
	char message[8192];

	/* Without a socket look again every 50 ms. */
	if (events < 0) {
		poll(NULL, 0, timeout_ms < 50 ? timeout_ms : 50);
		return;
	}
	if (poll(&p, 1, timeout_ms) > 0) {
		while (recv(events, message, sizeof(message), 0) > 0)
			;
	}
}

static int wait_device(const struct root *root, char *path, size_t size)
{
	long long end = now_ms() + DEADLINE_MS;

	for (;;) {
		long long left = end - now_ms();

		if (find_device(root, path, size))
			return 0;
		if (left <= 0)
			return -ETIMEDOUT;
		/* A second at most: an event may have been lost. */
		wait_event(left < 1000 ? left : 1000);
	}
}

static unsigned long mount_flags(const char *names)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} known[] = {
		{ "ro", MS_RDONLY }, { "nosuid", MS_NOSUID }, { "nodev", MS_NODEV },
		{ "noexec", MS_NOEXEC }, { "noatime", MS_NOATIME }, { "nodiratime", MS_NODIRATIME },
		{ "relatime", MS_RELATIME }, { "lazytime", MS_LAZYTIME },
	};
	unsigned long flags = 0;

	while (*names) {
		size_t len = strcspn(names, ",");

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (len == strlen(known[i].name) && !strncmp(names, known[i].name, len))
				flags |= known[i].flag;
		}
		names += len + (names[len] == ',');
	}

	return flags;
}

int root_mount(struct error *err)
{
	struct root root = { 0 };
	char path[128];
	int r = read_root(&root);

	if (r < 0)
		return error_set(err, -r, "the initramfs has no good /nvwa/root");
	r = wait_device(&root, path, sizeof(path));
	if (r < 0)
		return error_set(err, -r, "no disk holds the root file system %s %s (it was on %s)",
				 root.type, root.uuid, root.name);
	if (mount(path, NEW_ROOT, root.type, mount_flags(root.flags), root.data))
		return error_set(err, errno, "the root file system %s on %s cannot be mounted: %s",
				 root.type, path, strerror(errno));
	if (events >= 0)
		close(events);
	return 0;
}
