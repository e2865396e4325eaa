// SPDX-License-Identifier: GPL-2.0-only
/* nvwa resume: the phases of the new kernel that follow nvwa-init, called by systemd's units. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/app.h"
#include "lib/apps/archive.h"
#include "lib/apps/cgroup.h"
#include "lib/apps/criu.h"
#include "lib/apps/first.h"
#include "lib/apps/paths.h"
#include "lib/apps/scope.h"
#include "lib/apps/sockets.h"
#include "lib/apps/takeover.h"
#include "lib/apps/tmp.h"
#include "lib/apps/units.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/kexec/memmap.h"
#include "lib/net/net.h"
#include "lib/record/keeper.h"
#include "tool/ahead.h"
#include "tool/attempt.h"
#include "tool/carry.h"
#include "tool/common.h"
#include "tool/config.h"
#include "tool/filter.h"
#include "tool/outcome.h"
#include "tool/prepared.h"
#include "tool/sizes.h"
#include "tool/verbs.h"

#define LINK_DEADLINE_MS	20000

/* The files of /tmp, where it is a tmpfs and so came up empty. */
static int resume_files(void)
{
	struct error err = { 0 };

	if (tmp_restore(NVWA_STATE_DIR "/" CARRY_TMP, &err) == 0)
		return EXIT_OK;
	complain("not all files of /tmp could be put back: %s", err.text);
	return EXIT_FAILURE;
}

/* To the end of a file of NVWA_STATE_DIR. */
static void add_line(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add_line(const char *path, const char *fmt, ...)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	va_list args;

	if (fd < 0)
		return;
	va_start(args, fmt);
	vdprintf(fd, fmt, args);
	va_end(args);
}

/* A moment that is seen by a process of its own, for the time line. */
static void note_moment(const char *step)
{
	add_line(NVWA_STATE_DIR "/" CARRY_TIMELINE_NEW, "%s %" PRIu64 "\n", step, clock_tsc());
}

/*
 * Programs went ahead and others wait: TCP goes on but for the ports of these. 1: nobody knows
 * them, and all of it stays locked.
 */
static int narrow_lock(struct error *err)
{
	_cleanup_free_ char *ports = NULL;
	int r = file_read(NVWA_STATE_DIR "/" CARRY_PORTS, &ports, NULL);

	return r == -ENOENT ? 1 : r < 0 ? r : net_lock_ports(ports, err);
}

/*
 * ahead: systemd does not run yet. Without lock and guard no link comes up here: peers would be
 * reset, and whoever likes could come in.
 */
static int resume_net(bool ahead)
{
	struct error err = { 0 };
	int r = 1;

	/* What ended the lock may have been the machine's own packet filter. */
	if (access(NVWA_STATE_DIR "/" CARRY_SCOPES, F_OK) == 0)
		r = narrow_lock(&err);
	if (r != 0) {
		memset(&err, 0, sizeof(err));
		r = net_lock_again(&err);
	}
	if (r == 0)
		r = filter_guard(ahead, &err);
	if (r < 0) {
		complain("network links stay down until the machine's own network is set up: %s",
			 err.text);
		return EXIT_FAILURE;
	}
	if (access(NVWA_STATE_DIR "/net", F_OK) == 0 &&
	    net_restore(NVWA_STATE_DIR, LINK_DEADLINE_MS, &err) < 0)
		complain("%s", err.text);
	note_moment("network");
	return EXIT_OK;
}

/*
 * Restore one app and keep what came of it for settle and the report. It is tried once: what
 * a try that was killed has left, files of shared memory for one, is not what it should be.
 */
static int resume_app(const char *name, pid_t placeholder, struct takeover *takeover)
{
	struct app_restored done = { 0 };
	struct error err = { 0 };
	uint64_t start = clock_tsc();
	char dir[PATH_MAX];
	int r;

	r = path_format(dir, sizeof(dir), NVWA_STATE_DIR "/" CARRY_APPS "/%s", name);
	if (r == 0)
		r = outcome_begin(name);
	if (r == 0)
		r = app_restore(dir, placeholder, takeover, &done, &err);
	if (r == -EAGAIN && takeover) {
		complain("%s goes on when systemd has started: %s", name, err.text);
		outcome_put_off(name);
		return EXIT_AGAIN;
	}
	if (r < 0) {
		if (!err.text[0])
			error_set(&err, -r, "%s", strerror(-r));
		complain("%s is not resumed: %s", name, err.text);
	}
	outcome_app(dir, r, &done, start, err.text);
	return r < 0 ? EXIT_FAILURE : EXIT_OK;
}

