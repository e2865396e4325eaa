/* SPDX-License-Identifier: GPL-2.0-only */
/* Variables that clean up after themselves when they go out of scope. */
#ifndef NVWA_BASE_CLEANUP_H
#define NVWA_BASE_CLEANUP_H

#include <dirent.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void cleanup_mntent(FILE **f)
{
	if (*f)
		endmntent(*f);
}

#define _cleanup_free_		__attribute__((cleanup(cleanup_free)))
#define _cleanup_close_		__attribute__((cleanup(cleanup_close)))
#define _cleanup_fclose_	__attribute__((cleanup(cleanup_fclose)))
#define _cleanup_closedir_	__attribute__((cleanup(cleanup_closedir)))
#define _cleanup_mntent_	__attribute__((cleanup(cleanup_mntent)))

/* Give up ownership: the variable's value, and the variable emptied. */
#define steal_ptr(p) ({ __typeof__(p) stolen_ = (p); (p) = NULL; stolen_; })
#define steal_fd(fd) ({ int stolen_ = (fd); (fd) = -1; stolen_; })

#endif
