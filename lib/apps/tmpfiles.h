/* SPDX-License-Identifier: GPL-2.0-only */
/* What systemd-tmpfiles must not remove in the first boot after an update; see tmpfiles.d(5). */
#ifndef NVWA_APPS_TMPFILES_H
#define NVWA_APPS_TMPFILES_H

/*
 * Write configuration for this boot into the directory run: /tmp is not emptied, and of the
 * private directories of services (PrivateTmp=) only those of other boots are removed. root is
 * "" but for tests.
 */
int tmpfiles_keep(const char *root, const char *run);

/*
 * For the generator, if apps run already, in its directory early: what is in memory is as they
 * left it, and nothing of it is removed, whatever packages say of their directories in /run.
 */
int tmpfiles_only_create(const char *early);

/* tmpfiles_keep(), and back to what it was. */
void tmpfiles_forget(const char *run);

/* Where the owner's configuration of private directories is, if there is any: it goes first. */
#define TMPFILES_OWN	"/etc/tmpfiles.d/systemd-tmp.conf"

#endif
