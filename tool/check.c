// SPDX-License-Identifier: GPL-2.0-only
/* nvwa check: everything that stops an update, found out with nothing touched. */
#include "tool/check.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/apps/app.h"
#include "lib/apps/check-mounts.h"
#include "lib/apps/footprint.h"
#include "lib/apps/paths.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/kexec/boot-once.h"
#include "lib/kexec/park.h"
#include "lib/kexec/quiet.h"
#include "lib/kexec/release.h"
#include "lib/kexec/target.h"
#include "lib/record/keeper.h"
#include "tool/ahead.h"
#include "tool/attempt.h"
#include "tool/common.h"
#include "tool/machine.h"
#include "tool/room.h"
#include "tool/verbs.h"

/* What is being found out, with what is found on the way. */
struct check {
	const struct config *config;
	bool force;
	struct app *apps;		/* those that exist */
	size_t nr_apps;
	struct check_result *result;
};

static void add_reason(struct check *c, bool fatal, int code, const char *app, const char *text)
{
	struct check_result *result = c->result;
	struct check_reason *list;

	list = reallocarray(result->reasons, result->nr_reasons + 1, sizeof(*list));
	if (!list)
		abort();
	result->reasons = list;
	list[result->nr_reasons++] = (struct check_reason) {
		.fatal = fatal,
		.code = code,
		.app = app ? strdup(app) : NULL,
		.text = strdup(text),
	};
}

static void refuse(struct check *c, int code, const struct error *err, int r)
{
	add_reason(c, true, code, NULL, err->text[0] ? err->text : strerror(-r));
}

/* Returns false if this machine takes no module and no kernel of ours. */
static bool check_machine(struct check *c)
{
	struct error err = { 0 };
	bool open = true;
	int r;

	if (lock_is_held())
		add_reason(c, true, EXIT_BUSY, NULL, "another update is in progress. Wait until "
			   "it has ended");
	else if (trail_exists())
		add_reason(c, true, EXIT_BUSY, NULL, "an update was interrupted, and not all of it "
			   "is undone. Clean up with: nvwa init");
	for (size_t i = 0; i < machine_nr_locks; i++) {
		memset(&err, 0, sizeof(err));
		r = machine_locks[i]("", &err);
		if (r < 0) {
			refuse(c, EXIT_LOCKDOWN, &err, r);
			open = false;
		}
	}
	return open;
}

static void check_keeper(struct check *c)
{
	_cleanup_close_ int keeper = -1;
	struct error err = { 0 };
	struct nvwa_info info;
	int r;

	r = machine_load_module(&err);
	if (r == 0) {
		keeper = keeper_open(&err);
		r = keeper < 0 ? keeper : keeper_info(keeper, &info);
	}
	if (r < 0) {
		refuse(c, EXIT_MODULE, &err, r);
		return;
	}
	if (info.flags & NVWA_INFO_ENCRYPTED)
		add_reason(c, true, EXIT_TARGET, NULL, "this machine's memory is encrypted (SME, "
			   "SEV or TDX), and the next kernel could not read what programs have in "
			   "it. If it is this kernel that encrypts it: take mem_encrypt=on out of "
			   "the boot loader's configuration and reboot");
	if (info.state == NVWA_STATE_ADOPTED)
		add_reason(c, true, EXIT_BUSY, NULL, "the last update has not settled yet. Wait, "
			   "and see: nvwa status");
	else if (info.state != NVWA_STATE_IDLE)
		add_reason(c, true, EXIT_BUSY, NULL, "the module holds pages for another update. "
			   "Wait until it has ended");
}

/* "6.12.90-amd64, 6.1.0-57-amd64", as far as there is room. */
static void join(char *const *words, char *list, size_t size)
{
	size_t len = 0;

	list[0] = '\0';
	for (; *words && len < size; words++)
		len += snprintf(list + len, size - len, "%s%s", len ? ", " : "", *words);
}

