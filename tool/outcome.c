// SPDX-License-Identifier: GPL-2.0-only
/* What came of an update: a result for each app, and the report that stays. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/record/keeper.h"
#include "tool/carry.h"
#include "tool/machine.h"
#include "tool/outcome.h"

/* In the directory of an app. */
#define OUTCOME_FILE	"result.json"
#define BEGUN_FILE	"begun"

static int begun_path(const char *name, char *path, size_t size)
{
	return path_format(path, size, NVWA_STATE_DIR "/" CARRY_APPS "/%s/" BEGUN_FILE, name);
}

int outcome_begin(const char *name)
{
	char path[PATH_MAX];
	int fd, r;

	r = begun_path(name, path, sizeof(path));
	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

bool outcome_begun(const char *name)
{
	char path[PATH_MAX];

	return begun_path(name, path, sizeof(path)) == 0 && access(path, F_OK) == 0;
}

void outcome_put_off(const char *name)
{
	char path[PATH_MAX];

	if (begun_path(name, path, sizeof(path)) == 0)
		unlink(path);
}

static int write_json(const char *path, struct json_object *o, mode_t mode)
{
	const char *text = json_format(o);

	return text ? file_write(path, text, strlen(text), mode) : -ENOMEM;
}

int outcome_app(const char *dir, int status, const struct app_restored *done,
		uint64_t start, const char *detail)
{
	struct json_object *o = json_object_new_object();
	uint64_t end = status < 0 || !done->run_tsc ? clock_tsc() : done->run_tsc;
	char path[PATH_MAX];
	int r;

	json_put_text(o, "outcome", status < 0 ? "failed" : "resumed");
	json_put_text(o, "detail", detail);
	json_put_number(o, "pid", done->pid);
	json_put_number(o, "inserted", done->nr_inserted);
	json_put_number(o, "copied", done->nr_copied);
	json_put_number(o, "start_tsc", start);
	json_put_number(o, "insert_ticks", done->insert_ticks);
	json_put_number(o, "tsc", end);
	r = path_format(path, sizeof(path), "%s/" OUTCOME_FILE, dir);
	if (r == 0)
		r = write_json(path, o, 0600);
	json_object_put(o);
	return r;
}

struct json_object *outcome_read(const char *name)
{
	char path[PATH_MAX];

	if (path_format(path, sizeof(path), NVWA_STATE_DIR "/" CARRY_APPS "/%s/" OUTCOME_FILE,
			name) < 0)
		return NULL;
	return json_object_from_file(path);
}

void outcome_take_back(const char *name, const char *detail)
{
	struct json_object *o = outcome_read(name);
	char path[PATH_MAX];

	if (o && path_format(path, sizeof(path), NVWA_STATE_DIR "/" CARRY_APPS "/%s/" OUTCOME_FILE,
			     name) == 0) {
		json_put_text(o, "outcome", "failed");
		json_put_text(o, "detail", detail);
		write_json(path, o, 0600);
	}
	json_object_put(o);
}

static bool is_resumed(struct json_object *result)
{
	struct json_object *outcome;

	return json_object_object_get_ex(result, "outcome", &outcome) &&
	       strcmp(json_object_get_string(outcome), "resumed") == 0;
}

bool outcome_resumed(const char *name)
{
	struct json_object *result = outcome_read(name);
	bool resumed = is_resumed(result);

	json_object_put(result);
	return resumed;
}

/* A time line: named moments of both kernels on one clock. */
struct stamp {
	char step[32];
	uint64_t tsc;
};

#define MAX_STAMPS	256

struct stamps {
	struct stamp list[MAX_STAMPS];
	size_t nr;
};

static void add_stamp(struct stamps *s, const char *step, uint64_t tsc)
{
	if (s->nr == MAX_STAMPS)
		return;
	snprintf(s->list[s->nr].step, sizeof(s->list[0].step), "%s", step);
	s->list[s->nr++].tsc = tsc;
}

static void add_lines(struct stamps *s, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char step[32];
		uint64_t tsc;

		if (sscanf(line, "%31s %" SCNu64, step, &tsc) == 2)
			add_stamp(s, step, tsc);
	}
}

static void add_file(struct stamps *s, const char *path)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(path, &text, NULL) == 0)
		add_lines(s, text);
}

static int by_time(const void *a, const void *b)
{
	const struct stamp *x = a, *y = b;

	return x->tsc < y->tsc ? -1 : x->tsc > y->tsc;
}

/* systemd's own moments, us of CLOCK_MONOTONIC: "NAME=NUMBER" lines of its properties. */
static void add_systemd(struct stamps *s, uint32_t tsc_khz)
{
	static const struct {
		const char *property, *step;
	} moments[] = {
		{ "UserspaceTimestampMonotonic", "systemd" },
		{ "GeneratorsFinishTimestampMonotonic", "generators" },
		{ "UnitsLoadFinishTimestampMonotonic", "units-loaded" },
	};
	char *const argv[] = { "systemctl", "show", "-p", (char *)moments[0].property,
			       "-p", (char *)moments[1].property,
			       "-p", (char *)moments[2].property, NULL };
	_cleanup_free_ char *text = NULL;
	struct timespec now;
	uint64_t tsc;

	if (command_run(argv, &text) != 0)
		return;
	tsc = clock_tsc();
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		const char *at = strstr(text, moments[i].property);
		double us;

		if (!at || sscanf(at + strlen(moments[i].property), "=%lf", &us) != 1)
			continue;
		add_stamp(s, moments[i].step, tsc - (uint64_t)((now.tv_sec * 1e3 +
			  now.tv_nsec / 1e6 - us / 1e3) * tsc_khz));
	}
}

