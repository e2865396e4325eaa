// SPDX-License-Identifier: GPL-2.0-only
/* What stands against carrying an app: its open files. */
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "lib/apps/check.h"
#include "lib/apps/files.h"
#include "lib/apps/meta.h"
#include "lib/apps/places.h"
#include "lib/apps/sockets.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/net/net.h"

/* Documentation/admin-guide/devices.txt of the kernel: memory devices */
#define MEMORY_MAJOR	1

/* app_dump() tells CRIU to copy deleted files up to this size. */
#define GHOST_LIMIT	(64UL << 20)

struct file_checker {
	struct checker *c;
	struct unix_sockets all;
	uint32_t *own;			/* unix sockets of the app */
	size_t nr_own;
	char *late;			/* of net_late_addresses() */
	char **peer;			/* of app_peer(), as is: */
	bool (*may_be)(const char *name);
};

static bool is_harmless_device(dev_t dev)
{
	static const unsigned int minors[] = { 3, 5, 7, 8, 9 };	/* null zero full random urandom */

	for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++) {
		if (dev == makedev(MEMORY_MAJOR, minors[i]))
			return true;
	}

	return false;
}

/* What CRIU can restore of files that have no path, by the text of their link. */
static bool is_known_anonymous(const char *target)
{
	static const char *const known[] = {
		"anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[signalfd]",
		"anon_inode:[timerfd]", "anon_inode:inotify", "anon_inode:[fanotify]",
		"anon_inode:[pidfd]", NULL,
	};

	for (const char *const *k = known; *k; k++) {
		if (!strcmp(target, *k))
			return true;
	}

	return false;
}

static void check_device(struct file_checker *fc, const struct open_file *f, const char *who)
{
	bool terminal = !strncmp(f->target, "/dev/pts/", 9) || !strncmp(f->target, "/dev/tty", 8);

	if (S_ISCHR(f->st.st_mode) && is_harmless_device(f->st.st_rdev))
		return;
	check_say(fc->c, true, "%s holds descriptor %d on the %s %s, which cannot be restored. %s",
		  who, f->fd, terminal ? "terminal" : "device", f->target,
		  terminal ? "Redirect its input and output" : "Stop it before the update, or take "
		  "it off the list");
}

static void check_path(struct file_checker *fc, const struct open_file *f, const char *who)
{
	struct stat st;

	if (!f->st.st_nlink && (unsigned long)f->st.st_size > GHOST_LIMIT)
		check_say(fc->c, true, "%s holds descriptor %d on the deleted file %s of %lu MB, "
			  "more than is copied", who, f->fd, f->target,
			  (unsigned long)f->st.st_size >> 20);
	/* It is opened by its path, which must lead there from here. */
	if (f->foreign && (stat(f->target, &st) || st.st_dev != f->st.st_dev ||
			   st.st_ino != f->st.st_ino))
		check_say(fc->c, true, "%s holds descriptor %d on %s, which is on a mount that is "
			  "not its own and cannot be found from outside", who, f->fd, f->target);
}

static bool is_own(const struct file_checker *fc, uint32_t ino)
{
	for (size_t i = 0; i < fc->nr_own; i++) {
		if (fc->own[i] == ino)
			return true;
	}

	return false;
}

static void check_unix(struct file_checker *fc, const struct open_file *f, const char *who)
{
	const struct unix_socket *s = unix_socket_find(&fc->all, f->st.st_ino), *peer;

	if (!s || !s->peer || is_own(fc, s->peer))
		return;
	peer = unix_socket_find(&fc->all, s->peer);
	/* A service's stream to the journal is made anew, and datagrams find a name again. */
	if (fc->c->app->kind == APP_SERVICE && unix_socket_is_journal(&fc->all, s))
		return;
	if (s->type == SOCK_DGRAM && peer && peer->name[0])
		return;
	check_say(fc->c, true, "%s holds descriptor %d, a local connection%s%s to another program, "
		  "which would not survive. Close it, have both talk over TCP, or take the program "
		  "off the list", who, f->fd,
		  peer && peer->name[0] ? " through " : s->name[0] ? " through " : "",
		  peer && peer->name[0] ? peer->name : s->name);
}