static int resume_unit(const char *name)
{
	const char *placeholder = getenv("MAINPID");

	if (!placeholder || atoi(placeholder) <= 1) {
		complain("resume --unit runs as ExecStartPost= of a unit that nvwa made");
		return EXIT_USAGE;
	}
	return resume_app(name, atoi(placeholder), NULL);
}

/* The update as the old kernel described it. */
static struct json_object *update_read(void)
{
	struct json_object *update = json_object_from_file(NVWA_STATE_DIR "/" CARRY_UPDATE);

	if (!update)
		complain("cannot read " NVWA_STATE_DIR "/" CARRY_UPDATE ": there is no update "
			 "to resume");
	return update;
}

static int resume_rest(const char *target)
{
	struct error err = { 0 };

	if (first_end(target, &err) == 0)
		return EXIT_OK;
	complain("%s", err.text);
	return EXIT_FAILURE;
}

/* What CRIU knows of this kernel, in the words of the version that made the images. */
static int resume_warm(void)
{
	struct json_object *update = update_read();

	if (!update)
		return EXIT_FAILURE;
	criu_reuse(json_number(update, "criu_version"));
	json_object_put(update);
	return EXIT_OK;
}

/* As in nvwa-resume.service, us: for one, as a slow machine takes longer for many of them. */
#define PROGRAM_TIMEOUT	"180000000"

static int resume_programs(void)
{
	struct json_object *update = update_read(), *apps;
	struct error err = { 0 };
	int status = EXIT_OK;

	if (update && json_object_object_get_ex(update, "apps", &apps)) {
		for (size_t i = 0; i < json_object_array_length(apps); i++) {
			struct json_object *app = json_object_array_get_idx(apps, i);

			if (strcmp(json_text(app, "kind"), "program") != 0 ||
			    outcome_begun(json_text(app, "name")))
				continue;
			sd_notify(0, "EXTEND_TIMEOUT_USEC=" PROGRAM_TIMEOUT);
			if (resume_app(json_text(app, "name"), 0, NULL) != EXIT_OK)
				status = EXIT_FAILURE;
		}
	}
	json_object_put(update);
	/* All sockets exist again, or never will. */
	if (net_unlock(&err) < 0) {
		complain("%s", err.text);
		status = EXIT_FAILURE;
	}
	return status;
}

/*
 * For resume_scopes(), a line each, and for the generator. Other programs may still stand
 * still: no more than that.
 */
static void note_ahead(const char *name)
{
	char mark[PATH_MAX];

	if (path_format(mark, sizeof(mark), NVWA_STATE_DIR "/" CARRY_APPS "/%s/" APPS_AHEAD,
			name) == 0)
		file_write(mark, "", 0, 0600);
	add_line(NVWA_STATE_DIR "/" CARRY_SCOPES, "%s\n", name);
}

/* In a process of its own. A program needs nothing of systemd but a scope, and that later. */
static int restore_ahead(const char *name, int first_fd)
{
	struct takeover takeover = { .first_fd = first_fd };
	char dir[PATH_MAX];
	int status, r = 0;

	status = resume_app(name, 0, &takeover);
	if (status == EXIT_AGAIN)
		return status;
	if (takeover.units)
		r = path_format(dir, sizeof(dir), NVWA_STATE_DIR "/" CARRY_APPS "/%s", name);
	if (r == 0 && takeover.units)
		r = takeover_leave(&takeover, dir);
	if (takeover.units)
		file_write(APPS_UNVERIFIED, "", 0, 0600);
	takeover_free(&takeover);
	if (r < 0) {
		complain("systemd cannot be told that %s runs: %s", name, strerror(-r));
		status = EXIT_FAILURE;
	}
	/* The last thing: nvwa-init ends what has not come so far. */
	note_ahead(name);
	return status;
}

/* What CRIU knows of this kernel, beside other things; its PID, or -1. */
static pid_t start_warm(int version)
{
	pid_t pid = fork();

	if (pid == 0) {
		criu_reuse(version);
		_exit(EXIT_OK);
	}
	return pid;
}