static void add_app(struct stamps *s, const char *name, struct json_object *result)
{
	static const char *const moments[][2] = {
		{ "stop_tsc", "stopped" }, { "start_tsc", "restore" },
	};

	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
		if (json_number(result, moments[i][0]))
			add_stamp(s, moments[i][1], json_number(result, moments[i][0]));
	add_stamp(s, name, json_number(result, "tsc"));
}

/* The first stamp of that name, 0 if there is none. */
static uint64_t stamp(const struct stamps *s, const char *step)
{
	for (size_t i = 0; i < s->nr; i++)
		if (strcmp(s->list[i].step, step) == 0)
			return s->list[i].tsc;
	return 0;
}

static void add_phase(struct json_object *phases, const char *name, uint64_t from, uint64_t to,
		      uint32_t tsc_khz)
{
	struct json_object *phase;

	if (!from || to < from || !tsc_khz)
		return;
	phase = json_object_new_object();
	json_put_text(phase, "name", name);
	json_put_double(phase, "ms", (double)(to - from) / tsc_khz);
	json_put_number(phase, "start_tsc", from);
	json_put_number(phase, "end_tsc", to);
	json_object_array_add(phases, phase);
}

static struct json_object *phase_list(const struct stamps *s, uint64_t resumed, uint32_t tsc_khz)
{
	struct json_object *phases = json_object_new_array();

	add_phase(phases, "prepare", stamp(s, "prepare"), stamp(s, "freeze"), tsc_khz);
	add_phase(phases, "freeze", stamp(s, "freeze"), stamp(s, "jump"), tsc_khz);
	add_phase(phases, "jump and boot", stamp(s, "jump"), stamp(s, "init-start"), tsc_khz);
	add_phase(phases, "adopt", stamp(s, "init-start"), stamp(s, "root-entered"), tsc_khz);
	add_phase(phases, "resume", stamp(s, "root-entered"), resumed, tsc_khz);
	add_phase(phases, "settle", resumed, stamp(s, "settled"), tsc_khz);
	return phases;
}

int outcome_write(struct json_object *update, int keeper, const struct nvwa_release *release)
{
	struct json_object *last = NULL, *apps, *list = json_object_new_array();
	_cleanup_free_ char *own = timeline_text();
	uint64_t inserted = 0, copied = 0, resumed = 0;
	struct stamps stamps = { .nr = 0 };
	struct json_object *pages, *steps;
	struct nvwa_info info;
	bool all = true;
	int r;

	r = keeper_info(keeper, &info);
	if (r < 0)
		return r;
	add_file(&stamps, NVWA_STATE_DIR "/" CARRY_TIMELINE_OLD);
	add_file(&stamps, NVWA_STATE_DIR "/" CARRY_TIMELINE_INIT);
	add_file(&stamps, NVWA_STATE_DIR "/" CARRY_TIMELINE_NEW);
	add_systemd(&stamps, info.tsc_khz);
	if (json_object_deep_copy(update, &last, NULL) < 0)
		return -ENOMEM;
	json_object_object_del(last, "sysctls");
	if (!json_object_object_get_ex(last, "apps", &apps))
		apps = NULL;
	for (size_t i = 0; apps && i < json_object_array_length(apps); i++) {
		struct json_object *app = json_object_array_get_idx(apps, i), *name;
		struct json_object *result;

		json_object_object_get_ex(app, "name", &name);
		result = outcome_read(json_object_get_string(name));
		if (!result) {
			result = json_object_new_object();
			json_put_text(result, "outcome", "failed");
			json_put_text(result, "detail",
				      outcome_begun(json_object_get_string(name)) ?
				      "its restore did not end" : "its restore was never started");
		}
		all = all && is_resumed(result);
		inserted += json_number(result, "inserted");
		copied += json_number(result, "copied");
		if (is_resumed(result) && (uint64_t)json_number(result, "tsc") > resumed)
			resumed = json_number(result, "tsc");
		json_put_number(result, "stop_tsc", json_number(app, "stop_tsc"));
		add_app(&stamps, json_object_get_string(name), result);
		json_object_object_add(result, "name", json_object_get(name));
		json_object_array_add(list, result);
	}
	json_object_object_add(last, "apps", list);
	if (own)
		add_lines(&stamps, own);
	qsort(stamps.list, stamps.nr, sizeof(stamps.list[0]), by_time);
	json_put_text(last, "outcome", all ? "resumed" : "incomplete");
	json_put_number(last, "finished", time(NULL));
	if (json_object_object_get_ex(last, "pages", &pages)) {
		json_put_number(pages, "inserted", inserted);
		json_put_number(pages, "copied", copied);
		json_put_number(pages, "wiped", release->nr_wiped);
	}
	json_put_number(last, "tsc_khz", info.tsc_khz);
	if (!json_get(last, "clock_doubt"))
		json_put_text(last, "clock_doubt", machine_clock_doubt(""));
	if (resumed && info.tsc_khz)
		json_put_double(last, "blackout_ms",
				(double)(resumed - stamp(&stamps, "freeze")) / info.tsc_khz);
	json_object_object_add(last, "phases", phase_list(&stamps, resumed, info.tsc_khz));
	steps = json_object_new_array();
	for (size_t i = 0; i < stamps.nr; i++) {
		struct json_object *step = json_object_new_object();

		json_put_text(step, "step", stamps.list[i].step);
		json_put_number(step, "tsc", stamps.list[i].tsc);
		json_object_array_add(steps, step);
	}
	json_object_object_add(last, "timeline", steps);
	/* nvwa status shows it to everybody: it tells of times, and of programs by their names. */
	r = write_json(CARRY_LAST, last, 0644);
	json_object_put(last);
	return r;
}
