/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of network links: the kernel counts links as it finds them, and udev renames them
 * later. After an update they have the names that they had before, without udev.
 */
#ifndef NVWA_NET_LINKS_H
#define NVWA_NET_LINKS_H

#include <net/if.h>
#include <stddef.h>

/* Below what net_save() has made: a name a line, and the link's own hardware address. */
#define LINKS_FILE	"net/links"

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
