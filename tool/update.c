// SPDX-License-Identifier: GPL-2.0-only
/* nvwa update: the phase function of the old kernel, from the check to the jump. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <mntent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/app.h"
#include "lib/apps/criu.h"
#include "lib/apps/first.h"
#include "lib/apps/quiesce.h"
#include "lib/apps/tmp.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/kexec/fit.h"
#include "lib/kexec/memmap.h"
#include "lib/kexec/park.h"
#include "lib/kexec/quiet.h"
#include "lib/kexec/target.h"
#include "lib/net/net.h"
#include "lib/record/keeper.h"
#include "lib/record/state-dir.h"
#include "tool/ahead.h"
#include "tool/attempt.h"
#include "tool/carry.h"
#include "tool/check.h"
#include "tool/common.h"
#include "tool/config.h"
#include "tool/filter.h"
#include "tool/guard.h"
#include "tool/machine.h"
#include "tool/orders.h"
#include "tool/prepared.h"
#include "tool/room.h"
#include "tool/stop.h"
#include "tool/undo.h"
#include "tool/verbs.h"

/*
 * What is not part of the freeze, in seconds. The slowest of it is to stop services, of which
 * some have no limit of their own.
 */
#define PREPARE_SECONDS		3600

/* One update, from its check to its jump or its failure. What it changes is in the trail. */
struct update {
	const struct config *config;
	const char *release;		/* the target */
	const struct check_result *check;
	char nonce_hex[2 * NVWA_NONCE_LEN + 1];
	struct utsname running;
	struct app *apps;
	size_t nr_apps;
	size_t nr_dumped;		/* of apps, those that may stand still */
	size_t nr_ahead;		/* of apps, those that go on ahead of systemd */
	struct room room;
	uint64_t files_left;		/* bytes of files that still fit into the next kernel */
	struct park park;
	struct target *target;
	int keeper;			/* closing it drops captured pages and record */
	bool silent;			/* the kernel log is told, not the terminal */
	char (*quiet)[NVWA_DRIVER_NAME_LEN];	/* drivers whose devices are only quieted */
	size_t nr_quiet;
	struct nvwa_capture pages;	/* sums over all processes */
	struct error err;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* From the freeze on nobody reads our terminal: the kernel log does. */
static void say(const struct update *u, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct update *u, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (u->silent) {
		_cleanup_close_ int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

		if (fd >= 0)
			dprintf(fd, "nvwa: %s\n", text);
	} else {
		printf("nvwa: %s\n", text);
		fflush(stdout);
	}
}

static int find_apps(struct update *u)
{
	const struct config *c = u->config;
	int r;

	u->apps = calloc(c->nr_services + c->nr_pids + 1, sizeof(*u->apps));
	if (!u->apps)
		return -ENOMEM;
	for (size_t i = 0; i < c->nr_services; i++) {
		r = app_find_service(c->services[i], &u->apps[u->nr_apps], &u->err);
		if (r < 0)
			return r;
		u->nr_apps++;
	}
	for (size_t i = 0; i < c->nr_pids; i++) {
		r = app_find_program(c->pids[i], &u->apps[u->nr_apps], &u->err);
		if (r < 0)
			return r;
		u->nr_apps++;
	}
	return 0;
}

/* Where secondary CPUs wait; before the module is told which memory is hidden. */
static void choose_park(struct update *u)
{
	struct error err = { 0 };
	int r = park_choose(u->keeper, u->release, u->config->cpu_park, &u->room.plan, &u->park,
			    &err);

	/* If not, the check has told why. */
	if (r == 0)
		say(u, "the other CPUs will wait at %#llx for the next kernel",
		    (unsigned long long)u->park.area);
}

static void arm_park(struct update *u)
{
	struct nvwa_park arm = {
		.base = u->park.area,
		.tables = (uintptr_t)u->park.tables.data,
		.tables_len = u->park.tables.len,
		.madt = u->park.tables.madt,
		.wakeup = u->park.tables.wakeup,
	};
	int r = u->park.area ? keeper_park(u->keeper, &arm) : 0;

	if (r < 0) {
		say(u, "the other CPUs cannot wait for the next kernel, which starts them "
		    "itself: %s", strerror(-r));
		u->park.rsdp = u->park.original;
	}
}

static int load_target(struct update *u)
{
	_cleanup_free_ struct nvwa_range *hidden = NULL;
	size_t nr_hidden = 0;
	struct nvwa_begin begin = { 0 };
	struct nvwa_info info;
	struct target_load load = { .plan = &u->room.plan };
	int r;

	u->keeper = keeper_open(&u->err);
	if (u->keeper < 0)
		return u->keeper;
	choose_park(u);
	r = memmap_ranges(&u->room.plan.hidden, &hidden, &nr_hidden);
	if (r < 0)
		return r;
	if (getrandom(begin.nonce, sizeof(begin.nonce), 0) != sizeof(begin.nonce))
		return error_set(&u->err, EIO, "the kernel gave no random numbers");
	for (size_t i = 0; i < sizeof(begin.nonce); i++)
		sprintf(u->nonce_hex + 2 * i, "%02x", begin.nonce[i]);
	snprintf(begin.writer, sizeof(begin.writer), "%.60s nvwa %.20s",
		 u->running.release, NVWA_VERSION);
	begin.hidden = (uintptr_t)hidden;
	begin.nr_hidden = nr_hidden;
	r = keeper_begin(u->keeper, &begin);
	if (r < 0)
		return error_set(&u->err, -r, "the module cannot open a record: %s",
				 strerror(-r));
	r = keeper_info(u->keeper, &info);
	if (r < 0)
		return r;
	arm_park(u);
	load.rsdp = u->park.rsdp;
	load.tsc_khz = info.tsc_khz;
	load.header_phys = begin.header_phys;
	memcpy(load.nonce, begin.nonce, sizeof(load.nonce));
	r = trail_add(TRAIL_KERNEL, "%s", u->release);
	if (r < 0)
		return r;
	return target_load(u->target, &load, &u->err);
}

static int choose_quiet(struct update *u)
{
	_cleanup_free_ struct quiet_driver *drivers = NULL;
	size_t nr;
	int r;

	r = quiet_choose("", &u->config->devices, &drivers, &nr, &u->err);
	if (r < 0)
		return r;
	u->quiet = calloc(nr + 1, sizeof(*u->quiet));
	if (!u->quiet)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		if (drivers[i].quiet)
			strcpy(u->quiet[u->nr_quiet++], drivers[i].name);
	}
	return 0;
}

