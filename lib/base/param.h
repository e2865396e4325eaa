/* SPDX-License-Identifier: GPL-2.0-only */
/* The parameters of a kernel command line. */
#ifndef NVWA_BASE_PARAM_H
#define NVWA_BASE_PARAM_H

#include <stdbool.h>
#include <stddef.h>

/* The next parameter from *pos on (*len bytes), or NULL at the end; *pos moves behind it. */
const char *param_next(const char **pos, size_t *len);

/* Is the parameter exactly this text? */
bool param_is(const char *token, size_t len, const char *text);

/* Is it "name" or "name=..."? As in the kernel, - and _ in names are the same. */
bool param_has_name(const char *token, size_t len, const char *name);

/* The value of a parameter (the last one wins, as in the kernel); NULL if it is not there. */
int param_value(const char *cmdline, const char *name, char **value);

#endif
