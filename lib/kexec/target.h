/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target: the kernel that the machine is to run next, from the files that
 * its package installed to the segments that kexec_load(2) was given.
 */
#ifndef NVWA_KEXEC_TARGET_H
#define NVWA_KEXEC_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "uapi/nvwa.h"
#include "lib/base/error.h"
#include "lib/kexec/memmap.h"

struct target;

/* Releases that have both /boot/vmlinuz-REL and /lib/modules/REL, newest first; NULL-ended. */
int target_installed(char ***releases);
void target_list_free(char **releases);

/* What tells the image of an installed release from any other file; *id is malloc()ed. */
int target_image_id(const char *release, char **id);

/*
 * Everything about a release that can be wrong, found out with nothing
 * touched: not installed; image no kernel, truncated, or compressed in a way
 * that is not supported; nvwa.ko missing for it; a module that the root file
 * system needs missing; command line too long, or with a word that cannot go
 * on; a root that is not supported. extra_cmdline is added to the command line
 * (NULL: nothing), and is one that cmdline_check_extra() takes. For an error
 * *target is NULL. Freed by target_free().
 */
int target_open(const char *release, const char *extra_cmdline, struct target **target,
		struct error *err);
void target_free(struct target *t);

/* Whether an installed kernel has an option ("CONFIG_X=y"), by its package's configuration. */
bool target_is_configured(const char *release, const char *option);

/* What target_open() made of the kernel that was kept by target_keep(). */
enum target_kept {
	TARGET_KEPT_NOTHING,	/* nothing was kept, or another release */
	TARGET_KEPT_USED,
	TARGET_KEPT_UNFIT,	/* it was unpacked anew, and why says why */
};

struct kept;
enum target_kept target_kept(const struct target *t, const struct kept **kept, const char **why);

/* Unpack the kernel of a release and keep it on disk, for target_open(). */
int target_keep(const char *release, struct error *err);

struct target_load {
	const struct scratch_plan *plan;
	uint64_t rsdp;				/* as in struct park */
	uint64_t header_phys;			/* where the record's header is */
	uint8_t nonce[NVWA_NONCE_LEN];
	uint32_t tsc_khz;			/* NVWA_IOC_INFO's, or 0 if not known */
};

/* The static program that becomes /init of the hop initramfs; tests set another. */
extern const char *target_init_path;

/*
 * Build the hop initramfs, boot parameters and segments, and kexec_load() them.
 * Once for a target: the unpacked kernel is let go of.
 */
int target_load(struct target *t, const struct target_load *how, struct error *err);

/* Destinations of the loaded segments, for NVWA_IOC_SEAL. Valid until target_free(). */
const struct nvwa_range *target_segments(const struct target *t, size_t *nr);

/* Undo target_load(): nothing is loaded any more. */
int target_unload(void);

/* reboot(LINUX_REBOOT_CMD_KEXEC); returns only on failure. */
int target_jump(void);

#endif
