// SPDX-License-Identifier: GPL-2.0-only
/* The journal's sockets, and the streams of services to it. */
#include "lib/apps/journal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/apps/files.h"
#include "lib/apps/unixsock.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define DEV_LOG		"/run/systemd/journal/dev-log"
#define STREAMS		"/run/systemd/journal/streams"
/* As systemd has it for them and for streams: what is said waits there until journald runs. */
#define BUFFER		(8 << 20)

/* Those of systemd 252 to 257, units/systemd-journald*.socket. */
const struct journal_socket journal_sockets[NR_JOURNAL_SOCKETS] = {
	{ "systemd-journald.socket", "/run/systemd/journal/socket", SOCK_DGRAM },
	{ "systemd-journald.socket", JOURNAL_SOCKET, SOCK_STREAM },
	{ "systemd-journald-dev-log.socket", DEV_LOG, SOCK_DGRAM },
};

bool journal_receives(const char *path)
{
	for (size_t i = 0; i < NR_JOURNAL_SOCKETS; i++) {
		if (journal_sockets[i].type == SOCK_DGRAM && !strcmp(journal_sockets[i].path, path))
			return true;
	}

	return false;
}

bool journal_is_there(void)
{
	struct stat st;

	for (size_t i = 0; i < NR_JOURNAL_SOCKETS; i++) {
		if (stat(journal_sockets[i].path, &st) || !S_ISSOCK(st.st_mode))
			return false;
	}

	return true;
}

int journal_listen(const struct journal_socket *s)
{
	_cleanup_close_ int fd = socket(AF_UNIX, s->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const int size = BUFFER, on = 1;
	int r;

	if (fd < 0)
		return -errno;
	r = dir_make("/run/systemd/journal");
	if (!r)
		r = path_format(name.sun_path, sizeof(name.sun_path), "%s", s->path);
	if (r < 0)
		return r;
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_PASSSEC, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (!strcmp(s->path, DEV_LOG))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	unlink(s->path);
	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) || chmod(s->path, 0666) ||
	    (s->type == SOCK_STREAM && listen(fd, SOMAXCONN)))
		return -errno;
	if (!strcmp(s->path, DEV_LOG) && symlink(s->path, "/dev/log") && errno != EEXIST)
		return -errno;

	return steal_fd(fd);
}

/* --- streams ------------------------------------------------------------------- */

struct saver {
	struct unix_sockets sockets;
	const char *dir;
};

/* Its name is "<device>:<inode>". */
static int find_state(unsigned int ino, char **text)
{
	_cleanup_closedir_ DIR *dir = opendir(STREAMS);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		unsigned long device, inode;
		char path[400];

		if (sscanf(entry->d_name, "%lu:%lu", &device, &inode) == 2 && inode == ino &&
		    !path_format(path, sizeof(path), STREAMS "/%s", entry->d_name))
			return file_read(path, text, NULL);
	}

	return -ENOENT;
}

static int save_stream(void *ctx, const struct open_file *f)
{
	struct saver *saver = ctx;
	_cleanup_free_ char *text = NULL;
	const struct unix_socket *s;
	char path[4200];
	int r;

	s = S_ISSOCK(f->st.st_mode) ? unix_socket_find(&saver->sockets, f->st.st_ino) : NULL;
	if (!s || !unix_socket_is_journal(&saver->sockets, s))
		return 0;
	r = find_state(s->peer, &text);
	if (!r)
		r = path_format(path, sizeof(path), "%s/%u", saver->dir, s->ino);

	return r < 0 ? r : file_write(path, text, strlen(text), 0600);
}

int streams_save(const struct app *app, const char *dir, struct error *err)
{
	struct saver saver = { .dir = dir };
	int r;

	r = unix_sockets_read(&saver.sockets);
	if (!r)
		r = open_files_scan(app->pids, app->nr_pids, save_stream, &saver);
	unix_sockets_free(&saver.sockets);

	return r < 0 ? error_set(err, -r, "cannot see what the journal knows of the streams of "
				 "%s: %s", app->name, strerror(-r)) : 0;
}

/* The value of a line "KEY=value"; "" if there is none. malloc()ed. */
static char *value_of(const char *text, const char *key)
{
	const size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == '=')
			return strndup(line + len + 1, strcspn(line + len + 1, "\n"));
	}

	return strdup("");
}

/*
 * What journald wants to hear first, a line each; see sd_journal_stream_fd(3). Root may say of
 * which unit it is.
 */
static int introduce(int fd, const char *text)
{
	static const char *const keys[] = {
		"IDENTIFIER", "UNIT", "PRIORITY", "LEVEL_PREFIX", "FORWARD_TO_SYSLOG",
		"FORWARD_TO_KMSG", "FORWARD_TO_CONSOLE",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		_cleanup_free_ char *value = value_of(text, keys[i]);

		if (!value)
			return -ENOMEM;
		if (dprintf(fd, "%s\n", value) < 0)
			return -EIO;
	}

	return 0;
}

int stream_open(const char *dir, unsigned long long ino, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	_cleanup_free_ char *text = NULL;
	const int size = BUFFER;
	char path[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/%llu", dir, ino);
	if (!r)
		r = file_read(path, &text, NULL);
	if (!r && (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) ||
		   shutdown(fd, SHUT_RD)))
		r = -errno;
	if (!r) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
		r = introduce(fd, text);
	}

	return r < 0 ? error_set(err, -r, "cannot open a stream to the journal: %s",
				 strerror(-r)) : steal_fd(fd);
}
