/* SPDX-License-Identifier: GPL-2.0-only */
/* What the first boot after an update starts before all else. */
#ifndef NVWA_APPS_FIRST_H
#define NVWA_APPS_FIRST_H

#include <stdbool.h>
#include "lib/base/error.h"

/*
 * For the generator: have nvwa-first.target be the default target, with what
 * this machine needs for carried programs, and what it is otherwise started
 * afterwards. Nothing is done where the default target is no link to another one.
 */
int first_generate(const char *state, const char *early, struct error *err);

/*
 * Does something that carried programs need wait for udev: a file system of
 * this fstab on a device other than the root's, or a network link of this list (one name a
 * line) that is not in the directory links yet, as it is to be renamed?
 */
bool first_needs_devices(const char *fstab, const char *list, const char *links);

#endif
