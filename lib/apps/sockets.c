// SPDX-License-Identifier: GPL-2.0-only
/* TCP sockets of an app: CRIU's dump leaves them in repair mode. */
#include "lib/apps/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/files.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/strv.h"

/* include/uapi/linux/tcp.h: leave repair mode, and send a window probe */
#define REPAIR_OFF	0

int pidfd_take(pid_t pid, int fd)
{
	_cleanup_close_ int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int taken;

	if (pidfd < 0)
		return -errno;
	taken = syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	return taken < 0 ? -errno : taken;
}

static int get_option(int fd, int level, int option, int *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, level, option, value, &len) ? -errno : 0;
}

/* A TCP socket, as one of ours; -ENOENT if it is something else, or gone. */
static int take_tcp(const struct open_file *f)
{
	_cleanup_close_ int fd = -1;
	int type, protocol;

	if (!S_ISSOCK(f->st.st_mode))
		return -ENOENT;
	fd = pidfd_take(f->pid, f->fd);
	if (fd < 0)
		return fd == -EBADF || fd == -ESRCH ? -ENOENT : fd;
	if (get_option(fd, SOL_SOCKET, SO_TYPE, &type) < 0 || type != SOCK_STREAM ||
	    get_option(fd, SOL_SOCKET, SO_PROTOCOL, &protocol) < 0 || protocol != IPPROTO_TCP)
		return -ENOENT;

	return steal_fd(fd);
}

static int note_socket(void *ctx, const struct open_file *f)
{
	_cleanup_close_ int fd = take_tcp(f);
	int reuse;

	(void)ctx;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (get_option(fd, SOL_SOCKET, SO_REUSEADDR, &reuse) < 0 || !reuse)
		return 0;

	return trail_add(TRAIL_SOCKET, "%d %d", f->pid, f->fd);
}

int sockets_note(const struct app *app)
{
	return open_files_scan(app->pids, app->nr_pids, note_socket, NULL);
}

/* Those that were noted. */
struct noted {
	struct noted_socket {
		pid_t pid;
		int fd;
	} *list;
	size_t nr;
};

static int read_noted(struct noted *noted)
{
	_cleanup_strv_ char **values = NULL;
	size_t room = 0;
	int r;

	r = trail_values(TRAIL_SOCKET, &values);
	if (r < 0)
		return r;
	while (values && values[room])
		room++;
	noted->nr = 0;
	noted->list = calloc(room + 1, sizeof(*noted->list));
	if (!noted->list)
		return -ENOMEM;
	for (size_t i = 0; i < room; i++)
		if (sscanf(values[i], "%d %d", &noted->list[noted->nr].pid,
			   &noted->list[noted->nr].fd) == 2)
			noted->nr++;

	return 0;
}

static int resume_socket(void *ctx, const struct open_file *f)
{
	_cleanup_close_ int fd = take_tcp(f);
	const struct noted *noted = ctx;
	int repair, off = REPAIR_OFF, reuse = 1;

	if (fd < 0 || get_option(fd, IPPROTO_TCP, TCP_REPAIR, &repair) < 0 || !repair)
		return 0;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)))
		return -errno;
	/* Leaving repair mode has cleared it. */
	for (size_t i = 0; i < noted->nr; i++)
		if (noted->list[i].pid == f->pid && noted->list[i].fd == f->fd)
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));

	return 0;
}

int sockets_resume(const struct app *app)
{
	struct noted noted;
	int r = read_noted(&noted);

	if (r < 0)
		return r;
	r = open_files_scan(app->pids, app->nr_pids, resume_socket, &noted);
	free(noted.list);

	return r;
}

static int note_port(void *ctx, const struct open_file *f)
{
	_cleanup_close_ int fd = take_tcp(f);
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} local = { 0 };
	socklen_t len = sizeof(local);
	bool *used = ctx;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (getsockname(fd, &local.any, &len))
		return -errno;
	if (local.any.sa_family == AF_INET)
		used[ntohs(local.in.sin_port)] = true;
	if (local.any.sa_family == AF_INET6)
		used[ntohs(local.in6.sin6_port)] = true;

	return 0;
}

int sockets_ports(const struct app *app, bool used[SOCKETS_PORTS])
{
	return open_files_scan(app->pids, app->nr_pids, note_port, used);
}

/* Options of a connection that is to send something. */
struct probe {
	int fd, keepalive, idle;
};

struct probes {
	struct probe *list;
	size_t nr;
};

/* What waits for an answer, and sends nothing of its own accord. */
static bool is_connected(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       (info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_CLOSE_WAIT);
}

static int start_probe(void *ctx, const struct open_file *f)
{
	_cleanup_close_ int fd = take_tcp(f);
	struct probes *probes = ctx;
	const int on = 1, second = 1;
	struct probe p, *list;

	if (fd < 0 || !is_connected(fd) ||
	    get_option(fd, SOL_SOCKET, SO_KEEPALIVE, &p.keepalive) < 0 ||
	    get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, &p.idle) < 0)
		return 0;
	list = realloc(probes->list, (probes->nr + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	probes->list = list;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &second, sizeof(second));
	p.fd = steal_fd(fd);
	list[probes->nr++] = p;

	return 0;
}

/* In reverse: a connection that two processes have is there twice. */
static void end_probes(struct probes *probes)
{
	while (probes->nr--) {
		const struct probe *p = &probes->list[probes->nr];

		setsockopt(p->fd, IPPROTO_TCP, TCP_KEEPIDLE, &p->idle, sizeof(p->idle));
		setsockopt(p->fd, SOL_SOCKET, SO_KEEPALIVE, &p->keepalive, sizeof(p->keepalive));
		close(p->fd);
	}
	free(probes->list);
}

int sockets_probe(const struct app *app)
{
	/* A connection that has been silent for a second sends at once, others after that time. */
	const struct timespec more_than_a_second = { .tv_sec = 1, .tv_nsec = 200 * 1000 * 1000 };
	struct probes probes = { 0 };
	struct rlimit files;
	int r;

	/* One for each connection. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	r = open_files_scan(app->pids, app->nr_pids, start_probe, &probes);
	if (probes.nr)
		nanosleep(&more_than_a_second, NULL);
	end_probes(&probes);

	return r;
}
