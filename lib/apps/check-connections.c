// SPDX-License-Identifier: GPL-2.0-only
/* What stands against carrying an app: who is at the other end of its local connections. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/apps/check.h"
#include "lib/apps/files.h"
#include "lib/apps/journal.h"
#include "lib/apps/proc.h"
#include "lib/apps/tcpsock.h"
#include "lib/apps/unixsock.h"
#include "lib/base/cleanup.h"

/* systemd's own, which it has again when it runs; see sd_notify(3). */
#define NOTIFY_SOCKET	"/run/systemd/notify"

/* A socket that an app has open. */
struct own {
	unsigned long long ino;
	size_t app;
	pid_t pid;
	int fd;
};

struct peers {
	const struct app *apps;
	size_t nr_apps;
	struct own *own;		/* sorted by inode, each once */
	size_t nr_own;
	struct unix_sockets unixes;
	struct tcp_sockets tcps;
};

/*
 * Call fn for each socket that a process has open, until it returns something else than 0. This is
 * called while all stand still, and so does no more than it must.
 */
typedef int (*socket_fn)(void *ctx, const struct own *socket);

static int scan_sockets(pid_t pid, socket_fn fn, void *ctx)
{
	_cleanup_free_ int *fds = NULL;
	struct own socket = { .pid = pid };
	char path[64], link[64];
	size_t nr;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	r = proc_numbers(path, &fds, &nr);
	for (size_t i = 0; !r && i < nr; i++) {
		socket.fd = fds[i];
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fds[i]);
		if (!proc_readlink(path, link, sizeof(link)) &&
		    sscanf(link, "socket:[%llu]", &socket.ino) == 1)
			r = fn(ctx, &socket);
	}

	return r;
}