/*
 * Called by nvwa-init before systemd: programs that need nothing of it. If what they do need
 * cannot be had nothing was tried, and they go on with all others.
 */
static int resume_ahead(void)
{
	struct ahead ahead;
	struct error err = { 0 };
	int status = EXIT_OK;
	pid_t warm;

	/* For us, and not for what we execute. */
	fcntl(TAKEOVER_SOCKET, F_SETFD, FD_CLOEXEC);
	if (ahead_read(&ahead, &err) < 0) {
		complain("%s", err.text);
		return EXIT_FAILURE;
	}
	if (ahead_make_ready(&ahead, &err) < 0) {
		complain("programs go on when systemd has started: %s", err.text);
		ahead_free(&ahead);
		return EXIT_FAILURE;
	}
	warm = start_warm(ahead.criu_version);
	resume_files();
	status = resume_net(true);
	if (warm > 0)
		waitpid(warm, NULL, 0);
	if (status != EXIT_OK) {
		complain("programs go on when systemd has started");
		ahead_free(&ahead);
		return status;
	}
	/* Once is enough, also if services are yet to come. */
	unlink(NVWA_STATE_DIR "/" CARRY_TMP);
	tree_remove(NVWA_STATE_DIR "/net");
	if (!ahead_restore(&ahead, restore_ahead, &status, &err)) {
		unlink(NVWA_STATE_DIR "/" CARRY_PORTS);
	} else if (ahead.whole) {
		net_unlock(&err);
		file_write(NVWA_STATE_DIR "/" APPS_WHOLE, "", 0, 0600);
		first_give_up();
	} else {
		narrow_lock(&err);
	}
	if (err.text[0])
		complain("%s", err.text);
	ahead_free(&ahead);
	return status;
}

/*
 * A program becomes a unit; of a service systemd knows, as a rule. 1: it has to be started
 * afresh.
 */
static int settle_ahead(const char *name, struct error *err)
{
	struct json_object *result = outcome_read(name);
	const pid_t pid = json_number(result, "pid");
	const bool resumed = outcome_resumed(name);
	char path[PATH_MAX];
	int r;

	json_object_put(result);
	if (strncmp(name, "pid-", 4) == 0)
		return resumed ? scope_register(pid, err) : 0;
	if (!resumed)
		return 1;
	r = takeover_verify(name, pid, err);
	if (r > 0) {
		/* Nobody knows of it, and there must not be two of them. */
		if (path_format(path, sizeof(path), NVWA_STATE_DIR "/" CARRY_APPS
				"/%s/" APP_CGROUP_FILE, name) == 0)
			cgroup_kill_noted(path);
		outcome_take_back(name, err->text);
	}
	return r;
}

/* What went ahead is told to systemd. */
static int resume_scopes(void)
{
	_cleanup_free_ char *names = NULL, *fresh = NULL;
	struct error err = { 0 };
	int status = EXIT_OK, r;
	char *rest, *name;

	if (file_read(NVWA_STATE_DIR "/" CARRY_SCOPES, &names, NULL) < 0)
		return EXIT_OK;
	fresh = calloc(1, strlen(names) + 1);
	rest = names;
	while (fresh && (name = strsep(&rest, "\n"))) {
		if (!*name)
			continue;
		memset(&err, 0, sizeof(err));
		r = settle_ahead(name, &err);
		if (r > 0)
			strcat(strcat(fresh, name), "\n");
		if (err.text[0]) {
			complain("%s", err.text);
			status = EXIT_FAILURE;
		}
	}
	unlink(APPS_UNVERIFIED);
	rest = fresh;
	while (fresh && (name = strsep(&rest, "\n"))) {
		memset(&err, 0, sizeof(err));
		if (*name && apps_start_fresh(name, &err) < 0) {
			complain("%s", err.text);
			status = EXIT_FAILURE;
		}
	}
	return status;
}

/* The packet filter gets to know the connections of those that run again. */
static void probe_connections(void)
{
	struct json_object *update = update_read(), *apps = json_get(update, "apps");

	for (size_t i = 0; i < json_length(apps); i++) {
		const char *name = json_text(json_object_array_get_idx(apps, i), "name");
		struct json_object *result = outcome_read(name);
		struct error err = { 0 };
		struct app app;
		int r;

		r = !outcome_resumed(name) ? -ENOENT : strncmp(name, "pid-", 4) == 0 ?
		    app_find_program(json_number(result, "pid"), &app, &err) :
		    app_find_service(name, &app, &err);
		json_object_put(result);
		if (r < 0)
			continue;
		r = sockets_probe(&app);
		if (r < 0)
			complain("connections of %s may stall: %s", name, strerror(-r));
		app_free(&app);
	}
	json_object_put(update);
}