/* What is changed from here on is undone by this, see tool/undo.c. */
static int begin_trail(struct update *u)
{
	int r = trail_add(TRAIL_FILES, CARRY_OUT_DIR);

	for (size_t i = 0; r == 0 && i < u->nr_apps; i++)
		r = trail_add(TRAIL_PROGRAM, "%s %d", u->apps[i].name, u->apps[i].pid);
	return r;
}

/* Everything that takes time and can be done while the programs run. */
static int prepare(struct update *u)
{
	_cleanup_free_ char *ram = NULL;
	int r;

	timeline_stamp("prepare");
	guard_step(PREPARE_SECONDS, "prepare");
	r = find_apps(u);
	if (r == 0)
		r = begin_trail(u);
	if (r == 0)
		r = room_find(u->config, u->apps, u->nr_apps, &u->room, &u->err);
	if (r == 0)
		r = load_target(u);
	if (r == 0)
		r = choose_quiet(u);
	if (r < 0)
		return r;
	say(u, "%s is loaded; it will boot in %llu MiB of %llu MiB", u->release,
	    (unsigned long long)(memmap_ram(&u->room.plan.scratch) >> 20),
	    (unsigned long long)(memmap_ram(&u->room.ram) >> 20));

	r = tree_remove(CARRY_OUT_DIR);
	if (r == 0)
		r = state_dir_make();
	if (r == 0)
		r = dir_make_private(CARRY_OUT_DIR "/" CARRY_APPS);
	if (r == 0)
		r = park_reserve(&u->park, &u->room.ram);
	if (r == 0)
		r = memmap_format(&u->room.ram, &ram);
	if (r == 0)
		r = file_write(CARRY_OUT_DIR "/" CARRY_RAM, ram, strlen(ram), 0600);
	/* Some services take their rules with them. */
	if (r == 0)
		r = filter_save(&u->err);
	if (r == 0)
		r = first_save(CARRY_OUT_DIR, &u->err);
	for (size_t i = 0; r == 0 && i < u->nr_apps; i++)
		r = app_save(&u->apps[i], CARRY_OUT_DIR "/" CARRY_APPS, &u->err);
	if (r < 0)
		return r;

	r = stop_services(u->apps, u->nr_apps, u->config->restore_net, &u->err);
	if (r == 0)
		r = orders_prepare();
	/* What those services have mounted is gone by now. */
	if (r == 0 && u->config->ahead_of_systemd)
		r = ahead_save(u->apps, u->nr_apps, &u->err);
	if (r < 0)
		return r;
	u->nr_ahead = r;
	r = trail_add(TRAIL_ATTEMPT, "%s", u->release);
	if (r == 0)
		r = attempt_begin(u->nonce_hex, u->running.release, u->release, &u->err);
	if (r == 0)
		sync();
	return r;
}