/* The release by name, or the newest one; -EALREADY: that runs, which is all there is to say. */
static int check_release(struct check *c, const char *wanted)
{
	struct check_result *result = c->result;
	_cleanup_free_ char *text = NULL;
	const bool named = wanted;
	char **installed = NULL;
	char list[512];
	bool found = false;
	int r;

	r = target_installed(&installed);
	if (r < 0) {
		struct error err = { 0 };

		refuse(c, EXIT_RELEASE, &err, r);
		return r;
	}
	/* Never an older one of its own accord. */
	if (!named)
		wanted = *installed && release_compare(*installed, result->running) > 0 ?
			 *installed : result->running;
	for (char **i = installed; *i; i++)
		found = found || strcmp(*i, wanted) == 0;
	join(installed, list, sizeof(list));
	result->release = strdup(wanted);
	result->newest = !named && !c->force && strcmp(wanted, result->running) == 0;
	if (result->newest)
		r = asprintf(&text, "%s runs, and no newer kernel is installed: nothing to do. To "
			     "change to another one, name it; to boot this one afresh: nvwa "
			     "update --force", wanted);
	else if (!found)
		r = asprintf(&text, "kernel %s is not installed: there is no kernel image or no "
			     "modules of it in /boot and /lib/modules. Installed: %s", wanted,
			     *list ? list : "none");
	if (text)
		add_reason(c, true, result->newest ? EXIT_SAME : EXIT_RELEASE, NULL, text);
	target_list_free(installed);
	if (result->newest)
		return -EALREADY;
	return text || r < 0 ? -ENOENT : 0;
}

/* How target_open() says what kind of thing is wrong with a release that is installed. */
static int target_code(int r)
{
	switch (r) {
	case -ENOEXEC:
	case -EBADMSG:
		return EXIT_IMAGE;
	case -ENOENT:
		return EXIT_MODULE;
	case -EPERM:
		return EXIT_LOCKDOWN;
	default:
		return EXIT_TARGET;
	}
}

static void check_target(struct check *c)
{
	const char *release = c->result->release;
	const struct kept *kept;
	struct error err = { 0 };
	char text[512];
	const char *why;
	int r;

	if (strcmp(release, c->result->running) == 0 && !c->force) {
		snprintf(text, sizeof(text), "%s runs already. To boot it afresh: nvwa update "
			 "--force %s", release, release);
		add_reason(c, true, EXIT_SAME, NULL, text);
	}
	r = c->force ? 0 : attempt_check(release, &err);
	if (r < 0)
		refuse(c, EXIT_TARGET, &err, r);
	memset(&err, 0, sizeof(err));
	r = target_open(release, c->config->extra_cmdline, &c->result->target, &err);
	if (r < 0) {
		refuse(c, target_code(r), &err, r);
	} else if (target_kept(c->result->target, &kept, &why) == TARGET_KEPT_UNFIT) {
		snprintf(text, sizeof(text), "what was prepared is of no use any more, and will be "
			 "made anew: %s", why);
		add_reason(c, false, EXIT_OK, NULL, text);
	}

	memset(&err, 0, sizeof(err));
	r = apps_check_criu(release, &err);
	if (r < 0)
		refuse(c, EXIT_CRIU, &err, r);
}

static void app_reason(void *ctx, const struct app *app, bool fatal, const char *text)
{
	add_reason(ctx, fatal, fatal ? EXIT_UNCARRIABLE : EXIT_OK, app->name, text);
}

/* Another spelling of the same thing, or a process of a tree that is carried anyway. */
static bool overlaps(const struct check *c, const struct app *app, const struct app **other)
{
	for (size_t i = 0; i < c->nr_apps; i++) {
		*other = &c->apps[i];
		for (size_t j = 0; j < c->apps[i].nr_pids; j++)
			for (size_t k = 0; k < app->nr_pids; k++)
				if (c->apps[i].pids[j] == app->pids[k])
					return true;
	}
	return false;
}

static void check_app(struct check *c, const char *name, int found, struct app *app,
		      struct error *err)
{
	struct check_app *entry = &c->result->apps[c->result->nr_apps++];
	const struct app *other;
	char text[512];

