/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device filter of a service: the BPF programs that systemd attaches to its control
 * group for DevicePolicy=, DeviceAllow= and PrivateDevices=. They are carried as the
 * instructions that the kernel shows of them, which it takes again as they are.
 */
#ifndef NVWA_APPS_DEVFILTER_H
#define NVWA_APPS_DEVFILTER_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include "lib/base/error.h"

/* Programs that the kernel lets a control group have, and instructions that we let one have. */
#define DEVFILTER_MAX		64
#define DEVFILTER_INSNS_MAX	65536

struct devfilter {
	char name[BPF_OBJ_NAME_LEN];	/* "" if it has none */
	const struct bpf_insn *insns;	/* in the data that was parsed */
	size_t nr_insns;
};

/*
 * Write the filters attached to a control group (a directory of cgroup2) itself, not to
 * those above it, to a file (mode 0600). 0 also if there is none: then there is no file,
 * and an older one is removed. -ENOTSUP with the reason in err if one cannot be carried:
 * it uses maps or calls, is attached in a way of its own, or the kernel would not take it
 * again; a negative errno with the reason in err otherwise. On failure there is no file.
 */
int devfilter_save(const char *cgroup_dir, const char *file, struct error *err);

/*
 * Load and attach what devfilter_save() wrote, next to what is attached already; without
 * the file nothing, which is 0. *fds (malloc()ed, NULL if *nr is 0) are close-on-exec
 * descriptors of the *nr programs, the caller's to close: a program stays attached without
 * them. -EBADMSG: the file is damaged; any error has its reason in err. On failure nothing
 * stays attached, *fds is NULL and *nr 0.
 */
int devfilter_restore(const char *cgroup_dir, const char *file, int **fds, size_t *nr,
		      struct error *err);

/* Whether instructions stand for themselves: there are 1 to DEVFILTER_INSNS_MAX, none of
 * them a call or a reference to a map or to anything else outside. */
bool devfilter_carriable(const struct bpf_insn *insns, size_t nr);

/*
 * The programs in the contents of a file (aligned as malloc() does). list has room for
 * DEVFILTER_MAX of them and points into data. -EBADMSG where devfilter_save() cannot have
 * written that.
 */
int devfilter_parse(const void *data, size_t len, struct devfilter *list, size_t *nr);

#endif
