// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the devices of the running machine to modules of the target release:
 * up in sysfs from the root's block device and each network link, taking the
 * module that drives each ancestor.
 */
#include "lib/kexec/modules.h"

#include <dirent.h>
#include <errno.h>
#include <libkmod.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* PCI class 6, in the PCI code and ID assignment specification: bridges. */
#define PCI_CLASS_BRIDGE	"0x06"

struct finder {
	struct kmod_ctx *kmod;
	const char *release;
	struct modules *out;
	struct error *err;
	bool optional;		/* a module is left to udev if it is not simple to have it early */
};

static int add_module(struct finder *f, struct kmod_module *mod);

static bool is_listed(const struct modules *m, const char *name)
{
	for (size_t i = 0; i < m->nr; i++) {
		if (!strcmp(m->items[i].name, name))
			return true;
	}
	return false;
}

/* All of a list; the list is let go. */
static int add_list(struct finder *f, struct kmod_list *list)
{
	struct kmod_list *item;
	int r = 0;

	kmod_list_foreach(item, list) {
		struct kmod_module *mod = kmod_module_get_module(item);

		if (!r)
			r = add_module(f, mod);
		kmod_module_unref(mod);
	}

	kmod_module_unref_list(list);
	return r;
}

static int add_firmware_file(struct finder *f, const char *name)
{
	/* Where the kernel looks, drivers/base/firmware_loader/main.c, and how packed. */
	static const char *const packed[] = { "", ".xz", ".zst" };
	const char *const dirs[][2] = {
		{ "/lib/firmware/updates/", f->release }, { "/lib/firmware/updates", "" },
		{ "/lib/firmware/", f->release }, { "/lib/firmware", "" },
	};

	for (size_t i = 0; i < 4 * sizeof(packed) / sizeof(packed[0]); i++) {
		char path[PATH_MAX], **more;
		int r = path_format(path, sizeof(path), "%s%s/%s%s", dirs[i % 4][0], dirs[i % 4][1],
				    name, packed[i / 4]);

		if (r)
			return r;
		if (access(path, R_OK))
			continue;
		more = realloc(f->out->firmware, (f->out->nr_firmware + 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		f->out->firmware = more;
		more[f->out->nr_firmware] = strdup(path);
		return more[f->out->nr_firmware] ? (f->out->nr_firmware++, 0) : -ENOMEM;
	}

	/* Drivers name many files, for all models; those for this machine are installed. */
	return 0;
}

/* The firmware that a module says it may load: how many files it names. */
static int add_firmware(struct finder *f, struct kmod_module *mod)
{
	struct kmod_list *info = NULL, *item;
	int r = kmod_module_get_info(mod, &info), nr = 0;

	if (r < 0)
		return r;
	r = 0;
	kmod_list_foreach(item, info) {
		if (strcmp(kmod_module_info_get_key(item), "firmware"))
			continue;
		nr++;
		if (!r && !f->optional)
			r = add_firmware_file(f, kmod_module_info_get_value(item));
	}

	kmod_module_info_free_list(info);
	return r ? r : nr;
}

/* A module after all that must be there before it. Built-in ones have no path. */
static int add_module(struct finder *f, struct kmod_module *mod)
{
	struct kmod_list *pre = NULL, *post = NULL;
	const char *path = kmod_module_get_path(mod), *options;
	struct module *more;
	int r;

	if (!path || is_listed(f->out, kmod_module_get_name(mod)))
		return 0;

	r = add_firmware(f, mod);
	if (r < 0 || (r > 0 && f->optional))
		return r < 0 ? r : 0;
	r = kmod_module_get_softdeps(mod, &pre, &post);
	if (r < 0)
		return r;
	kmod_module_unref_list(post);
	r = add_list(f, pre);
	if (!r)
		r = add_list(f, kmod_module_get_dependencies(mod));
	/* A soft dependency may go round in a circle. */
	if (r || is_listed(f->out, kmod_module_get_name(mod)))
		return r;

	more = realloc(f->out->items, (f->out->nr + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	f->out->items = more;
	options = kmod_module_get_options(mod);
	more[f->out->nr] = (struct module){
		.name = strdup(kmod_module_get_name(mod)),
		.path = strdup(path),
		.options = strdup(options ? options : ""),
	};
	f->out->nr++;
	if (!more[f->out->nr - 1].name || !more[f->out->nr - 1].path ||
	    !more[f->out->nr - 1].options)
		return -ENOMEM;
	return 0;
}

/* Add what a module name or alias stands for: 1 if there is such a thing, 0 if not. */
static int add_named(struct finder *f, const char *name)
{
	struct kmod_list *all = NULL, *allowed = NULL;
	int r = kmod_module_new_from_lookup(f->kmod, name, &all);

	if (r < 0 || !all)
		return r == -ENOENT ? 0 : r;
	r = kmod_module_apply_filter(f->kmod, KMOD_FILTER_BLACKLIST, all, &allowed);
	kmod_module_unref_list(all);
	if (r < 0)
		return r;
	r = add_list(f, allowed);
	return r < 0 ? r : 1;
}

static int read_attribute(const char *dir, const char *name, char **value)
{
	char path[PATH_MAX];
	int r = path_format(path, sizeof(path), "%s/%s", dir, name);

	if (!r)
		r = file_read(path, value, NULL);
	if (!r)
		(*value)[strcspn(*value, "\n")] = '\0';
	return r;
}

/* The name that the symbolic link dir/name ends in, "" if there is none. */
static int link_end(const char *dir, const char *name, char *end, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	int r = path_format(path, sizeof(path), "%s/%s", dir, name);

	if (r)
		return r;
	if (!realpath(path, target))
		return path_format(end, size, "%s", "");
	return path_format(end, size, "%s", strrchr(target, '/') + 1);
}

/* The module for one device of the running machine. */
static int add_device(struct finder *f, const char *dir, const char *user)
{
	_cleanup_free_ char *alias = NULL, *class = NULL;
	char driver[256], module[256];
	int r;

	r = link_end(dir, "driver", driver, sizeof(driver));
	if (!r)
		r = link_end(dir, "driver/module", module, sizeof(module));
	if (r || !driver[0])
		return r;

	r = add_named(f, module[0] ? module : driver);
	if (r)
		return r < 0 ? r : 0;

	/*
	 * Built into the running kernel, or renamed since. Bridges are driven
	 * by the kernel proper; their alias names hotplug drivers only.
	 */
	if (!read_attribute(dir, "class", &class) &&
	    !strncmp(class, PCI_CLASS_BRIDGE, strlen(PCI_CLASS_BRIDGE)))
		return 0;
	if (!read_attribute(dir, "modalias", &alias) && alias[0]) {
		r = add_named(f, alias);
		if (r)
			return r < 0 ? r : 0;
	}

	if (!module[0])
		return 0;
	return error_set(f->err, ENOENT, "Linux %s has no module %s, which %s of this machine "
			 "needs. Install the package that holds it for that release.", f->release,
			 module, user);
}

/* A device and what it hangs on, outermost first. */
static int add_ancestors(struct finder *f, char *dir, const char *user)
{
	char *slash = strrchr(dir, '/');
	int r;

	if (!strcmp(dir, "/sys/devices") || slash == dir)
		return 0;
	*slash = '\0';
	r = add_ancestors(f, dir, user);
	*slash = '/';
	return r ? r : add_device(f, dir, user);
}

/*
 * With NVMe multipath the disk is a child of a virtual subsystem that links to
 * the real controllers.
 */
static int add_nvme_paths(struct finder *f, const struct root *root)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PATH_MAX], *at;
	struct dirent *d;
	int r = path_format(path, sizeof(path), "%s", root->sysfs);

	at = strstr(path, "/nvme-subsys");
	if (at && !strncmp(at, "/nvme-subsystem/", strlen("/nvme-subsystem/")))
		at = strstr(at + 1, "/nvme-subsys");
	if (r || !at)
		return r;
	at[1 + strcspn(at + 1, "/")] = '\0';

	dir = opendir(path);
	while (dir && !r && (d = readdir(dir))) {
		char link[PATH_MAX], target[PATH_MAX];

		if (strncmp(d->d_name, "nvme", 4) || d->d_type != DT_LNK)
			continue;
		r = path_format(link, sizeof(link), "%s/%s", path, d->d_name);
		if (!r && realpath(link, target))
			r = add_ancestors(f, target, "the root file system");
	}

	return r;
}

static int add_links(struct finder *f)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/class/net");
	struct dirent *d;
	int r = 0;

	/* Those with firmware, and much of it, are probed again by udev soon enough. */
	f->optional = true;
	while (dir && !r && (d = readdir(dir))) {
		char path[PATH_MAX], target[PATH_MAX], user[300];

		if (d->d_name[0] == '.')
			continue;
		r = path_format(path, sizeof(path), "/sys/class/net/%s/device", d->d_name);
		if (!r)
			r = path_format(user, sizeof(user), "the network link %s", d->d_name);
		if (!r && realpath(path, target))
			r = add_ancestors(f, target, user);
	}

	return r;
}

static int add_file_system(struct finder *f, const struct root *root)
{
	char alias[64];
	int r = path_format(alias, sizeof(alias), "fs-%s", root->type);

	if (!r)
		r = add_named(f, alias);
	if (!r)
		/* Built in, and so old that the alias is not recorded. */
		r = add_named(f, root->type);
	if (!r)
		return error_set(f->err, ENOENT, "Linux %s has no module for %s, the root file "
				 "system of this machine. Install the package that holds it for "
				 "that release.", f->release, root->type);
	return r < 0 ? r : 0;
}

/*
 * Modules that would be loaded anyway before the programs run: from here they come without
 * a search, a program that loads them, and a signature that is checked.
 */
static int add_early(struct finder *f)
{
	/* By systemd itself (its src/core/kmod-setup.c) and for binfmt_misc, if loaded here. */
	static const char *const like_here[] = {
		"autofs4", "ip_tables", "virtio_rng", "qemu_fw_cfg", "dmi_sysfs",
		"vmw_vsock_virtio_transport", "virtio_console", "binfmt_misc",
	};
	/* For the packet lock; by CRIU, which looks at all kinds of sockets, and tries a link. */
	static const char *const ours[] = {
		"nf_tables", "unix_diag", "af_packet_diag", "netlink_diag", "inet_diag",
		"tcp_diag", "udp_diag", "raw_diag", "veth",
	};
	int r = 0;

	f->optional = true;
	for (size_t i = 0; r >= 0 && i < sizeof(like_here) / sizeof(like_here[0]); i++) {
		char path[128];

		/* This file is there of modules that can be unloaded, so not built in. */
		r = path_format(path, sizeof(path), "/sys/module/%s/initstate", like_here[i]);
		if (!r && !access(path, F_OK))
			r = add_named(f, like_here[i]);
	}
	for (size_t i = 0; r >= 0 && i < sizeof(ours) / sizeof(ours[0]); i++)
		r = add_named(f, ours[i]);

	return r < 0 ? r : 0;
}

static int find_all(struct finder *f, const struct root *root)
{
	char path[PATH_MAX];
	int r;

	r = add_named(f, "nvwa");
	if (!r || (r > 0 && !is_listed(f->out, "nvwa")))
		return error_set(f->err, ENOENT, "The module nvwa is not installed for Linux %s. "
				 "Install the package nvwa-dkms and the kernel's linux-headers-%s.",
				 f->release, f->release);
	if (r > 0)
		r = path_format(path, sizeof(path), "%s", root->sysfs);
	if (!r)
		r = add_ancestors(f, path, "the root file system");
	if (!r)
		r = add_nvme_paths(f, root);
	if (!r)
		r = add_file_system(f, root);
	if (!r)
		r = add_links(f);
	if (!r)
		r = add_early(f);
	return r;
}

int modules_find(const char *release, const struct root *root, struct modules *modules,
		 struct error *err)
{
	struct modules found = { 0 };
	struct finder f = { .release = release, .out = &found, .err = err };
	char path[PATH_MAX];
	int r = path_format(path, sizeof(path), "/lib/modules/%s", release);

	if (r)
		return r;
	f.kmod = kmod_new(path, NULL);
	if (!f.kmod)
		return -ENOMEM;
	r = kmod_load_resources(f.kmod);
	if (!r)
		r = find_all(&f, root);
	kmod_unref(f.kmod);
	if (r < 0) {
		modules_free(&found);
		return error_set(err, -r, "The modules in %s cannot be looked up (%s). Run "
				 "\"depmod %s\".", path, strerror(-r), release);
	}

	*modules = found;
	return 0;
}

void modules_free(struct modules *modules)
{
	for (size_t i = 0; i < modules->nr; i++) {
		free(modules->items[i].name);
		free(modules->items[i].path);
		free(modules->items[i].options);
	}
	free(modules->items);
	for (size_t i = 0; i < modules->nr_firmware; i++)
		free(modules->firmware[i]);
	free(modules->firmware);
	*modules = (struct modules){ 0 };
}
