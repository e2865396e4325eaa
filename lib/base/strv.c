// SPDX-License-Identifier: GPL-2.0-only
/* Lists of strings. */
#include "lib/base/strv.h"

#include <errno.h>
#include <string.h>

int strv_append(char ***list, const char *text)
{
	size_t nr = 0;
	char **more;

	while (*list && (*list)[nr])
		nr++;
	more = reallocarray(*list, nr + 2, sizeof(*more));
	if (!more)
		return -ENOMEM;
	*list = more;
	more[nr] = strdup(text);
	more[nr + 1] = NULL;

	return more[nr] ? 0 : -ENOMEM;
}

bool strv_has(char *const *list, const char *text)
{
	while (list && *list && strcmp(*list, text))
		list++;

	return list && *list;
}