static int note_own(void *ctx, const struct own *socket)
{
	struct peers *p = ctx;
	struct own *bigger;

	/* Room grows in powers of two. */
	if (!(p->nr_own & (p->nr_own - 1))) {
		bigger = realloc(p->own, (p->nr_own ? p->nr_own * 2 : 1) * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		p->own = bigger;
	}
	p->own[p->nr_own++] = *socket;

	return 0;
}

static int note_app(struct peers *p, size_t app)
{
	size_t had = p->nr_own;
	int r = 0;

	for (size_t i = 0; !r && i < p->apps[app].nr_pids; i++) {
		r = scan_sockets(p->apps[app].pids[i], note_own, p);
		/* It has ended meanwhile. */
		if (r == -ESRCH)
			r = 0;
	}
	while (had < p->nr_own)
		p->own[had++].app = app;

	return r;
}

static int compare_own(const void *a, const void *b)
{
	const struct own *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

static const struct own *find_own(const struct peers *p, unsigned long long ino)
{
	const struct own key = { .ino = ino };

	return ino && p->nr_own ? bsearch(&key, p->own, p->nr_own, sizeof(key), compare_own) : NULL;
}

static void peers_free(struct peers *p)
{
	unix_sockets_free(&p->unixes);
	tcp_sockets_free(&p->tcps);
	free(p->own);
}

static int peers_read(struct peers *p)
{
	size_t nr = 0;
	int r = 0;

	for (size_t i = 0; !r && i < p->nr_apps; i++)
		r = note_app(p, i);
	if (p->nr_own)
		qsort(p->own, p->nr_own, sizeof(*p->own), compare_own);
	/* Children have what their parents have. */
	for (size_t i = 0; i < p->nr_own; i++) {
		if (!nr || p->own[nr - 1].ino != p->own[i].ino)
			p->own[nr++] = p->own[i];
	}
	p->nr_own = nr;
	if (!r)
		r = unix_sockets_read(&p->unixes);
	if (!r)
		r = tcp_sockets_read(&p->tcps);

	return r;
}

static int is_it(void *ctx, const struct own *socket)
{
	return socket->ino == *(const unsigned long long *)ctx;
}

/* The first process that has a socket open, 0: none. */
static pid_t holder(unsigned long long ino)
{
	_cleanup_free_ int *pids = NULL;
	size_t nr;

	if (proc_numbers("/proc", &pids, &nr) < 0)
		return 0;
	for (size_t i = 0; i < nr; i++) {
		if (scan_sockets(pids[i], is_it, &ino) > 0)
			return pids[i];
	}

	return 0;
}

/* "process 123 (name)", in the middle of a sentence. */
static const char *name_holder(const struct peers *p, unsigned long long ino, char *buf,
			       size_t size)
{
	const struct own *own = find_own(p, ino);
	pid_t pid = own ? own->pid : holder(ino);

	if (!pid) {
		snprintf(buf, size, "another program");
	} else {
		check_process(pid, buf, size);
		buf[0] = 'p';
	}

	return buf;
}

/* --- local sockets ------------------------------------------------------------------ */

static bool is_kept(const struct peers *p, const struct app *app, const struct unix_socket *s,
		    const struct unix_socket *peer)
{
	/* A service's stream to the journal is made anew, and datagrams find the name again. */
	if (app->kind == APP_SERVICE && unix_socket_is_journal(&p->unixes, s))
		return true;
	return s->type == SOCK_DGRAM && peer &&
	       (journal_receives(peer->name) || !strcmp(peer->name, NOTIFY_SOCKET));
}

static void check_unix(struct peers *p, struct checker *c, const struct own *own)
{
	const struct unix_socket *s = unix_socket_find(&p->unixes, own->ino), *peer;
	const struct own *other;
	char who[96], whom[96];
	const char *name;

	if (!s || !s->peer)
		return;
	other = find_own(p, s->peer);
	peer = unix_socket_find(&p->unixes, s->peer);
	if ((other && other->app == own->app) || is_kept(p, c->app, s, peer))
		return;
	name = peer && peer->name[0] ? peer->name : s->name;
	check_say(c, true, "%s holds descriptor %d, a local connection%s%s to %s, which would not "
		  "survive%s. Close it, have both talk over TCP, or take the program off the list",
		  check_process(own->pid, who, sizeof(who)), own->fd, name[0] ? " through " : "",
		  name, name_holder(p, s->peer, whom, sizeof(whom)),
		  other ? ", though both are carried" : "");
}

/* --- TCP ---------------------------------------------------------------------------- */

/* A client comes and goes; a server that is not there is missed. */
static void say_tcp(struct peers *p, struct checker *c, const struct own *own,
		    const struct tcp_socket *s, unsigned long long peer_ino)
{
	const struct tcp_socket *listener = tcp_socket_listener(&p->tcps, &s->local);
	const struct own *server = listener ? find_own(p, listener->ino) : NULL;
	char who[96], whom[96];

	check_process(own->pid, who, sizeof(who));
	name_holder(p, peer_ino, whom, sizeof(whom));
	if (server && server->app == own->app)
		check_say(c, false, "%s serves %s over a TCP connection within this machine. That "
			  "is not carried, and its connection ends", who, whom);
	else
		check_say(c, true, "%s holds descriptor %d, a TCP connection within this machine, "
			  "at port %d, to %s, which is not carried: it would be reset. Carry that "
			  "as well, or close the connection", who, own->fd, s->remote.port, whom);
}

static void check_tcp(struct peers *p, struct checker *c, const struct own *own,
		      const struct tcp_socket *s)
{
	const struct tcp_socket *peer = tcp_socket_peer(&p->tcps, s);
	const struct tcp_socket *end = peer;

	/* One that has closed it, or that was not there yet when it was opened. */
	if (peer && !peer->ino && (peer->state == TCP_ESTABLISHED || peer->state == TCP_CLOSE_WAIT))
		end = tcp_socket_listener(&p->tcps, &s->remote);
	if (end && end->ino && !find_own(p, end->ino))
		say_tcp(p, c, own, s, end->ino);
}

/* What CRIU does not know of, and so would restore the connection without. */
static void check_kind(struct checker *c, const struct own *own, const struct tcp_socket *s)
{
	char who[96];

	check_process(own->pid, who, sizeof(who));
	if (!strcmp(s->upper, "tls"))
		check_say(c, true, "%s holds descriptor %d, a TCP connection that the kernel "
			  "encrypts (kernel TLS), which cannot be restored. Have the program do "
			  "that itself (nginx: no ssl_conf_command Options KTLS; OpenSSL: no "
			  "SSL_OP_ENABLE_KTLS), or close the connection", who, own->fd);
	else if (s->upper[0] && strcmp(s->upper, "mptcp"))	/* that is another protocol's */
		check_say(c, true, "%s holds descriptor %d, a TCP connection with the kernel's "
			  "protocol %s on it, which cannot be restored. Close it", who, own->fd,
			  s->upper);
	/* CRIU does not keep of which link (scope) it is; see check_peer() for datagrams. */
	if (s->remote.port && IN6_IS_ADDR_LINKLOCAL(&s->local.address))
		check_say(c, true, "%s holds descriptor %d, a TCP connection at an address of one "
			  "network link only (fe80::), which cannot be restored. Have it use "
			  "another address, or close it", who, own->fd);
	if (s->has_md5)
		check_say(c, true, "%s holds descriptor %d, a TCP socket with keys for MD5 "
			  "signatures, which cannot be restored. Stop it before the update, or "
			  "take it off the list", who, own->fd);
}

/* ------------------------------------------------------------------------------------ */

int apps_check_connections(const struct app *apps, size_t nr_apps, app_reason_fn reason, void *ctx)
{
	struct peers p = { .apps = apps, .nr_apps = nr_apps };
	struct checker c = { .reason = reason, .ctx = ctx };
	int r = peers_read(&p);

	for (size_t i = 0; !r && i < p.nr_own; i++) {
		c.app = &apps[p.own[i].app];
		check_unix(&p, &c, &p.own[i]);
	}
	for (size_t i = 0; !r && i < p.tcps.nr; i++) {
		const struct own *own = find_own(&p, p.tcps.list[i].ino);

		if (!own)
			continue;
		c.app = &apps[own->app];
		check_kind(&c, own, &p.tcps.list[i]);
		check_tcp(&p, &c, own, &p.tcps.list[i]);
	}
	peers_free(&p);

	return r < 0 ? r : c.nr_fatal;
}

static void first_reason(void *ctx, const struct app *app, bool fatal, const char *text)
{
	struct error *err = ctx;

	if (fatal && !err->text[0])
		error_set(err, ENOTSUP, "%s: %s", app->name, text);
}

int apps_allow_connections(const struct app *apps, size_t nr_apps, struct error *err)
{
	int r = apps_check_connections(apps, nr_apps, first_reason, err);

	if (r < 0)
		return error_set(err, -r, "cannot look at the connections of the programs: %s",
				 strerror(-r));
	return r ? -ENOTSUP : 0;
}

int app_peer(const struct app *app, bool (*may_be)(const char *name), char **name)
{
	struct peers p = { .apps = app, .nr_apps = 1 };
	int r = peers_read(&p);

	*name = NULL;
	for (size_t i = 0; !r && !*name && i < p.nr_own; i++) {
		const struct unix_socket *s = unix_socket_find(&p.unixes, p.own[i].ino), *peer;

		if (!s || s->type != SOCK_DGRAM || !s->peer || find_own(&p, s->peer))
			continue;
		peer = unix_socket_find(&p.unixes, s->peer);
		if (!peer || !peer->name[0] || (may_be && may_be(peer->name)))
			continue;
		*name = strdup(peer->name);
		r = *name ? 1 : -ENOMEM;
	}
	peers_free(&p);

	return r;
}
