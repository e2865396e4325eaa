/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The unit that stands in for a carried service during the first boot of the
 * new kernel: the same sandbox, cgroup, user and directories as the service's
 * own unit gives it, but around a placeholder, and without what orders,
 * conditions or starts the real program.
 */
#ifndef NVWA_APPS_UNITFILE_H
#define NVWA_APPS_UNITFILE_H

#include <stddef.h>

/*
 * sources: the text of the unit's own file and of its drop-ins, in the order
 * that systemd reads them. *text is malloc()ed. Errors: -ENOMEM.
 */
int unitfile_transform(const char *const *sources, size_t nr, char **text);

#endif