	if (found < 0) {
		entry->name = strdup(name);
		add_reason(c, true, EXIT_ABSENT, name, err->text[0] ? err->text :
			   strerror(-found));
		return;
	}
	entry->name = strdup(app->name);
	entry->pid = app->pid;
	entry->nr_pids = app->nr_pids;
	entry->carried = app_check(app, c->result->release ?: c->result->running, app_reason,
				   c) == 0;
	if (overlaps(c, app, &other)) {
		snprintf(text, sizeof(text), "%s and %s have processes in common. Name only one "
			 "of them in the configuration", other->name, app->name);
		add_reason(c, true, EXIT_UNCARRIABLE, app->name, text);
		entry->carried = false;
	}
	c->nr_apps++;
}

/* An app that is not carried after all because of what it is connected to. */
static void connection_reason(void *ctx, const struct app *app, bool fatal, const char *text)
{
	struct check *c = ctx;

	app_reason(c, app, fatal, text);
	for (size_t i = 0; fatal && i < c->result->nr_apps; i++) {
		if (!strcmp(c->result->apps[i].name, app->name))
			c->result->apps[i].carried = false;
	}
}

static void check_connections(struct check *c)
{
	struct error err = { 0 };
	int r = apps_check_connections(c->apps, c->nr_apps, connection_reason, c);

	if (r < 0) {
		error_set(&err, -r, "the connections of the programs cannot be looked at: %s",
			  strerror(-r));
		refuse(c, EXIT_UNCARRIABLE, &err, r);
	}
}

static void check_apps(struct check *c)
{
	const struct config *config = c->config;
	struct error err;
	char name[32];
	int r;

	for (size_t i = 0; i < config->nr_services; i++) {
		memset(&err, 0, sizeof(err));
		r = app_find_service(config->services[i], &c->apps[c->nr_apps], &err);
		check_app(c, config->services[i], r, &c->apps[c->nr_apps], &err);
	}
	for (size_t i = 0; i < config->nr_pids; i++) {
		memset(&err, 0, sizeof(err));
		snprintf(name, sizeof(name), "pid-%d", config->pids[i]);
		r = app_find_program(config->pids[i], &c->apps[c->nr_apps], &err);
		check_app(c, name, r, &c->apps[c->nr_apps], &err);
	}
	check_connections(c);
	if (config->nr_services + config->nr_pids == 0)
		add_reason(c, false, EXIT_OK, NULL, "no service and no PID is named in the "
			   "configuration: an update ends every program");
	if (!config->enable_pin_memory)
		add_reason(c, false, EXIT_OK, NULL, "enable_pin_memory: false has no effect: "
			   "memory always stays where it is");
	if (!config->enable_quick_kexec)
		add_reason(c, false, EXIT_OK, NULL, "enable_quick_kexec: false has no effect: "
			   "the kernel is always loaded beforehand");
}

/* How the next kernel gets its CPUs, if not as it might. */
static void check_park(struct check *c, struct scratch_plan *plan)
{
	_cleanup_close_ int keeper = -1;
	struct error err = { 0 };
	struct park park;
	char text[sizeof(err.text) + 128];
	int r;

	keeper = keeper_open(&err);
	/* That has been said. */
	if (keeper < 0 || !c->result->release)
		return;
	r = park_choose(keeper, c->result->release, c->config->cpu_park, plan, &park, &err);
	park_free(&park);
	if (r < 0 && r != -ENODEV && r != -ECANCELED) {
		snprintf(text, sizeof(text), "the next kernel starts the other CPUs by INIT and "
			 "SIPI, as they cannot wait for it in a mailbox: %s", err.text);
		add_reason(c, false, EXIT_OK, NULL, text);
	}
}

/* The scratch must exist, what is carried must fit beside it, and what is handed over into it. */
static void check_memory(struct check *c)
{
	struct error err = { 0 };
	struct room room;
	char text[512];
	int r;

	r = room_find(c->config, c->apps, c->nr_apps, &room, &err);
	if (r < 0) {
		refuse(c, EXIT_MEMORY, &err, r);
		room_free(&room);
		return;
	}
	check_park(c, &room.plan);
	if (room.plan.lost) {
		snprintf(text, sizeof(text), "%" PRIu64 " MiB of memory are missing after the "
			 "update, until the machine is rebooted in the ordinary way: they lie "
			 "above 64 GiB, in blocks of %" PRIu64 " MiB which are in part something "
			 "else, or of two NUMA nodes, and cannot be added to a kernel that runs",
			 room.plan.lost >> 20, room.plan.block_size >> 20);
		add_reason(c, false, EXIT_OK, NULL, text);
	}
	r = room_check_files(&room, c->apps, c->nr_apps, NULL, &err);
	if (r < 0)
		refuse(c, EXIT_MEMORY, &err, r);
	memset(&err, 0, sizeof(err));
	r = room_check_memory(&room, c->result->shared_pages, &err);
	if (r < 0)
		refuse(c, EXIT_MEMORY, &err, r);
	room_free(&room);
}