static int capture(struct update *u, const struct app_memory *memory)
{
	struct nvwa_capture c = {
		.pid = memory->pid,
		.nr_ranges = memory->nr_ranges,
		.ranges = (uintptr_t)memory->ranges,
	};
	int r;

	if (memory->nr_ranges == 0)
		return 0;
	r = keeper_capture(u->keeper, &c);
	if (r == -EBUSY)
		return error_set(&u->err, EBUSY, "process %d: the kernel or a device still uses "
				 "its memory at address %#llx (I/O under way?). Try again when "
				 "it is less busy", memory->pid, (unsigned long long)c.busy_addr);
	if (r < 0)
		return error_set(&u->err, -r, "process %d: its memory cannot be captured: %s",
				 memory->pid, strerror(-r));
	u->pages.nr_pinned += c.nr_pinned;
	u->pages.nr_evacuated += c.nr_evacuated;
	u->pages.nr_unshared += c.nr_unshared;
	u->pages.nr_runs += c.nr_runs;
	return 0;
}

static int capture_shared(struct update *u, const struct app *app, const struct shmem *s)
{
	struct nvwa_capture_shmem c = { .id = s->id, .max_len = s->max_len };
	_cleanup_close_ int fd = shmem_open(s);
	int r;

	if (fd < 0)
		return error_set(&u->err, -fd, "the memory that process %d shares cannot be "
				 "opened: %s", s->pid, strerror(-fd));
	c.fd = fd;
	r = keeper_capture_shmem(u->keeper, &c);
	if (r == -EBUSY)
		return error_set(&u->err, EBUSY, "process %d: the kernel or a device still uses "
				 "memory that it shares, at %#llx (I/O under way?). Try again when "
				 "it is less busy", s->pid, (unsigned long long)c.busy_at);
	/* A file that has a name is there for whoever is restored first. */
	if (r == -EEXIST && s->path)
		return 0;
	if (r == -EEXIST)
		return error_set(&u->err, EEXIST, "%s shares memory (of process %d) with another "
				 "app that is carried. Programs that share memory can be carried "
				 "as one only", app->name, s->pid);
	if (r < 0)
		return error_set(&u->err, -r, "process %d: memory that it shares cannot be "
				 "captured: %s", s->pid, strerror(-r));
	u->pages.nr_pinned += c.nr_pinned;
	u->pages.nr_evacuated += c.nr_evacuated;
	u->pages.nr_runs += c.nr_runs;
	return 0;
}

/* Of the first app that is not dumped yet, and of as many others as there are CPUs. */
static int start_dumps(struct update *u, size_t first)
{
	const size_t end = first + sysconf(_SC_NPROCESSORS_ONLN);
	int r = 0;

	while (r == 0 && u->nr_dumped < u->nr_apps && u->nr_dumped < end)
		r = app_dump_start(&u->apps[u->nr_dumped++], CARRY_OUT_DIR "/" CARRY_APPS,
				   u->keeper, &u->err);
	return r;
}

/* All of an app that was begun to be dumped. */
static int take_app(struct update *u, struct app *app)
{
	struct app_memory *memory;
	size_t nr_memory;
	int r;

	r = app_dump_finish(app, u->keeper, &memory, &nr_memory, &u->err);
	if (r < 0)
		return r;
	timeline_stamp("dumped");
	for (size_t i = 0; r == 0 && i < nr_memory; i++)
		r = capture(u, &memory[i]);
	for (size_t i = 0; r == 0 && i < app->nr_shmem; i++)
		r = capture_shared(u, app, &app->shmem[i]);
	app_memory_free(memory, nr_memory);
	timeline_stamp("captured");
	return r < 0 ? r : app_save_files(app, CARRY_OUT_DIR "/" CARRY_APPS,
					     &u->files_left, &u->err);
}

