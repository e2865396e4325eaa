/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One page on errors. Functions of lib/ return 0 (or a useful value >= 0) or a
 * negative errno, and never print. Where a number cannot say enough, they also
 * fill in the struct error that the caller passed (NULL if it does not care):
 * one sentence that names the cause and, after it, the remedy. The first
 * failure wins: a filled struct error is not overwritten.
 */
#ifndef NVWA_BASE_ERROR_H
#define NVWA_BASE_ERROR_H

struct error {
	char text[1024];	/* "" if nothing was said */
};

/*
 * Fill in err (may be NULL) unless it holds something already, and return
 * -code, so that callers write: return error_set(err, ENOENT, "...", ...);
 */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
