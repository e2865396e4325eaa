/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands of ip(8), each of which stands by itself. */
#ifndef NVWA_NET_BATCH_H
#define NVWA_NET_BATCH_H

#include "lib/base/error.h"

/*
 * Carry out the lines of text, commands of ip(8) without its name, which may begin with -4 or -6;
 * file is one that may be written for it. A line that fails keeps no later one from being carried
 * out, nor does one that ip(8) does not understand. What is there already is no failure. -EIO:
 * some failed, and err names the first.
 */
int batch_run(const char *file, const char *text, struct error *err);

#endif