/* In MiB, rounded up. */
static uint64_t mib_of_pages(uint64_t pages)
{
	return (pages * NVWA_PAGE_SIZE + (1 << 20) - 1) >> 20;
}

/* What is shared copy on write now is held by each process for itself afterwards. */
static void check_shared(struct check *c)
{
	struct error err = { 0 };
	uint64_t extra, available, swap_used;
	char text[256];
	int r;

	r = footprint_shared(c->apps, c->nr_apps, &extra);
	if (r == 0)
		r = machine_memory("", &available, &swap_used);
	if (r < 0) {
		refuse(c, EXIT_MEMORY, &err, r);
		return;
	}
	c->result->shared_pages = extra;
	if (extra * NVWA_PAGE_SIZE > available) {
		snprintf(text, sizeof(text), "the programs share memory copy on write, and would "
			 "need %" PRIu64 " MiB more to hold it each for itself; %" PRIu64 " MiB "
			 "are available. Carry less, or end some of their processes",
			 mib_of_pages(extra), available >> 20);
		add_reason(c, true, EXIT_MEMORY, NULL, text);
	} else if (extra) {
		snprintf(text, sizeof(text), "the programs share memory copy on write that each "
			 "holds for itself after the update: %" PRIu64 " MiB more",
			 mib_of_pages(extra));
		add_reason(c, false, EXIT_OK, NULL, text);
	}
}

static bool file_begins(const char *path, const char *text)
{
	_cleanup_free_ char *have = NULL;

	return file_read(path, &have, NULL) == 0 && strncmp(have, text, strlen(text)) == 0;
}

static bool has_movable_zone(void)
{
	_cleanup_free_ char *text = NULL;
	const char *zone;
	unsigned long long present = 0;

	if (file_read("/proc/zoneinfo", &text, NULL) < 0)
		return false;
	for (zone = text; !present && (zone = strstr(zone, "Movable")); zone++) {
		const char *line = strstr(zone, "present");

		if (line)
			sscanf(line, "present %llu", &present);
	}
	return present;
}

/* What the machine had from its boot, and will not have again before the next ordinary one. */
static void check_lost(struct check *c)
{
	_cleanup_free_ char *crash = NULL, *swap = NULL;

	if (file_read("/sys/kernel/kexec_crash_size", &crash, NULL) == 0 &&
	    strtoull(crash, NULL, 10) > 0)
		add_reason(c, false, EXIT_OK, NULL, "a kernel that nvwa starts reserves no memory "
			   "for a crash kernel (crashkernel=): there are no crash dumps until the "
			   "machine is rebooted in the ordinary way");
	if (file_read("/sys/power/resume", &swap, NULL) == 0 && strncmp(swap, "0:0", 3) != 0 &&
	    !file_begins("/sys/power/disk", "[disabled]"))
		add_reason(c, false, EXIT_OK, NULL, "a kernel that nvwa starts does not hibernate "
			   "(nohibernate) until the machine is rebooted in the ordinary way");
	if (has_movable_zone())
		add_reason(c, false, EXIT_OK, NULL, "memory that is kept movable (kernelcore=, "
			   "movablecore=, movable_node) is ordinary memory after the update");
}

/* What becomes of the machine if the next kernel dies at once. */
static void check_boot_loader(struct check *c)
{
	_cleanup_free_ char *entry = NULL, *text = NULL;
	struct error err = { 0 };

	if (boot_once_find("", c->result->running, &entry, &err) == 0)
		return;
	if (asprintf(&text, "if the next kernel dies before its programs go on, the machine resets "
		     "and starts what its boot loader starts by default, as that cannot be told to "
		     "start %s: %s", c->result->running, err.text) < 0)
		abort();
	add_reason(c, false, EXIT_OK, NULL, text);
}

