// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvwa-init: PID 1 of the hop initramfs. Takes over what the old kernel left,
 * mounts the machine's root and becomes the machine's own init. It never
 * exits: what goes wrong ends in a boot as after a reset, either of this
 * kernel without the programs, or of the machine.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/base/clock.h"
#include "lib/kexec/cmdline.h"
#include "lib/kexec/hugepages.h"
#include "lib/kexec/online.h"

/* The record cannot be had: its programs are lost, the machine goes on. */
static void boot_without_record(int keeper, const char *why)
{
	log_error("booting without the programs of the old kernel: %s", why);
	state_failed(why);
	if (memory_add_all(keeper))
		boot_again("this machine's memory cannot be added");
	memory_release(keeper);
	online_as_before(NVWA_STATE_DIR "/" ONLINE_CHOICE);
	cmdline_lift_guards("");
	hugepages_allow(NVWA_STATE_DIR "/" HUGEPAGES_CHOICE);
}

/* What the module noted between the seal and the jump itself. */
static void stamp_late(const struct nvwa_late *late)
{
	timeline_stamp_at("kernel-told", late->told_tsc);
	timeline_stamp_at("devices-quieted", late->devices_tsc);
	timeline_stamp_at("cpus-parked", late->parked_tsc);
}

int main(int argc, char **argv)
{
	struct record record = { 0 };
	struct error err = { 0 };
	int keeper;

	(void)argc;
	if (getpid() != 1) {
		fputs("nvwa-init: runs only as the first program of a kernel that nvwa started\n",
		      stderr);
		return 1;
	}

	timeline_stamp("init-start");
	if (mounts_make())
		boot_again("/proc, /sys, /dev and /run cannot be mounted");
	log_open();
	state_keep_maps();
	if (hugepages_withhold(NVWA_STATE_DIR "/" HUGEPAGES_CHOICE))
		log_error("transparent huge pages cannot be switched off for the restore");
	sizes_grow();
	root_listen();
	devices_check(DEVICES_DIR);

	if (modules_insert(&err))
		boot_again(err.text);
	keeper = open(NVWA_DEVICE, O_RDWR | O_CLOEXEC);
	if (keeper < 0)
		boot_again("the module nvwa has no device " NVWA_DEVICE);
	timeline_stamp("modules");

	if (record_adopt(keeper, &record, &err)) {
		boot_without_record(keeper, err.text);
	} else {
		clock_set(&record.adopt);
		timeline_stamp_at("jump", record.adopt.seal_tsc);
		stamp_late(&record.adopt.late);
		timeline_stamp("adopted");
		orders_carry_out(record.orders, false);
		if (memory_add_needed(keeper, &record))
			log_error("some of the programs' memory cannot be added");
		timeline_stamp("memory-added");
		if (record_unpack(&record, &err))
			boot_without_record(keeper, err.text);
		state_name_links();
		timeline_stamp("record-unpacked");
	}
	orders_mounts(record.orders ? record.orders : "");
	close(keeper);

	memset(&err, 0, sizeof(err));
	if (root_mount(&err))
		boot_again(err.text);
	timeline_stamp("root-mounted");

	if (mounts_switch(&err))
		boot_again(err.text);
	timeline_stamp("root-entered");
	if (record.orders) {
		orders_carry_out(record.orders, true);
		ahead_run(record.orders);
	}
	record_free(&record);
	timeline_stamp("exec-init");
	state_write_timeline();
	boot_init(argv);
}