/* All that comes before the network has started; at last: the network has, too. */
static int resume_filter(bool at_last)
{
	struct error err = { 0 };
	int r = filter_lift(at_last, &err);

	if (r < 0 || err.text[0])
		complain("%s", err.text);
	if (!at_last && r == 0)
		probe_connections();
	return r < 0 || err.text[0] ? EXIT_FAILURE : EXIT_OK;
}

static int add_hidden(int keeper)
{
	_cleanup_free_ char *text = NULL;
	struct memmap hidden = { 0 };
	int r, result = 0;

	r = file_read(NVWA_STATE_DIR "/" CARRY_HIDDEN, &text, NULL);
	if (r == 0)
		r = memmap_parse(text, &hidden);
	if (r < 0) {
		complain("cannot read the list of hidden memory: %s", strerror(-r));
		return r;
	}
	for (size_t i = 0; i < hidden.nr; i++) {
		struct nvwa_add_memory add = {
			.nid = hidden.entries[i].nid,
			.start = hidden.entries[i].start,
			.len = hidden.entries[i].len,
		};

		r = keeper_add_memory(keeper, &add);
		if (r < 0) {
			complain("memory %#llx-%#llx could not be added: %s",
				 (unsigned long long)add.start,
				 (unsigned long long)(add.start + add.len), strerror(-r));
			result = r;
		}
	}
	memmap_free(&hidden);
	return result;
}

static void give_back_sysctls(struct json_object *update)
{
	struct json_object *sysctls;

	if (!json_object_object_get_ex(update, "sysctls", &sysctls))
		return;
	json_object_object_foreach(sysctls, name, value) {
		char path[PATH_MAX];
		const char *text = json_object_get_string(value);

		if (path_format(path, sizeof(path), "/proc/sys/%s", name) == 0)
			file_write(path, text, strlen(text), 0644);
	}
}

/* Those of the same place that came out smaller, as they were mounted with little RAM. */
static void give_back_tmpfs(struct json_object *update)
{
	struct json_object *sizes = json_get(update, "tmpfs");

	if (!sizes)
		return;
	json_object_object_foreach(sizes, path, value) {
		unsigned long long size = json_number(value, "bytes"), now;
		unsigned long long inodes = json_number(value, "inodes");
		char options[80];
		struct statvfs st;
		struct statfs fs;

		if (statfs(path, &fs) < 0 || fs.f_type != TMPFS_MAGIC || statvfs(path, &st) < 0)
			continue;
		now = st.f_blocks * st.f_frsize;
		if (now >= size && st.f_files >= inodes)
			continue;
		if (path_format(options, sizeof(options), "remount,size=%llu,nr_inodes=%llu",
				now > size ? now : size,
				st.f_files > inodes ? st.f_files : inodes) < 0)
			continue;
		char *const argv[] = { "mount", "-o", options, (char *)path, NULL };

		if (command_run(argv, NULL) != 0)
			complain("%s keeps a smaller size than before", path);
	}
}

/* A service that could not be resumed is started from its own unit, as after a reboot. */
static int resume_fresh(const char *unit)
{
	struct error err = { 0 };

	if (apps_start_fresh(unit, &err) == 0)
		return EXIT_OK;
	complain("%s", err.text);
	return EXIT_FAILURE;
}

/* What the old kernel stopped, also what no boot would start: it ran when the update came. */
static void start_stopped(void)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *name;

	if (file_read(NVWA_STATE_DIR "/" CARRY_STOPPED, &text, NULL) < 0)
		return;
	rest = text;
	while ((name = strsep(&rest, "\n"))) {
		/* The jobs may have to wait for this very unit. */
		char *const argv[] = { "systemctl", "--no-block", "start", name, NULL };

		if (*name && command_run(argv, NULL) != 0)
			complain("%s was stopped for the update and cannot be started", name);
	}
}