/* The address of a socket, as the lines of net_late_addresses() have it; "" if it has none. */
static void read_address(int fd, char *address, size_t size)
{
	struct sockaddr_storage own = { 0 };
	socklen_t len = sizeof(own);

	*address = '\0';
	if (getsockname(fd, (struct sockaddr *)&own, &len) ||
	    getnameinfo((struct sockaddr *)&own, len, address, size, NULL, 0, NI_NUMERICHOST))
		return;
	if (!strncmp(address, "::ffff:", 7) && strchr(address, '.'))
		memmove(address, address + 7, strlen(address + 7) + 1);
	/* A link's own address has the link behind it. */
	address[strcspn(address, "%")] = '\0';
}

/* The link of the line that begins with this word and, unless it is "", has this link; or NULL. */
static const char *find_line(const char *lines, const char *word, const char *link)
{
	const size_t nr = strlen(word);

	for (; lines && *lines; lines += strcspn(lines, "\n"), lines += *lines == '\n') {
		const char *own = lines + nr + 1;

		if (!strncmp(lines, word, nr) && lines[nr] == ' ' &&
		    (!*link || (!strncmp(own, link, strlen(link)) && own[strlen(link)] == '\n')))
			return own;
	}

	return NULL;
}

/* Is a socket bound to an address, or to a link, that it will not find? */
static void check_address(struct file_checker *fc, const struct open_file *f, int fd,
			  const char *who)
{
	char address[INET6_ADDRSTRLEN + IFNAMSIZ], device[IFNAMSIZ] = "";
	socklen_t len = sizeof(device);
	const char *link;

	if (!getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len) && *device &&
	    find_line(fc->late, "-", device)) {
		check_say(fc->c, true, "%s holds descriptor %d, a socket that is bound to the "
			  "network link %s, which systemd has to make again first. Take the "
			  "program off the list", who, f->fd, device);
		return;
	}
	read_address(fd, address, sizeof(address));
	link = find_line(fc->late, address, "");
	if (link && *address)
		check_say(fc->c, true, "%s holds descriptor %d, a socket at %s, an address of "
			  "the network link %.*s, which systemd has to make again first. End the "
			  "connection, or take the program off the list", who, f->fd, address,
			  (int)strcspn(link, "\n"), link);
}

/* May this socket be bound to any address, and does it need no more than that? */
static bool is_bound_freely(int fd)
{
	int listens = 0, type = SOCK_STREAM, freely = 0, transparent = 0;
	_cleanup_free_ char *all = NULL;
	socklen_t len = sizeof(int);

	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	getsockopt(fd, IPPROTO_IP, IP_FREEBIND, &freely, &len);
	getsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &transparent, &len);
	file_read("/proc/sys/net/ipv4/ip_nonlocal_bind", &all, NULL);

	return (listens || type == SOCK_DGRAM) &&
	       (freely || transparent || (all && all[0] == '1'));
}

struct gone {
	const char *lines;
	struct error *err;
};

static int check_gone(void *ctx, const struct open_file *f)
{
	char address[INET6_ADDRSTRLEN + IFNAMSIZ], who[96];
	_cleanup_close_ int fd = -1;
	struct gone *gone = ctx;

	if (!S_ISSOCK(f->st.st_mode))
		return 0;
	fd = pidfd_take(f->pid, f->fd);
	if (fd < 0)
		return 0;
	read_address(fd, address, sizeof(address));
	if (!*address || !find_line(gone->lines, address, "") || is_bound_freely(fd))
		return 0;
	return error_set(gone->err, EADDRNOTAVAIL, "%s holds descriptor %d, a socket at %s, an "
			 "address that a service took away when it was stopped. Carry that "
			 "service as well, or take the program off the list",
			 check_process(f->pid, who, sizeof(who)), f->fd, address);
}

int app_check_gone(const struct app *app, const char *gone, struct error *err)
{
	struct gone ctx = { .lines = gone, .err = err };

	return open_files_scan(app->pids, app->nr_pids, check_gone, &ctx);
}

static void check_socket(struct file_checker *fc, const struct open_file *f, const char *who)
{
	_cleanup_close_ int fd = pidfd_take(f->pid, f->fd);
	int domain = -1, protocol = -1;
	socklen_t len = sizeof(int);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len))
		return;
	if (domain == AF_UNIX) {
		check_unix(fc, f, who);
	} else if (domain == AF_INET || domain == AF_INET6) {
		if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP &&
		    protocol != IPPROTO_UDPLITE)
			check_say(fc->c, true, "%s holds descriptor %d, a socket of IP protocol "
				  "%d, which cannot be restored", who, f->fd, protocol);
		check_address(fc, f, fd, who);
	} else if (domain != AF_NETLINK && domain != AF_PACKET) {
		check_say(fc->c, true, "%s holds descriptor %d, a socket of address family %d, "
			  "which cannot be restored", who, f->fd, domain);
	}
}