/* Programs that have to wait until systemd has brought what they need. */
static void check_ahead(struct check *c)
{
	struct error machine = { 0 };

	if (!c->config->ahead_of_systemd)
		error_set(&machine, ECANCELED, "ahead_of_systemd is switched off");
	else
		ahead_machine_allows(NULL, &machine);
	for (size_t i = 0; i < c->nr_apps; i++) {
		struct error err = machine;
		char text[sizeof(err.text) + 64];

		if (!err.text[0] && ahead_app_allows(&c->apps[i], &err) == 0)
			continue;
		snprintf(text, sizeof(text), "It goes on when systemd has started, and not before: "
			 "%s", err.text);
		add_reason(c, false, EXIT_OK, c->apps[i].name, text);
	}
}

/* One note for what is quieted, and one for what may take its time before the jump. */
static void check_devices(struct check *c)
{
	_cleanup_free_ struct quiet_driver *drivers = NULL;
	struct error err = { 0 };
	size_t nr;
	int r;

	r = quiet_choose("", &c->config->devices, &drivers, &nr, &err);
	if (r < 0) {
		refuse(c, EXIT_TARGET, &err, r);
		return;
	}
	for (int quiet = 1; quiet >= 0; quiet--) {
		_cleanup_free_ char *text = NULL;
		size_t len, listed = 0;
		FILE *out = open_memstream(&text, &len);

		if (!out)
			abort();
		fprintf(out, "at the jump devices of these drivers are %s:",
			quiet ? "only quieted" : "shut down in full");
		for (size_t i = 0; i < nr; i++) {
			if (drivers[i].quiet == quiet)
				fprintf(out, "%s %s (%s)", listed++ ? "," : "", drivers[i].name,
					drivers[i].why);
		}
		if (fclose(out))
			abort();
		if (listed)
			add_reason(c, false, EXIT_OK, NULL, text);
	}
}

static void mount_reason(void *c, const char *text)
{
	add_reason(c, true, EXIT_TARGET, NULL, text);
}

static void check_mounts(struct check *c)
{
	struct error err = { 0 };
	int r = mounts_check_machine(mount_reason, c);

	if (r < 0)
		refuse(c, EXIT_TARGET, &err, r);
}

static int verdict(const struct check_result *result)
{
	int code = EXIT_OK;

	for (size_t i = 0; i < result->nr_reasons; i++) {
		if (!result->reasons[i].fatal)
			continue;
		if (code == EXIT_OK)
			code = result->reasons[i].code;
		else if (code != result->reasons[i].code)
			return EXIT_REFUSED;
	}
	return code;
}

int check_run(const struct config *config, const char *release, bool force,
	      struct check_result *result)
{
	struct check c = { .config = config, .force = force, .result = result };
	size_t nr = config->nr_services + config->nr_pids;
	struct utsname uts;
	int r;

	*result = (struct check_result) { 0 };
	uname(&uts);
	result->running = strdup(uts.release);
	if (geteuid() != 0) {
		/* Most of the rest cannot be seen by others. */
		result->release = release ? strdup(release) : NULL;
		add_reason(&c, true, EXIT_ROOT, NULL, "an update and its check need root. Run "
			   "nvwa through sudo");
		return verdict(result);
	}
	r = check_release(&c, release);
	if (r == -EALREADY)
		return verdict(result);
	app_paths_set_criu(config->criu_exe);
	c.apps = calloc(nr + 1, sizeof(*c.apps));
	result->apps = calloc(nr + 1, sizeof(*result->apps));
	if (!c.apps || !result->apps)
		abort();
	/* A module that cannot be loaded there is a consequence and no further reason. */
	if (check_machine(&c))
		check_keeper(&c);
	if (r == 0)
		check_target(&c);
	check_apps(&c);
	check_ahead(&c);
	check_shared(&c);
	check_memory(&c);
	check_lost(&c);
	check_boot_loader(&c);
	check_devices(&c);
	check_mounts(&c);
	for (size_t i = 0; i < c.nr_apps; i++)
		app_free(&c.apps[i]);
	free(c.apps);
	return verdict(result);
}

