// SPDX-License-Identifier: GPL-2.0-only
/* nvwa status: what runs, and what came of the last update. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/app.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/record/keeper.h"
#include "tool/attempt.h"
#include "tool/carry.h"
#include "tool/common.h"
#include "tool/config.h"
#include "tool/prepared.h"
#include "tool/verbs.h"

/* The module's state in a word: "absent" where it is not loaded or we may not ask. */
static const char *module_state(void)
{
	static const char *const words[] = {
		[NVWA_STATE_IDLE] = "idle",
		[NVWA_STATE_CAPTURING] = "capturing",
		[NVWA_STATE_SEALED] = "sealed",
		[NVWA_STATE_ADOPTED] = "adopted",
	};
	_cleanup_close_ int keeper = -1;
	struct nvwa_info info;

	if (access(NVWA_DEVICE, F_OK) < 0)
		return "absent";
	if (geteuid() != 0)
		return "loaded";
	keeper = keeper_open(NULL);
	if (keeper < 0)
		return "unusable";
	if (keeper_info(keeper, &info) < 0 || info.state >= sizeof(words) / sizeof(words[0]))
		return "unusable";
	return words[info.state];
}

/* Pages that the module keeps from the kernel at this moment; 0 if nobody can tell. */
static long long held_pages(void)
{
	_cleanup_close_ int keeper = geteuid() == 0 ? keeper_open(NULL) : -1;
	struct nvwa_info info;

	return keeper < 0 || keeper_info(keeper, &info) < 0 ? 0 : info.nr_held;
}

/* Where an update stands at this moment. */
static const char *progress(void)
{
	if (lock_is_held())
		return "updating";
	if (trail_exists())
		return "interrupted";
	if (access(NVWA_STATE_DIR "/" CARRY_FAILED, F_OK) == 0)
		return "failed";
	if (access(NVWA_STATE_DIR "/" CARRY_UPDATE, F_OK) == 0 &&
	    access(NVWA_STATE_DIR "/" CARRY_SETTLED, F_OK) < 0)
		return "resuming";
	return "idle";
}

static void add_app(struct json_object *list, const char *name, int found, struct app *app)
{
	struct json_object *o = json_object_new_object();

	json_put_text(o, "name", name);
	json_put_bool(o, "running", found == 0);
	json_put_number(o, "pid", found == 0 ? app->pid : 0);
	json_put_number(o, "processes", found == 0 ? app->nr_pids : 0);
	json_object_array_add(list, o);
	if (found == 0)
		app_free(app);
}

static struct json_object *configured(const struct config *config)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < config->nr_services; i++) {
		struct app app = { 0 };

		add_app(list, config->services[i],
			app_find_service(config->services[i], &app, NULL), &app);
	}
	for (size_t i = 0; i < config->nr_pids; i++) {
		struct app app = { 0 };
		char name[32];

		snprintf(name, sizeof(name), "pid-%d", config->pids[i]);
		add_app(list, name, app_find_program(config->pids[i], &app, NULL), &app);
	}
	return list;
}

static void put_file(struct json_object *o, const char *key, const char *path)
{
	_cleanup_free_ char *line = NULL;

	if (file_read(path, &line, NULL) == 0)
		line[strcspn(line, "\n")] = '\0';
	json_put_text(o, key, line);
}

static struct json_object *collect(const struct config *config)
{
	struct json_object *root = json_object_new_object();
	struct utsname uts;

	uname(&uts);
	json_put_text(root, "running", uts.release);
	put_file(root, "boot_id", "/proc/sys/kernel/random/boot_id");
	json_put_text(root, "version", NVWA_VERSION);
	json_put_text(root, "module", module_state());
	json_put_number(root, "held_pages", held_pages());
	json_put_text(root, "state", progress());
	put_file(root, "failure", NVWA_STATE_DIR "/" CARRY_FAILED);
	json_object_object_add(root, "prepared", prepared_json());
	json_object_object_add(root, "configured", configured(config));
	json_object_object_add(root, "failed", attempt_failed());
	json_object_object_add(root, "last", json_object_from_file(CARRY_LAST));
	return root;
}

static void print_when(const char *label, long long seconds)
{
	time_t when = seconds;
	struct tm tm;
	char buf[64];

	if (seconds && localtime_r(&when, &tm) && strftime(buf, sizeof(buf), "%F %T %Z", &tm))
		printf("%s%s\n", label, buf);
}