/* Those who use it unasked, or are asked to most often. */
#define IO_URING_OFF	" (MariaDB: innodb_use_native_aio=OFF; PostgreSQL: io_method=worker)"

static int check_file(void *ctx, const struct open_file *f)
{
	struct file_checker *fc = ctx;
	char who[96];

	check_process(f->pid, who, sizeof(who));
	if (S_ISSOCK(f->st.st_mode) && !strncmp(f->target, "socket:", 7))
		check_socket(fc, f, who);
	else if (S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode))
		check_device(fc, f, who);
	else if (!strncmp(f->target, "anon_inode:", 11) && !is_known_anonymous(f->target))
		check_say(fc->c, true, "%s holds descriptor %d, the kernel object %s, which cannot "
			  "be restored. Stop it before the update, or make it do without%s",
			  who, f->fd, f->target + strlen("anon_inode:"),
			  strcmp(f->target, "anon_inode:[io_uring]") ? "" : IO_URING_OFF);
	else if (f->target[0] == '/')
		check_path(fc, f, who);

	return 0;
}

static int note_own(void *ctx, const struct open_file *f)
{
	struct file_checker *fc = ctx;
	uint32_t *bigger;

	if (!S_ISSOCK(f->st.st_mode) || !unix_socket_find(&fc->all, f->st.st_ino))
		return 0;
	bigger = realloc(fc->own, (fc->nr_own + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	fc->own = bigger;
	fc->own[fc->nr_own++] = f->st.st_ino;

	return 0;
}

/* All unix sockets, and which of them are the app's own. */
static int read_sockets(struct file_checker *fc)
{
	int r = unix_sockets_read(&fc->all);

	return r ? r : open_files_scan(fc->c->app->pids, fc->c->app->nr_pids, note_own, fc);
}

static void free_sockets(struct file_checker *fc)
{
	unix_sockets_free(&fc->all);
	free(fc->own);
}

void check_files(struct checker *c)
{
	struct file_checker fc = { .c = c };
	int r;

	r = read_sockets(&fc);
	if (!r)
		r = net_late_addresses(&fc.late, NULL);
	if (!r)
		r = open_files_scan(c->app->pids, c->app->nr_pids, check_file, &fc);
	if (r < 0)
		check_say(c, true, "The open files of %s cannot be looked at: %s", c->app->name,
			  strerror(-r));
	free_sockets(&fc);
	free(fc.late);
}

static void say_too_large(void *ctx, const char *path)
{
	struct checker *c = ctx;

	check_say(c, false, "%s is in memory, and more than is copied of what %s has there: it "
		  "will be gone", path, c->app->name);
}

void check_places(struct checker *c)
{
	__attribute__((cleanup(meta_free))) struct app_meta meta = { 0 };
	struct error err = { "" };
	int r = 0;

	if (c->app->kind == APP_SERVICE)
		r = meta_find_trees(c->app, &meta, &err);
	if (!r)
		r = places_check(c->app, &meta, say_too_large, c);
	if (r < 0)
		check_say(c, true, "What %s has in memory file systems cannot be looked at: %s",
			  c->app->name, err.text[0] ? err.text : strerror(-r));
}

static int find_peer(void *ctx, const struct open_file *f)
{
	struct file_checker *fc = ctx;
	const struct unix_socket *s, *peer;

	s = S_ISSOCK(f->st.st_mode) ? unix_socket_find(&fc->all, f->st.st_ino) : NULL;
	if (!s || s->type != SOCK_DGRAM || !s->peer || is_own(fc, s->peer))
		return 0;
	peer = unix_socket_find(&fc->all, s->peer);
	if (!peer || !peer->name[0] || (fc->may_be && fc->may_be(peer->name)))
		return 0;
	*fc->peer = strdup(peer->name);

	return *fc->peer ? 1 : -ENOMEM;
}

int app_peer(const struct app *app, bool (*may_be)(const char *name), char **name)
{
	struct checker c = { .app = app };
	struct file_checker fc = { .c = &c, .peer = name, .may_be = may_be };
	int r;

	*name = NULL;
	r = read_sockets(&fc);
	if (!r)
		r = open_files_scan(app->pids, app->nr_pids, find_peer, &fc);
	free_sockets(&fc);

	return r;
}
