/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of strings: malloc()ed, as is each string, with NULL at the end; NULL is an empty one. */
#ifndef NVWA_BASE_STRV_H
#define NVWA_BASE_STRV_H

#include <stdbool.h>
#include <stdlib.h>

static inline void cleanup_strv(char ***list)
{
	if (*list) {
		for (char **s = *list; *s; s++)
			free(*s);
		free(*list);
	}
}

#define _cleanup_strv_	__attribute__((cleanup(cleanup_strv)))

/* A copy of the text to the end of a list; -ENOMEM: it is as it was. */
int strv_append(char ***list, const char *text);

/* Whether a text is in a list. */
bool strv_has(char *const *list, const char *text);

#endif
