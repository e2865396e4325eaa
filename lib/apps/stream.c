// SPDX-License-Identifier: GPL-2.0-only
/* Streams of services to the journal. */
#include "lib/apps/stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/apps/files.h"
#include "lib/apps/unixsock.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define STREAMS		"/run/systemd/journal/streams"
/* As systemd gives it: messages wait here until journald runs. */
#define SEND_BUFFER	(8 << 20)

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

/*
 * The end of the journal has the name that its listening socket had. dir is a descriptor of
 * its directory: several services may do this at the same time.
 */
static int connect_ends(struct stream *stream, int dir)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	_cleanup_close_ int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int service = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int size = SEND_BUFFER, on = 1;
	int fd;

	if (flock(dir, LOCK_EX))
		return -errno;
	unlink(JOURNAL_SOCKET);
	if (listener < 0 || service < 0 ||
	    bind(listener, (struct sockaddr *)&name, sizeof(name)) || listen(listener, 1) ||
	    connect(service, (struct sockaddr *)&name, sizeof(name)))
		return -errno;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	/* systemd makes its own. */
	unlink(JOURNAL_SOCKET);
	if (fd < 0)
		return -errno;
	/* From the first message the journal is to know who sent it. */
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	setsockopt(service, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	shutdown(service, SHUT_RD);
	stream->service = steal_fd(service);
	stream->journal = fd;

	return 0;
}

int stream_make(const char *dir, unsigned long long ino, struct stream *stream,
		struct error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int lock = -1;
	char path[4200];
	struct stat st;
	int r;

	*stream = (struct stream){ -1, -1 };
	r = path_format(path, sizeof(path), "%s/%llu", dir, ino);
	if (!r)
		r = file_read(path, &text, NULL);
	if (!r)
		r = dir_make(STREAMS);
	if (!r) {
		lock = open(STREAMS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = lock < 0 ? -errno : connect_ends(stream, lock);
	}
	if (!r && fstat(stream->journal, &st))
		r = -errno;
	if (!r)
		r = path_format(path, sizeof(path), STREAMS "/%lu:%lu", (unsigned long)st.st_dev,
				(unsigned long)st.st_ino);
	if (!r)
		r = file_write(path, text, strlen(text), 0600);
	if (r < 0) {
		if (stream->service >= 0)
			close(stream->service);
		if (stream->journal >= 0)
			close(stream->journal);
		return error_set(err, -r, "cannot make a stream to the journal: %s", strerror(-r));
	}

	return 0;
}
