// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which devices the jump only quiets. Quieted, a device has bus mastering off
 * (kmod/devices.c) and is otherwise as it was at work. The next kernel's driver
 * switches bus mastering on, and most do so before they reset the device: until then
 * one that writes to memory unasked, as a network card with packets, writes to what
 * the old kernel gave it, which is somebody else's by now. So a driver is quieted if
 * it was read, in Linux 6.1, 6.12 and 7.3, that no device can do that; all others
 * shut their devices down.
 */
#include "lib/kexec/quiet.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Base classes, in the PCI code and ID assignment specification. */
#define CLASS_NETWORK	0x02
#define CLASS_BRIDGE	0x06

static const struct {
	const char *driver;
	bool quiet;
	const char *why;
} known[] = {
	/* The notification of a shutdown takes some drives 13 s (linux-nvme, December 2023). */
	{ "nvme", true, "the module disables the controller" },
	/* ahci_init_one(): ahci_pci_reset_controller(), then pci_set_master(). */
	{ "ahci", true, "the next driver resets it before it switches bus mastering on" },
	/* quirk_usb_early_handoff(), as for hosts that the firmware has used. */
	{ "xhci_hcd", true, "the next kernel halts it while bus mastering is off" },
	{ "ehci-pci", true, "the next kernel halts it while bus mastering is off" },
	{ "ohci-pci", true, "the next kernel resets it while bus mastering is off" },
	{ "uhci_hcd", true, "the next kernel resets it while bus mastering is off" },

	/*
	 * What their shutdown does that the next driver counts on. Several look for
	 * reset_devices, which crash kernels are given, to come up without it.
	 */
	{ "megaraid_sas", false, "writes out its cache; resets only with reset_devices" },
	{ "smartpqi", false, "writes out its cache; resets only with reset_devices" },
	{ "hpsa", false, "writes out its cache; resets only with reset_devices" },
	{ "ipr", false, "writes out its cache; resets only with reset_devices" },
	{ "aacraid", false, "writes out its cache" },
	{ "arcmsr", false, "writes out its cache" },
	{ "mpt3sas", false, "ends the work of its firmware and resets it" },
	{ "mpi3mr", false, "ends the work of its firmware" },
	{ "qla2xxx", false, "stops its firmware, which writes what arrives to memory" },
	{ "lpfc", false, "stops its firmware, which writes what arrives to memory" },
	{ "vmw_pvscsi", false, "resets the adapter" },
	{ "i915", false, "stops its engines and displays" },
	{ "xe", false, "stops its engines and displays" },
	{ "amdgpu", false, "stops its engines and displays" },
	/* Left at work, its next driver's self-test has failed (kexec list, December 2009). */
	{ "ioatdma", false, "resets its channels" },
	{ "vmd", false, "takes down its interrupts" },

	/* virtio_dev_shutdown() of the virtio bus; virtio-pci has nothing of its own. */
	{ "virtio-pci", false, "the virtio bus resets it" },
};

static bool is_listed(char *const *list, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++) {
		if (!strcmp(list[i], name))
			return true;
	}
	return false;
}

static void judge(const struct quiet_wish *wish, unsigned long class, struct quiet_driver *d)
{
	d->quiet = false;
	d->why = class >> 16 == CLASS_NETWORK ?
		 "what it receives is written to memory until the next driver resets it" :
		 "it is not known to do without";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(known[i].driver, d->name)) {
			d->quiet = known[i].quiet;
			d->why = known[i].why;
		}
	}
	if (wish->none || is_listed(wish->full, wish->nr_full, d->name)) {
		d->quiet = false;
		d->why = "the configuration says so";
	} else if (is_listed(wish->quiet, wish->nr_quiet, d->name)) {
		d->quiet = true;
		d->why = "the configuration says so";
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct quiet_driver *)a)->name,
		      ((const struct quiet_driver *)b)->name);
}

/* The name of the driver of a device, "" if it has none. */
static int driver_of(const char *device, char *name, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	int r = path_format(path, sizeof(path), "%s/driver", device);
	ssize_t len;

	if (r)
		return r;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return path_format(name, size, "%s", "");
	target[len] = '\0';
	return path_format(name, size, "%s", strrchr(target, '/') + 1);
}

static int add_device(const char *device, const struct quiet_wish *wish,
		      struct quiet_driver **list, size_t *nr)
{
	_cleanup_free_ char *text = NULL;
	struct quiet_driver d = { 0 }, *more;
	char path[PATH_MAX];
	unsigned long class;
	int r;

	r = driver_of(device, d.name, sizeof(d.name));
	if (!r)
		r = path_format(path, sizeof(path), "%s/class", device);
	if (!r && d.name[0])
		r = file_read(path, &text, NULL);
	if (r || !text)
		return r;
	class = strtoul(text, NULL, 16);
	for (size_t i = 0; i < *nr; i++) {
		if (!strcmp((*list)[i].name, d.name))
			return 0;
	}
	if (class >> 16 == CLASS_BRIDGE)
		return 0;
	judge(wish, class, &d);

	more = reallocarray(*list, *nr + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	*list = more;
	more[(*nr)++] = d;
	return 0;
}

int quiet_choose(const char *sysroot, const struct quiet_wish *wish,
		 struct quiet_driver **drivers, size_t *nr, struct error *err)
{
	_cleanup_free_ struct quiet_driver *list = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PATH_MAX], device[PATH_MAX];
	struct dirent *d;
	size_t found = 0;
	int r = path_format(path, sizeof(path), "%s/sys/bus/pci/devices", sysroot);

	if (r)
		return r;
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return error_set(err, errno, "%s cannot be read (%s).", path, strerror(errno));
	while (dir && !r && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		r = path_format(device, sizeof(device), "%s/%s", path, d->d_name);
		if (!r)
			r = add_device(device, wish, &list, &found);
	}
	if (r < 0)
		return error_set(err, -r, "%s cannot be read (%s).", device, strerror(-r));

	if (found)
		qsort(list, found, sizeof(*list), by_name);
	*nr = found;
	*drivers = steal_ptr(list);
	return 0;
}
