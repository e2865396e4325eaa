// SPDX-License-Identifier: GPL-2.0-only
/* The sentence that goes with a negative errno. */
#include "lib/base/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err && !err->text[0]) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}

	return code > 0 ? -code : code;
}