static void print_last(struct json_object *last)
{
	static const char *const kinds[] = {
		"pinned", "evacuated", "unshared", "inserted", "copied",
	};
	struct json_object *phases = json_get(last, "phases"), *apps = json_get(last, "apps");
	struct json_object *pages = json_get(last, "pages"), *notes = json_get(last, "notes");

	printf("\nlast update  %s -> %s: %s\n", json_text(last, "from"), json_text(last, "to"),
	       json_text(last, "outcome"));
	print_when("  started    ", json_number(last, "started"));
	print_when("  finished   ", json_number(last, "finished"));
	if (json_get(last, "blackout_ms"))
		printf("  blackout   %.1f ms\n",
		       json_object_get_double(json_get(last, "blackout_ms")));
	if (json_length(phases))
		printf("  phases\n");
	for (size_t i = 0; i < json_length(phases); i++) {
		struct json_object *phase = json_object_array_get_idx(phases, i);

		printf("    %-16s %10.1f ms\n", json_text(phase, "name"),
		       json_object_get_double(json_get(phase, "ms")));
	}
	if (pages) {
		printf("  pages      ");
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			printf("%s%lld %s", i ? ", " : "", json_number(pages, kinds[i]), kinds[i]);
		printf("\n");
	}
	for (size_t i = 0; i < json_length(apps); i++) {
		struct json_object *app = json_object_array_get_idx(apps, i);
		const char *detail = json_text(app, "detail");

		printf("  %s (PID %lld): %s, %lld pages inserted, %lld copied\n",
		       json_text(app, "name"), json_number(app, "pid"), json_text(app, "outcome"),
		       json_number(app, "inserted"), json_number(app, "copied"));
		if (*detail)
			printf("    %s\n", detail);
	}
	for (size_t i = 0; i < json_length(notes); i++)
		printf("  note: %s\n",
		       json_object_get_string(json_object_array_get_idx(notes, i)));
}

/* The note is root's alone: others see the last update that came to its end. */
static void print_failed(struct json_object *failed)
{
	printf("\nfailed       %s -> %s: that kernel died, could not take the programs over, "
	       "or the machine was reset\n", json_text(failed, "from"), json_text(failed, "to"));
	print_when("  started    ", json_number(failed, "started"));
}

static void print_state(struct json_object *root)
{
	const char *state = json_text(root, "state");

	if (strcmp(state, "updating") == 0)
		printf("update       one is in progress\n");
	else if (strcmp(state, "resuming") == 0)
		printf("update       programs are being resumed\n");
	else if (strcmp(state, "interrupted") == 0)
		printf("update       one was interrupted. Clean up with: nvwa init\n");
	else if (strcmp(state, "failed") == 0)
		printf("update       the record was not taken: %s\n", json_text(root, "failure"));
	else
		printf("update       none in progress\n");
}

static void print_status(struct json_object *root)
{
	struct json_object *apps = json_get(root, "configured"), *last = json_get(root, "last");

	printf("kernel       %s\n", json_text(root, "running"));
	printf("module       %s\n", json_text(root, "module"));
	print_state(root);
	prepared_print(json_get(root, "prepared"));
	printf("to be carried\n");
	for (size_t i = 0; i < json_length(apps); i++) {
		struct json_object *app = json_object_array_get_idx(apps, i);
		long long nr = json_number(app, "processes");

		if (json_object_get_boolean(json_get(app, "running")))
			printf("  %s (PID %lld, %lld process%s)\n", json_text(app, "name"),
			       json_number(app, "pid"), nr, nr == 1 ? "" : "es");
		else
			printf("  %s: does not run\n", json_text(app, "name"));
	}
	if (json_length(apps) == 0)
		printf("  nothing\n");
	if (json_get(root, "failed"))
		print_failed(json_get(root, "failed"));
	if (last)
		print_last(last);
	else
		printf("\nlast update  none is recorded\n");
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ },
};

int verb_status(int argc, char **argv)
{
	struct json_object *root;
	struct config config = { 0 };
	struct error err = { 0 };
	const char *path = NULL;
	bool json = false;
	int c, status = EXIT_OK;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'c':
			path = optarg;
			break;
		case 'h':
			return verb_usage("status");
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		complain("status takes no argument, but was given %s", argv[optind]);
		return EXIT_USAGE;
	}
	/* A broken file is said, and the rest shown all the same. */
	if (config_load(path, &config, &err) < 0) {
		complain("%s", err.text);
		status = EXIT_CONFIG;
	}
	root = collect(&config);
	if (json)
		puts(json_format(root));
	else
		print_status(root);
	json_object_put(root);
	config_free(&config);
	return status;
}
