// SPDX-License-Identifier: GPL-2.0-only
/* The target, from its files to the jump. */
#include "lib/kexec/target.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <linux/reboot.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/cmdline.h"
#include "lib/kexec/efi.h"
#include "lib/kexec/hop.h"
#include "lib/kexec/image.h"
#include "lib/kexec/kaslr.h"
#include "lib/kexec/kept.h"
#include "lib/kexec/load.h"
#include "lib/kexec/memmap.h"
#include "lib/kexec/modules.h"
#include "lib/kexec/release.h"
#include "lib/kexec/root.h"

#define MODULES_DIR	"/lib/modules"

const char *target_init_path = "/usr/lib/nvwa/nvwa-init";

struct target {
	char *release, *extra_cmdline;
	struct image image;
	struct kept kept;
	enum target_kept kept_state;
	struct error kept_why;
	struct root root;
	struct modules modules;
	const char *thp;	/* transparent huge pages by its configuration */
	struct nvwa_range segments[LOAD_SEGMENTS];
	bool loaded;
};

/*
 * Newer packages hold the image in the modules' directory and copy it to /boot
 * on installation. Both places are asked, /boot first, as a boot loader would.
 */
static int image_path(const char *release, char *path, size_t size)
{
	int r = path_format(path, size, "/boot/vmlinuz-%s", release);

	if (!r && access(path, F_OK))
		r = path_format(path, size, MODULES_DIR "/%s/vmlinuz", release);
	if (!r && access(path, F_OK))
		r = -ENOENT;
	return r;
}

static bool is_installed(const char *release)
{
	char path[PATH_MAX];

	/* modules.dep: removed packages leave directories behind. */
	return release[0] && release[0] != '.' && !strchr(release, '/') &&
	       !image_path(release, path, sizeof(path)) &&
	       !path_format(path, sizeof(path), MODULES_DIR "/%s/modules.dep", release) &&
	       !access(path, F_OK);
}

int target_image_id(const char *release, char **id)
{
	struct stat st;
	char path[PATH_MAX];
	int r = image_path(release, path, sizeof(path));

	if (!r && stat(path, &st))
		r = -errno;
	if (!r && asprintf(id, "%llu %lld %lld.%09ld", (unsigned long long)st.st_ino,
			   (long long)st.st_size, (long long)st.st_mtim.tv_sec,
			   st.st_mtim.tv_nsec) < 0)
		r = -ENOMEM;
	return r;
}

static int newest_first(const void *a, const void *b)
{
	const char *const one = *(char *const *)a, *const other = *(char *const *)b;

	/* Of several flavours of a version always the same one comes first. */
	return release_compare(other, one) ?: strcmp(one, other);
}

int target_installed(char ***releases)
{
	_cleanup_closedir_ DIR *dir = opendir(MODULES_DIR);
	char **list = calloc(1, sizeof(*list)), **more;
	struct dirent *d;
	size_t nr = 0;

	if (!list)
		return -ENOMEM;
	while (dir && (d = readdir(dir))) {
		if (!is_installed(d->d_name))
			continue;
		more = realloc(list, (nr + 2) * sizeof(*list));
		if (!more)
			break;
		list = more;
		list[nr] = strdup(d->d_name);
		if (!list[nr])
			break;
		list[++nr] = NULL;
	}
	if (dir && d) {
		target_list_free(list);
		return -ENOMEM;
	}

	qsort(list, nr, sizeof(*list), newest_first);
	*releases = list;
	return 0;
}

void target_list_free(char **releases)
{
	for (size_t i = 0; releases && releases[i]; i++)
		free(releases[i]);
	free(releases);
}

static int check_installed(const char *release, struct error *err)
{
	_cleanup_free_ char *known = NULL;
	size_t len;
	FILE *out;
	char **list;

	if (is_installed(release))
		return 0;
	if (target_installed(&list))
		return -ENOMEM;
	out = open_memstream(&known, &len);
	for (size_t i = 0; out && list[i]; i++)
		fprintf(out, "%s%s", i ? ", " : "", list[i]);
	target_list_free(list);
	if (!out || fclose(out))
		return -ENOMEM;
	return error_set(err, ENOENT, "Linux %s is not installed: there is no kernel image or no "
			 "modules for it. Installed are: %s.", release, known);
}

/*
 * Memory modules that ACPI announces are added by the next kernel itself when
 * it boots, with nobody there yet to hold back the pages of programs.
 */