/* How long a step of the freeze may take is up to the administrator. */
static void step(const struct update *u, const char *what, const char *of)
{
	char text[300];

	snprintf(text, sizeof(text), "%s%s", what, of);
	guard_step(u->config->freeze_timeout, text);
}

static int dump_apps(struct update *u)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < u->nr_apps; i++) {
		step(u, "the dump of ", u->apps[i].name);
		r = start_dumps(u, i);
		if (r == 0)
			r = take_app(u, &u->apps[i]);
		if (r == 0 && interrupted)
			r = -EINTR;
	}
	return r;
}

/* The blackout begins here. */
static int freeze(struct update *u)
{
	int r;

	/* Again, as there was time to write more since the check. */
	r = room_check_files(&u->room, u->apps, u->nr_apps, &u->files_left, &u->err);
	if (r < 0)
		return r;
	step(u, "freeze", "");
	say(u, "freezing %zu program%s", u->nr_apps, u->nr_apps == 1 ? "" : "s");
	u->silent = true;
	r = stop_others(u->apps, u->nr_apps, &u->err);
	if (r < 0)
		return r;
	timeline_stamp("freeze");
	r = trail_add(TRAIL_LOCK, "tcp");
	if (r == 0)
		r = net_lock(&u->err);
	if (r == 0)
		r = dump_apps(u);
	if (r == 0)
		r = apps_allow_connections(u->apps, u->nr_apps, &u->err);
	step(u, "freeze", "");
	if (r == 0 && u->nr_ahead && u->nr_ahead < u->nr_apps)
		r = ahead_save_ports(u->apps, u->nr_apps, &u->err);
	if (r == 0)
		r = tmp_save(CARRY_OUT_DIR "/" CARRY_TMP, &u->files_left, &u->err);
	timeline_stamp("saved");
	return r;
}

/* Sysctls that are others for the time of the restore; settle puts these back. */
static const char *const lent_sysctls[] = {
	"vm/overcommit_memory",	/* an address space larger than the RAM that is online yet */
	/* Until then a kernel that panics or hangs resets the machine, see lib/kexec/cmdline.c. */
	"kernel/panic", "kernel/softlockup_panic", "kernel/hardlockup_panic",
};

/* A tmpfs is given shares of the RAM that is there when it is mounted: {path: its sizes}. */
static struct json_object *tmpfs_sizes(void)
{
	_cleanup_mntent_ FILE *table = setmntent("/proc/self/mounts", "re");
	struct json_object *sizes = json_object_new_object();
	struct mntent *entry;

	while (table && (entry = getmntent(table))) {
		struct json_object *one;
		struct statvfs st;

		if ((strcmp(entry->mnt_type, "tmpfs") && strcmp(entry->mnt_type, "devtmpfs")) ||
		    statvfs(entry->mnt_dir, &st) < 0)
			continue;
		one = json_object_new_object();
		json_put_number(one, "bytes", (long long)st.f_blocks * st.f_frsize);
		json_put_number(one, "inodes", st.f_files);
		json_object_object_add(sizes, entry->mnt_dir, one);
	}
	return sizes;
}

/* What the check found to be different from now on, for the report. */
static struct json_object *notes(const struct update *u)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < u->check->nr_reasons; i++)
		if (!u->check->reasons[i].fatal && !u->check->reasons[i].app)
			json_object_array_add(list, json_object_new_string(
				u->check->reasons[i].text));
	return list;
}

