/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of nvwa-init share: one noun a file, the order of steps in main.c. */
#ifndef NVWA_INIT_INIT_H
#define NVWA_INIT_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "uapi/nvwa.h"
#include "lib/base/error.h"

/* The new root while the hop initramfs is still "/". */
#define NEW_ROOT	"/root"

/* log.c: to the kernel log, and so to the console. */
void log_open(void);
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* mounts.c */
int mounts_make(void);
/* Turn over to the new root, and free what the initramfs held. */
int mounts_switch(struct error *err);

/*
 * devices.c: say which PCI functions may write to memory that are not driven yet;
 * how many. Call it before the drivers go in.
 */
#define DEVICES_DIR	"/sys/bus/pci/devices"
unsigned int devices_check(const char *dir);

/* modules.c: all of /nvwa/modules; fails if the keeper is not among those that went in. */
int modules_insert(struct error *err);

/* record.c: the record that the old kernel left. */
struct record {
	const char *stream;	/* mapped */
	size_t len;
	struct nvwa_adopt adopt;
	char *orders;		/* the file "adopt", NUL terminated; "" if there is none */
};

int record_adopt(int keeper, struct record *record, struct error *err);
/* Write its files below NVWA_STATE_DIR. */
int record_unpack(const struct record *record, struct error *err);
void record_free(struct record *record);

/* orders.c: the lines of the file "adopt"; those that need the root when it is there. */
void orders_carry_out(const char *orders, bool in_root);
/* The number that an order gives, its name with a blank behind; or that without it. */
unsigned long long order_number(const char *orders, const char *name,
				unsigned long long without);
void orders_mounts(const char *orders);

/* clock.c: go on where the old kernel's clock was. */
void clock_set(const struct nvwa_adopt *adopt);

/* memory.c */
/* All hidden RAM; the number of ranges that could not be added. */
int memory_add_all(int keeper);
/* Only the memory blocks that hold pages of the record; the rest can wait. */
int memory_add_needed(int keeper, const struct record *record);
/* Wipe and free what was held back for programs that will not come back. */
void memory_release(int keeper);

/* sizes.c: limits that depend on RAM, to what all of the machine's gives. */
void sizes_grow(void);

/* root.c: call root_listen() before the drivers go in. */
void root_listen(void);
int root_mount(struct error *err);

/* state.c: what is in NVWA_STATE_DIR. */
void state_keep_maps(void);
void state_failed(const char *why);
void state_write_timeline(void);
/* Network links have the names that they had in the old kernel. */
void state_name_links(void);

/* ahead.c: programs that are to go on before the machine's init starts, on its root. */
void ahead_run(const char *orders);

/* boot.c */
void boot_init(char **argv) __attribute__((noreturn));
void boot_again(const char *why) __attribute__((noreturn));

#endif
