/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of network links: the kernel counts links as it finds them, and udev renames them
 * later. After an update they have the names that they had before, without udev.
 */
#ifndef NVWA_NET_LINKS_H
#define NVWA_NET_LINKS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

/* Below what net_save() has made: a name a line, and the link's own hardware address. */
#define LINKS_FILE	"net/links"

/* Does a link drive a device, and so appear by itself? sysfs is /sys/class/net. */
bool links_is_device(const char *sysfs, const char *name);

/* Is there a link in the file of that form that is not in sysfs? No, if there is no such file. */
bool links_missing(const char *file, const char *sysfs);

/* The first word of a line of that file, which is cut off behind it. */
char *links_name(char *line);

struct link_rename {
	char from[IFNAMSIZ], to[IFNAMSIZ];
};

/*
 * Which links of sysfs (/sys/class/net) must be renamed for the lines of text to hold; *plan is
 * malloc()ed. A link that cannot be told from another one is left out.
 */
int links_plan(const char *text, const char *sysfs, struct link_rename **plan, size_t *nr);

/*
 * Rename links of this machine for the lines of text to hold, as far as they are there; how
 * many were renamed. No link of a line may be up yet.
 */
int links_rename(const char *text);

#endif