static int write_update(struct update *u)
{
	struct json_object *root = json_object_new_object();
	struct json_object *pages = json_object_new_object();
	struct json_object *sysctls = json_object_new_object();
	struct json_object *apps = json_object_new_array();
	_cleanup_free_ char *timeline = NULL;
	const char *text;
	int r;

	json_put_text(root, "id", u->nonce_hex);
	json_put_text(root, "from", u->running.release);
	json_put_text(root, "to", u->release);
	json_put_number(root, "started", time(NULL));
	json_put_number(root, "criu_version", criu_version());
	json_put_number(pages, "pinned", u->pages.nr_pinned);
	json_put_number(pages, "evacuated", u->pages.nr_evacuated);
	json_put_number(pages, "unshared", u->pages.nr_unshared);
	json_put_number(pages, "runs", u->pages.nr_runs);
	json_object_object_add(root, "pages", pages);
	for (size_t i = 0; i < sizeof(lent_sysctls) / sizeof(lent_sysctls[0]); i++) {
		_cleanup_free_ char *value = NULL;
		char path[PATH_MAX];

		if (path_format(path, sizeof(path), "/proc/sys/%s", lent_sysctls[i]) < 0 ||
		    file_read(path, &value, NULL) < 0)
			continue;
		value[strcspn(value, "\n")] = '\0';
		json_put_text(sysctls, lent_sysctls[i], value);
	}
	json_object_object_add(root, "sysctls", sysctls);
	json_object_object_add(root, "tmpfs", tmpfs_sizes());
	for (size_t i = 0; i < u->nr_apps; i++) {
		struct json_object *app = json_object_new_object();

		json_put_text(app, "name", u->apps[i].name);
		json_put_text(app, "kind", u->apps[i].kind == APP_SERVICE ? "service" : "program");
		json_put_number(app, "pid", u->apps[i].pid);
		json_put_number(app, "stop_tsc", u->apps[i].stop_tsc);
		json_object_array_add(apps, app);
	}
	json_object_object_add(root, "apps", apps);
	json_object_object_add(root, "notes", notes(u));
	json_put_text(root, "clock_doubt", machine_clock_doubt(""));
	text = json_format(root);
	r = file_write(CARRY_OUT_DIR "/" CARRY_UPDATE, text, strlen(text), 0600);
	json_object_put(root);
	if (r < 0)
		return r;
	timeline_stamp("described");
	timeline = timeline_text();
	if (!timeline)
		return -ENOMEM;
	return file_write(CARRY_OUT_DIR "/" CARRY_TIMELINE_OLD, timeline, strlen(timeline), 0600);
}

/* nftw() takes no context. */
static int put_keeper;
static uint64_t put_bytes;

static int put_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	r = file_read(path, &data, &len);
	if (r == 0)
		r = keeper_put(put_keeper, path + strlen(CARRY_OUT_DIR "/"), data, len);
	if (r == 0)
		put_bytes += len;
	return r;
}

static int put_files(struct update *u)
{
	int r;

	put_keeper = u->keeper;
	r = nftw(CARRY_OUT_DIR, put_file, 16, FTW_PHYS);
	if (r < 0)
		return error_set(&u->err, r == -1 ? errno : -r, "cannot put the files of the "
				 "programs into the record: %s",
				 strerror(r == -1 ? errno : -r));
	return 0;
}

/* What does not fit is refused by the check, and here for what has changed since. */
static int seal(struct update *u, struct nvwa_seal *seal)
{
	const struct nvwa_range *segments;
	size_t nr;
	int r;

	segments = target_segments(u->target, &nr);
	seal->segments = (uintptr_t)segments;
	seal->nr_segments = nr;
	seal->room = u->room.bytes;
	seal->later = fit_later(put_bytes);
	r = keeper_seal(u->keeper, seal);
	if (r == -EFBIG)
		return error_set(&u->err, EFBIG, "what is handed over to the next kernel does not "
				 "fit into the memory that it boots in: it needs %llu MiB for a "
				 "record of %llu MiB (files: %llu MiB) and %llu MiB of programs' "
				 "memory, and has %llu MiB. Carry less, or raise scratch_mb",
				 (unsigned long long)seal->needed >> 20,
				 (unsigned long long)seal->record_len >> 20,
				 (unsigned long long)put_bytes >> 20,
				 (unsigned long long)seal->nr_pages * NVWA_PAGE_SIZE >> 20,
				 (unsigned long long)seal->room >> 20);
	if (r < 0)
		return error_set(&u->err, -r, "the record cannot be sealed: %s", strerror(-r));
	return 0;
}