/* The rest of memory: what is started from now on sees the whole machine. */
static int resume_memory(void)
{
	struct error err = { 0 };
	_cleanup_close_ int keeper = keeper_open(&err);
	int status = EXIT_OK;

	if (keeper < 0) {
		complain("%s", err.text);
		return EXIT_FAILURE;
	}
	if (add_hidden(keeper) < 0)
		status = EXIT_FAILURE;
	sizes_put_right();
	return status;
}

static void note_first_packet(int keeper)
{
	struct nvwa_info info;
	uint64_t tsc;

	if (keeper_info(keeper, &info) == 0 && net_first_packet(info.tsc_khz, &tsc) == 0)
		timeline_stamp_at("first-packet", tsc);
}

static int resume_settle(void)
{
	struct json_object *update = update_read();
	struct nvwa_release release = { 0 };
	struct error err = { 0 };
	_cleanup_close_ int keeper = -1;
	int status = EXIT_OK, r;

	if (net_unlock(&err) < 0)
		complain("%s", err.text);
	memset(&err, 0, sizeof(err));
	resume_filter(true);
	unlink(APPS_UNVERIFIED);
	if (apps_forget_units(&err) < 0) {
		complain("%s", err.text);
		status = EXIT_FAILURE;
	}
	start_stopped();
	keeper = keeper_open(&err);
	if (keeper < 0) {
		complain("%s", err.text);
		json_object_put(update);
		return EXIT_FAILURE;
	}
	if (add_hidden(keeper) < 0)
		status = EXIT_FAILURE;
	r = keeper_release(keeper, &release);
	if (r < 0) {
		complain("memory that nobody claimed could not be freed: %s", strerror(-r));
		status = EXIT_FAILURE;
	}
	/* rcupdate.rcu_expedited=1 was for a fast boot only. */
	file_write("/sys/kernel/rcu_expedited", "0", 1, 0644);
	note_first_packet(keeper);
	timeline_stamp("settled");
	prepared_done();
	if (update) {
		give_back_sysctls(update);
		give_back_tmpfs(update);
		if (outcome_write(update, keeper, &release) < 0)
			status = EXIT_FAILURE;
	}
	json_object_put(update);
	memset(&err, 0, sizeof(err));
	if (attempt_end(&err) < 0) {
		complain("%s", err.text);
		status = EXIT_FAILURE;
	}
	if (file_write(NVWA_STATE_DIR "/" CARRY_SETTLED, "", 0, 0600) < 0)
		status = EXIT_FAILURE;
	return status;
}

static const struct option options[] = {
	{ "ahead", no_argument, NULL, 'a' },
	{ "scopes", no_argument, NULL, 'c' },
	{ "filter", no_argument, NULL, 'i' },
	{ "open", no_argument, NULL, 'o' },
	{ "files", no_argument, NULL, 'f' },
	{ "net", no_argument, NULL, 'n' },
	{ "unit", required_argument, NULL, 'u' },
	{ "fresh", required_argument, NULL, 'r' },
	{ "programs", no_argument, NULL, 'p' },
	{ "warm", no_argument, NULL, 'w' },
	{ "rest", required_argument, NULL, 'e' },
	{ "memory", no_argument, NULL, 'm' },
	{ "settle", no_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What the administrator wrote holds on this side, too; with a broken file the defaults do. */
static void take_config(struct config *config)
{
	struct error err = { 0 };

	if (config_load(NULL, config, &err) < 0) {
		complain("%s", err.text);
		return;
	}
	app_paths_set_criu(config->criu_exe);
	if (config->debug)
		setenv(CARRY_DEBUG_ENV, CARRY_DEBUG_LEVEL, true);
}

int verb_resume(int argc, char **argv)
{
	struct config config = { 0 };

	take_config(&config);
	switch (getopt_long(argc, argv, "h", options, NULL)) {
	case 'a':
		return resume_ahead();
	case 'c':
		return resume_scopes();
	case 'i':
		return resume_filter(false);
	case 'o':
		return resume_filter(true);
	case 'f':
		return resume_files();
	case 'n':
		return resume_net(false);
	case 'u':
		return resume_unit(optarg);
	case 'r':
		return resume_fresh(optarg);
	case 'p':
		return resume_programs();
	case 'w':
		return resume_warm();
	case 'e':
		return resume_rest(optarg);
	case 'm':
		return resume_memory();
	case 's':
		return resume_settle();
	case 'h':
		return verb_usage("resume");
	default:
		complain("resume is called by systemd during an update; see nvwa(8)");
		return EXIT_USAGE;
	}
}