static bool has_memory_devices(void)
{
	glob_t found;
	bool present = false;

	/* PNP0C80 is the ACPI specification's memory device; bit 0 of its status says present. */
	if (glob("/sys/bus/acpi/devices/PNP0C80:*/status", 0, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		_cleanup_free_ char *status = NULL;

		if (!file_read(found.gl_pathv[i], &status, NULL) && (atoi(status) & 1))
			present = true;
	}
	globfree(&found);
	return present;
}

/* Memory of virtio-mem devices (device id 24) is not in the map that a kernel finds at boot. */
static bool has_virtio_mem(void)
{
	glob_t found;
	bool present = false;

	if (glob("/sys/bus/virtio/devices/*/device", 0, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		_cleanup_free_ char *id = NULL;

		if (!file_read(found.gl_pathv[i], &id, NULL) && strtoul(id, NULL, 0) == 24)
			present = true;
	}
	globfree(&found);
	return present;
}

static unsigned long long vmstat(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

/* MiB that balloon drivers have given to the host: it would take them from the scratch. */
static unsigned long long balloon_mib(void)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long in, out;

	if (file_read("/proc/vmstat", &text, NULL))
		return 0;
	in = vmstat(text, "\nballoon_inflate ");
	out = vmstat(text, "\nballoon_deflate ");
	return in > out ? (in - out) / (1048576 / NVWA_PAGE_SIZE) : 0;
}

bool target_is_configured(const char *release, const char *option)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX], *line, *save = NULL;

	if (path_format(path, sizeof(path), "/boot/config-%s", release) ||
	    file_read(path, &text, NULL))
		return false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, option))
			return true;
	}
	return false;
}

/* The kernel forgets its default in little RAM, and nvwa-init says it again. */
static const char *huge_pages_default(const char *release)
{
	if (target_is_configured(release, "CONFIG_TRANSPARENT_HUGEPAGE_ALWAYS=y"))
		return "always";
	if (target_is_configured(release, "CONFIG_TRANSPARENT_HUGEPAGE_MADVISE=y"))
		return "madvise";
	return "never";
}

/* What this machine is, whatever the release. */
static int check_machine(struct error *err)
{
	_cleanup_free_ char *disabled = NULL;
	uint64_t added = 0;
	int r;

	if (!file_read("/proc/sys/kernel/kexec_load_disabled", &disabled, NULL) &&
	    disabled[0] != '0')
		return error_set(err, EPERM, "kernel.kexec_load_disabled is set, so that no kernel "
				 "can be loaded until the next boot. Take it out of sysctl.conf "
				 "and reboot.");
	if (has_memory_devices())
		return error_set(err, EOPNOTSUPP, "This machine has memory modules that can be "
				 "unplugged (ACPI device PNP0C80), which is not supported yet.");
	if (has_virtio_mem())
		return error_set(err, EOPNOTSUPP, "This machine has memory that its host can plug "
				 "(virtio-mem), which is not supported.");
	r = memmap_added("", &added);
	if (r < 0)
		return error_set(err, -r, "/proc/iomem cannot be read (%s).", strerror(-r));
	if (added)
		return error_set(err, EOPNOTSUPP, "%llu MiB of this machine's memory were added by "
				 "a driver after the boot (\"System RAM (kmem)\" in /proc/iomem: "
				 "CXL, persistent memory), and no other kernel finds them. Take "
				 "them out first: daxctl reconfigure-device --mode=devdax --force "
				 "DEVICE, for each that \"daxctl list\" shows as system-ram.",
				 (unsigned long long)added >> 20);
	if (balloon_mib())
		return error_set(err, EOPNOTSUPP, "A balloon driver has given %llu MiB of this "
				 "machine's memory to its host. Deflate the balloon first.",
				 balloon_mib());
	if (access("/proc/sys/kernel/kexec_load_disabled", F_OK))
		return error_set(err, ENOSYS, "The running kernel is built without CONFIG_KEXEC.");
	return 0;
}

static int check_cmdline(const struct image *image, const char *extra, struct error *err)
{
	_cleanup_free_ char *cmdline = NULL;
	/* With numbers of as many digits as there can be. */
	const struct cmdline_facts longest = { UINT32_MAX, 1ULL << 52, 1ULL << 36, extra };
	int r = cmdline_next("", &longest, &cmdline, err);

	if (r < 0)
		return r;
	if (strlen(cmdline) > image->header.cmdline_size)
		return error_set(err, E2BIG, "The next kernel's command line would have %zu bytes, "
				 "and it takes %u. Shorten extra_cmdline, or that of the running "
				 "kernel in the boot loader's configuration.", strlen(cmdline),
				 image->header.cmdline_size);
	return 0;
}

