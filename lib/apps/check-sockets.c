// SPDX-License-Identifier: GPL-2.0-only
/* What stands against carrying an app: its sockets' kinds, addresses, and what they are set to. */
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/apps/check.h"
#include "lib/apps/files.h"
#include "lib/apps/sockets.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* include/uapi/linux/tcp.h, since Linux 6.7 */
#ifndef TCP_AO_INFO
#define TCP_AO_INFO	40
#endif

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
static void check_address(struct checker *c, const struct open_file *f, int fd, const char *late,
			  const char *who)
{
	char address[INET6_ADDRSTRLEN + IFNAMSIZ], device[IFNAMSIZ] = "";
	socklen_t len = sizeof(device);
	const char *link;

	if (!getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len) && *device &&
	    find_line(late, "-", device)) {
		check_say(c, true, "%s holds descriptor %d, a socket that is bound to the "
			  "network link %s, which systemd has to make again first. Take the "
			  "program off the list", who, f->fd, device);
		return;
	}
	read_address(fd, address, sizeof(address));
	link = find_line(late, address, "");
	if (link && *address)
		check_say(c, true, "%s holds descriptor %d, a socket at %s, an address of "
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

/* CRIU does not keep of which link (scope) the peer of a datagram socket is. */
static void check_peer(struct checker *c, const struct open_file *f, int fd, const char *who)
{
	struct sockaddr_in6 peer = { 0 };
	socklen_t len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &len) || peer.sin6_family != AF_INET6 ||
	    !IN6_IS_ADDR_LINKLOCAL(&peer.sin6_addr))
		return;
	check_say(c, true, "%s holds descriptor %d, a socket connected to an address of one "
		  "network link only (fe80::), which cannot be restored. Have it use another "
		  "address, or close it", who, f->fd);
}

/* Authentication of each segment (RFC 5925), the keys of which no program can read. */
static void check_ao(struct checker *c, const struct open_file *f, int fd, const char *who)
{
	char info[64] = "";
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_AO_INFO, info, &len))
		return;
	check_say(c, true, "%s holds descriptor %d, a TCP socket with authentication (TCP-AO), "
		  "which cannot be restored. Stop it before the update, or take it off the list",
		  who, f->fd);
}

/* Linux 7.1 has none any more. */
static bool lacks_udplite(const char *release)
{
	int major, minor;

	return release && sscanf(release, "%d.%d", &major, &minor) == 2 &&
	       major * 1000 + minor >= 7001;
}

static void check_protocol(struct checker *c, const struct open_file *f, int protocol,
			   const char *who)
{
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		return;
	if (protocol == IPPROTO_MPTCP)
		check_say(c, true, "%s holds descriptor %d, a socket of Multipath TCP, which "
			  "cannot be restored. Have it use TCP: start it again with "
			  "GODEBUG=multipathtcp=0 in its environment if it is written in Go, or "
			  "after sysctl net.mptcp.enabled=0", who, f->fd);
	else if (protocol != IPPROTO_UDPLITE)
		check_say(c, true, "%s holds descriptor %d, a socket of IP protocol %d, which "
			  "cannot be restored", who, f->fd, protocol);
	else if (lacks_udplite(c->target))
		check_say(c, true, "%s holds descriptor %d, a socket of UDP-Lite, which Linux %s "
			  "does not have. Stop it before the update, or choose an older kernel",
			  who, f->fd, c->target);
}

void check_socket(struct checker *c, const struct open_file *f, const char *late, const char *who)
{
	_cleanup_close_ int fd = pidfd_take(f->pid, f->fd);
	int domain = -1, protocol = -1;
	socklen_t len = sizeof(int);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len))
		return;
	if (domain == AF_INET || domain == AF_INET6) {
		check_protocol(c, f, protocol, who);
		check_address(c, f, fd, late, who);
		if (protocol == IPPROTO_TCP)
			check_ao(c, f, fd, who);
		else
			check_peer(c, f, fd, who);
	} else if (domain != AF_UNIX && domain != AF_NETLINK && domain != AF_PACKET) {
		check_say(c, true, "%s holds descriptor %d, a socket of address family %d, "
			  "which cannot be restored", who, f->fd, domain);
	}
}