static int jump(struct update *u)
{
	struct nvwa_seal sealed = { 0 };
	int r;

	step(u, "jump", "");
	r = orders_write(u->apps, u->nr_apps, u->nr_ahead ? u->config->ahead_seconds : 0);
	if (r == 0)
		r = write_update(u);
	if (r == 0)
		r = put_files(u);
	if (r < 0)
		return r;
	step(u, "writing to disks", "");
	r = quiesce_freeze(&u->err);
	if (r < 0)
		return r;
	step(u, "jump", "");
	if (interrupted)
		return -EINTR;
	r = keeper_quiet(u->keeper, u->quiet, u->nr_quiet);
	if (r < 0)
		return error_set(&u->err, -r, "the module cannot quiet devices: %s", strerror(-r));
	r = seal(u, &sealed);
	if (r < 0)
		return r;
	say(u, "%llu pages and a record of %llu bytes are handed over to %s",
	    (unsigned long long)sealed.nr_pages, (unsigned long long)sealed.record_len, u->release);
	/* Point of no return: target_jump() comes back only if nothing happened. */
	r = target_jump();
	return error_set(&u->err, -r, "the kernel refused to jump: %s", strerror(-r));
}

/* The module lets go of programs when it is closed. All else is undone by the trail. */
static void give_up(struct update *u)
{
	for (size_t i = 0; i < u->nr_dumped; i++)
		app_dump_abandon(&u->apps[i]);
	if (u->keeper >= 0)
		close(u->keeper);
}

static int phase(struct update *u, const char *name, int (*run)(struct update *))
{
	char text[sizeof(u->err.text)];
	int r = run(u);

	/* Whatever has failed because of it. */
	if (interrupted) {
		memset(&u->err, 0, sizeof(u->err));
		r = error_set(&u->err, EINTR, "interrupted by signal %d", (int)interrupted);
	}
	/* What an update writes before the jump goes there, as a rule. */
	if (r < 0 && !u->err.text[0])
		error_set(&u->err, -r, "%s%s", strerror(-r), r != -ENOSPC ? "" :
			  ". Is there room left in " NVWA_STATE_DIR "?");
	if (r < 0) {
		snprintf(text, sizeof(text), "%s failed: %.*s", name, (int)sizeof(text) - 32,
			 u->err.text);
		guard_failed(text);
	}
	return r;
}

/*
 * The update as a straight list of phases. Returns only if it did not happen;
 * then every program runs on in the old kernel when it is undone.
 */
static int update_run(struct update *u)
{
	struct sigaction act = { .sa_handler = on_signal };
	int r;

	/* The guard hands an interrupt on. */
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	r = phase(u, "prepare", prepare);
	if (r == 0)
		r = phase(u, "freeze", freeze);
	if (r == 0)
		r = phase(u, "jump", jump);
	/* From here on only what was done is undone. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	give_up(u);
	if (!guard_is_there())
		undo_update(&u->err);
	return EXIT_NOT_UPDATED;
}

static const struct option options[] = {
	{ "force", no_argument, NULL, 'f' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

int verb_update(int argc, char **argv)
{
	struct update u = { .keeper = -1 };
	struct config config = { 0 };
	struct check_result check = { 0 };
	struct release_args args = { 0 };
	_cleanup_close_ int lock = -1;
	pid_t child;
	int r;

	r = release_args_parse("update", argc, argv, options, "hfn", &args);
	if (r >= 0)
		return r;
	r = config_load(args.config, &config, &u.err);
	if (r < 0) {
		complain("%s", u.err.text);
		return EXIT_CONFIG;
	}
	r = check_run(&config, args.release, args.force, &check);
	check_print(&check, stdout);
	if (r != EXIT_OK || args.dry_run)
		return r;
	lock = lock_take(&u.err);
	if (lock < 0) {
		complain("%s", u.err.text);
		return EXIT_BUSY;
	}
	/* Memory, connections and files of programs are nobody else's business. */
	umask(077);
	uname(&u.running);
	if (config.debug)
		setenv(CARRY_DEBUG_ENV, CARRY_DEBUG_LEVEL, true);
	u.config = &config;
	u.release = check.release;
	u.check = &check;
	u.target = steal_ptr(check.target);
	prepared_use(u.target, u.release);
	child = guard_start(&u.err);
	if (child == 0)
		return update_run(&u);
	/* It is large, and nothing to the guard, which is locked in memory. */
	target_free(u.target);
	if (child < 0) {
		complain("%s", u.err.text);
		return EXIT_FAILURE;
	}
	/* What the child leaves, its guard undoes. */
	memset(&u.err, 0, sizeof(u.err));
	r = guard_wait(child, &u.err);
	return undo_update(&u.err) == EXIT_OK ? r : EXIT_FAILURE;
}