void check_free(struct check_result *result)
{
	for (size_t i = 0; i < result->nr_reasons; i++) {
		free(result->reasons[i].app);
		free(result->reasons[i].text);
	}
	for (size_t i = 0; i < result->nr_apps; i++)
		free(result->apps[i].name);
	target_free(result->target);
	free(result->reasons);
	free(result->apps);
	free(result->running);
	free(result->release);
	*result = (struct check_result) { 0 };
}

static void print_reasons(const struct check_result *result, const char *app, FILE *out)
{
	for (size_t i = 0; i < result->nr_reasons; i++) {
		const struct check_reason *reason = &result->reasons[i];

		if ((app == NULL) != (reason->app == NULL) ||
		    (app && strcmp(app, reason->app) != 0))
			continue;
		fprintf(out, "%s%s: %s\n", app ? "    " : "", reason->fatal ? "refused" : "note",
			reason->text);
	}
}

void check_print(const struct check_result *result, FILE *out)
{
	if (result->newest) {
		fprintf(out, "%s\n", result->reasons[0].text);
		return;
	}
	fprintf(out, "%s -> %s\n", result->running, result->release ?: "(no target)");
	for (size_t i = 0; i < result->nr_apps; i++) {
		const struct check_app *app = &result->apps[i];

		if (app->pid)
			fprintf(out, "  %s (PID %d, %zu process%s): %s\n", app->name, app->pid,
				app->nr_pids, app->nr_pids == 1 ? "" : "es",
				app->carried ? "can be carried" : "cannot be carried");
		else
			fprintf(out, "  %s: cannot be carried\n", app->name);
		print_reasons(result, app->name, out);
	}
	print_reasons(result, NULL, out);
	fprintf(out, "%s\n", verdict(result) == EXIT_OK ? "the update can be done" :
		"the update is refused; nothing was touched");
}

static struct json_object *reasons_json(const struct check_result *result)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < result->nr_reasons; i++) {
		const struct check_reason *reason = &result->reasons[i];
		struct json_object *o = json_object_new_object();

		json_put_bool(o, "fatal", reason->fatal);
		json_put_text(o, "kind", reason->fatal ? exit_word(reason->code) : NULL);
		json_put_text(o, "app", reason->app);
		json_put_text(o, "text", reason->text);
		json_object_array_add(list, o);
	}
	return list;
}

static void print_json(const struct check_result *result, int code)
{
	struct json_object *root = json_object_new_object(), *apps = json_object_new_array();

	json_put_bool(root, "ok", code == EXIT_OK);
	json_put_text(root, "verdict", exit_word(code));
	json_put_text(root, "from", result->running);
	json_put_text(root, "to", result->release);
	json_put_number(root, "shared_pages", result->shared_pages);
	for (size_t i = 0; i < result->nr_apps; i++) {
		struct json_object *o = json_object_new_object();

		json_put_text(o, "name", result->apps[i].name);
		json_put_number(o, "pid", result->apps[i].pid);
		json_put_number(o, "processes", result->apps[i].nr_pids);
		json_put_bool(o, "carried", result->apps[i].carried);
		json_object_array_add(apps, o);
	}
	json_object_object_add(root, "apps", apps);
	json_object_object_add(root, "reasons", reasons_json(result));
	puts(json_format(root));
	json_object_put(root);
}

static const struct option options[] = {
	{ "force", no_argument, NULL, 'f' },
	{ "json", no_argument, NULL, 'j' },
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ },
};

int verb_check(int argc, char **argv)
{
	struct check_result result = { 0 };
	struct release_args args = { 0 };
	struct config config = { 0 };
	struct error err = { 0 };
	int code;

	code = release_args_parse("check", argc, argv, options, "h", &args);
	if (code >= 0)
		return code;
	if (config_load(args.config, &config, &err) < 0) {
		struct check broken = { .result = &result };

		add_reason(&broken, true, EXIT_CONFIG, NULL, err.text);
		code = EXIT_CONFIG;
		if (!args.json)
			complain("%s", err.text);
	} else {
		code = check_run(&config, args.release, args.force, &result);
		if (!args.json)
			check_print(&result, stdout);
	}
	if (args.json)
		print_json(&result, code);
	check_free(&result);
	config_free(&config);
	return code;
}
