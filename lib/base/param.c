// SPDX-License-Identifier: GPL-2.0-only
/* Taking the kernel command line apart as next_arg() of the kernel's lib/cmdline.c does. */
#include "lib/base/param.h"

#include <errno.h>
#include <string.h>

/* Length of the parameter at text, blanks inside double quotes included. */
static size_t token_len(const char *text)
{
	bool quoted = false;
	size_t i;

	for (i = 0; text[i] && (quoted || !strchr(" \t\n", text[i])); i++) {
		if (text[i] == '"')
			quoted = !quoted;
	}

	return i;
}

const char *param_next(const char **pos, size_t *len)
{
	const char *token = *pos + strspn(*pos, " \t\n");

	*len = token_len(token);
	*pos = token + *len;
	return *len ? token : NULL;
}

bool param_is(const char *token, size_t len, const char *text)
{
	return len == strlen(text) && !strncmp(token, text, len);
}

bool param_has_name(const char *token, size_t len, const char *name)
{
	size_t i;

	for (i = 0; i < len && token[i] != '=' && name[i] && name[i] != '='; i++) {
		if (token[i] != name[i] && !(token[i] == '-' && name[i] == '_') &&
		    !(token[i] == '_' && name[i] == '-'))
			return false;
	}

	return (i == len || token[i] == '=') && (!name[i] || name[i] == '=');
}

int param_value(const char *cmdline, const char *name, char **value)
{
	const char *token, *found = NULL;
	size_t len, found_len = 0;

	while ((token = param_next(&cmdline, &len)) && !param_is(token, len, "--")) {
		if (param_has_name(token, len, name) && memchr(token, '=', len)) {
			found = (const char *)memchr(token, '=', len) + 1;
			found_len = token + len - found;
		}
	}

	*value = NULL;
	if (!found)
		return 0;
	*value = strndup(found, found_len);
	return *value ? 0 : -ENOMEM;
}
