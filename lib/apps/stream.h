/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Streams of services to the journal, which are made before systemd-journald runs. It keeps
 * what it knows of a stream in a file that is named by the device and inode of its end, and
 * the end itself with systemd, so that it can be restarted; it takes ours in the same way.
 */
#ifndef NVWA_APPS_STREAM_H
#define NVWA_APPS_STREAM_H

#include "lib/apps/app.h"
#include "lib/base/error.h"

/*
 * In the old kernel: what journald knows of each stream of an app, to files <dir>/<inode of
 * the app's end>.
 */
int streams_save(const struct app *app, const char *dir, struct error *err);

/* In the new one: both ends of one of them, close-on-exec. */
struct stream {
	int service, journal;
};

int stream_make(const char *dir, unsigned long long ino, struct stream *stream,
		struct error *err);

#endif