/* The kernel, as it was kept if that still fits. */
static int open_image(struct target *t, const char *path, struct error *err)
{
	_cleanup_free_ char *elf = NULL;
	struct kept_source source;
	size_t len = 0;
	int r = kept_source(t->release, path, &source);

	if (!r)
		r = kept_read(KEPT_DIR, &source, &t->kept, &elf, &len, &t->kept_why);
	if (!r)
		t->kept_state = TARGET_KEPT_USED;
	else if (r == -ESTALE && (!t->kept.release[0] || !strcmp(t->kept.release, t->release)))
		t->kept_state = TARGET_KEPT_UNFIT;
	return image_read(path, t->release, elf, len, &t->image, err);
}

int target_open(const char *release, const char *extra_cmdline, struct target **target,
		struct error *err)
{
	struct target *t;
	char path[PATH_MAX];
	int r;

	*target = NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->release = strdup(release);
	t->extra_cmdline = strdup(extra_cmdline ?: "");
	r = t->release && t->extra_cmdline ? 0 : -ENOMEM;

	if (!r)
		r = check_machine(err);
	if (!r)
		r = check_installed(release, err);
	if (!r)
		r = image_path(release, path, sizeof(path));
	if (!r)
		r = open_image(t, path, err);
	if (!r)
		r = check_cmdline(&t->image, t->extra_cmdline, err);
	if (!r)
		r = root_find(&t->root, err);
	if (!r)
		r = modules_find(release, &t->root, &t->modules, err);
	if (!r && access(target_init_path, R_OK))
		r = error_set(err, errno, "%s is missing (%s). Install the package nvwa again.",
			      target_init_path, strerror(errno));
	if (r < 0) {
		target_free(t);
		return error_set(err, -r, "Linux %s cannot be made ready (%s).", release,
				 strerror(-r));
	}

	t->thp = huge_pages_default(release);
	*target = t;
	return 0;
}

enum target_kept target_kept(const struct target *t, const struct kept **kept, const char **why)
{
	*kept = &t->kept;
	*why = t->kept_why.text;
	return t->kept_state;
}

int target_keep(const char *release, struct error *err)
{
	_cleanup_free_ char *elf = NULL;
	struct kept_source source;
	char path[PATH_MAX];
	size_t len;
	int r;

	r = image_path(release, path, sizeof(path));
	/* Before the file is read, so that a change meanwhile is noticed later. */
	if (!r)
		r = kept_source(release, path, &source);
	if (r)
		return error_set(err, -r, "The kernel of Linux %s cannot be found (%s).", release,
				 strerror(-r));
	r = image_unpack(path, release, &elf, &len, err);
	return r ? r : kept_write(KEPT_DIR, &source, elf, len, err);
}

void target_free(struct target *t)
{
	if (!t)
		return;
	image_free(&t->image);
	modules_free(&t->modules);
	free(t->release);
	free(t->extra_cmdline);
	free(t);
}

/* A physical address. The scratch lies low; what is beyond is hidden. */
static uint64_t ram_end(const struct scratch_plan *plan)
{
	const struct memmap_entry *last;

	if (!plan->hidden.nr)
		return 0;
	last = &plan->hidden.entries[plan->hidden.nr - 1];
	return last->start + last->len;
}

int target_load(struct target *t, const struct target_load *how, struct error *err)
{
	_cleanup_free_ char *cmdline = NULL, *initramfs = NULL;
	struct efi efi;
	struct load l = { .sysroot = "", .image = &t->image, .plan = how->plan };
	struct cmdline_facts facts = {
		.tsc_khz = how->tsc_khz,
		.scratch = memmap_ram(&how->plan->scratch),
		.extra = t->extra_cmdline,
	};
	int r;

	if (!t->image.kernel)
		return -EALREADY;
	facts.ram = facts.scratch + memmap_ram(&how->plan->hidden);
	r = cmdline_next("", &facts, &cmdline, err);
	if (!r)
		r = hop_build(&t->root, &t->modules, t->thp, how, &initramfs,
			      &l.initramfs_len, err);
	if (!r && kaslr_is_wanted(cmdline, ram_end(how->plan)))
		r = kaslr_move(&t->image, err);
	if (r < 0)
		return r;

	l.cmdline = cmdline;
	l.rsdp = how->rsdp;
	l.initramfs = initramfs;
	r = efi_read("", &efi, err);
	if (r < 0)
		return r;
	l.efi = &efi;
	r = load(&l, t->segments, err);
	efi_free(&efi);
	if (r < 0)
		return r;
	t->loaded = true;
	/* The kernel has its own copy; no need to hold 60 MB through the freeze. */
	image_free(&t->image);
	return 0;
}

const struct nvwa_range *target_segments(const struct target *t, size_t *nr)
{
	*nr = t->loaded ? LOAD_SEGMENTS : 0;
	return t->segments;
}

int target_unload(void)
{
	return load_nothing();
}

int target_jump(void)
{
	reboot(LINUX_REBOOT_CMD_KEXEC);
	return -errno;
}
