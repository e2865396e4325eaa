/* SPDX-License-Identifier: GPL-2.0-only */
/* The module, called "keeper" in user space: typed wrappers for uapi/nvwa.h. */
#ifndef NVWA_RECORD_KEEPER_H
#define NVWA_RECORD_KEEPER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "uapi/nvwa.h"
#include "lib/base/error.h"

/* Open /dev/nvwa and check its version. Returns a descriptor. */
int keeper_open(struct error *err);

int keeper_info(int fd, struct nvwa_info *info);

/* Each fills in size itself; the caller sets the "in" members only. */
int keeper_begin(int fd, struct nvwa_begin *b);
int keeper_capture(int fd, struct nvwa_capture *c);
int keeper_capture_shmem(int fd, struct nvwa_capture_shmem *c);
int keeper_put(int fd, const char *name, const void *data, size_t len);
int keeper_seal(int fd, struct nvwa_seal *s);
int keeper_park(int fd, struct nvwa_park *p);
int keeper_add_memory(int fd, struct nvwa_add_memory *m);
int keeper_insert(int fd, struct nvwa_insert *i);
int keeper_insert_shmem(int fd, struct nvwa_insert_shmem *i);
int keeper_release(int fd, struct nvwa_release *r);

/* Bytes that the firmware has left at a physical address. */
int keeper_firmware(int fd, uint64_t phys, void *to, size_t len);
/* How many requests of asynchronous I/O a process has under way. -ESRCH: no such process. */
int keeper_aio(int fd, pid_t pid, uint32_t *nr);
/* Until fd is closed, a kexec only quiets the devices of these PCI drivers. */
int keeper_quiet(int fd, const char (*drivers)[NVWA_DRIVER_NAME_LEN], size_t nr);

/*
 * The mappings of a process; *vmas is malloc()ed, *mm_flags is NVWA_MM_*.
 * -ESRCH: no such process, or a zombie.
 */
int keeper_vmas(int fd, pid_t pid, struct nvwa_vma **vmas, size_t *nr, uint32_t *mm_flags);

#endif
