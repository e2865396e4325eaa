// SPDX-License-Identifier: GPL-2.0-only
/* The time line of an update: read from its report, shown as a table or as JSON. */
#include "tool/timeline.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"

/* What ends with each stamp, in the order of an update. */
static const struct {
	const char *name, *text;
	bool new_kernel;
} known[] = {
	{ "stopped", "packets are held, CRIU starts", false },
	{ "dumped", "CRIU describes the programs", false },
	{ "captured", "their pages are captured", false },
	{ "saved", "files go into the record", false },
	{ "described", "the machine is described", false },
	{ "jump", "all else is frozen, the record is sealed", false },
	{ "kernel-told", "the kernel is told to jump", false },
	{ "devices-quieted", "devices are quieted or shut down", false },
	{ "cpus-parked", "all other CPUs are parked", false },
	{ "kernel-entry", "the jump", false },
	{ "init-start", "the kernel boots", true },
	{ "modules", "nvwa-init loads modules", true },
	{ "adopted", "the record is checked", true },
	{ "memory-added", "memory with pages is added", true },
	{ "record-unpacked", "files come out of the record", true },
	{ "root-mounted", "the root is mounted", true },
	{ "root-entered", "the root becomes the root", true },
	{ "exec-init", "nvwa-init is done", true },
	{ "systemd", "systemd is started", true },
	{ "generators", "systemd runs its generators", true },
	{ "units-loaded", "systemd loads its units", true },
	{ "network", "the network is set up", true },
	{ "restore", "the restore is started", true },
	{ "first-packet", "the first packet goes out", true },
	{ "settled", "the machine settles", true },
};

struct moment {
	const char *name;
	uint64_t tsc;
};

static int by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	return x->tsc < y->tsc ? -1 : x->tsc > y->tsc;
}

static void describe(struct timeline_step *s)
{
	s->text = "restored";
	s->new_kernel = true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, s->name) == 0) {
			s->text = known[i].text;
			s->new_kernel = known[i].new_kernel;
		}
	}
}

static void read_apps(struct timeline *t, struct json_object *apps, uint64_t freeze, double khz)
{
	for (size_t i = 0; i < json_length(apps); i++) {
		struct json_object *o = json_object_array_get_idx(apps, i);
		struct timeline_app *a = &t->apps[t->nr_apps];
		uint64_t start = json_number(o, "start_tsc"), end = json_number(o, "tsc");
		uint64_t stop = json_number(o, "stop_tsc");

		/* What never was started has no times. */
		if (start < freeze || end < start)
			continue;
		a->name = json_text(o, "name");
		a->stop = stop > freeze ? (stop - freeze) / khz : 0;
		a->start = (start - freeze) / khz;
		a->end = (end - freeze) / khz;
		a->insertion = json_number(o, "insert_ticks") / khz;
		a->resumed = strcmp(json_text(o, "outcome"), "resumed") == 0;
		if (a->resumed && a->end > t->blackout)
			t->blackout = a->end;
		t->nr_apps++;
	}
}

static void read_steps(struct timeline *t, const struct moment *moments, size_t nr, double khz)
{
	double last = 0;

	for (size_t i = 0; i < nr; i++) {
		struct timeline_step *s = &t->steps[t->nr_steps];
		double within;

		s->name = moments[i].name;
		s->start = last;
		s->end = last = (moments[i].tsc - moments[0].tsc) / khz;
		/* The freeze itself takes no time. */
		if (i == 0)
			continue;
		within = (s->end < t->blackout ? s->end : t->blackout) - s->start;
		s->share = within > 0 ? within / t->blackout : 0;
		describe(s);
		/* Where no CPU is to be parked nobody of ours sees the moment in between. */
		if (!strcmp(s->name, "kernel-entry") && !strcmp(moments[i - 1].name, "kernel-told"))
			s->text = "devices are shut down, the jump";
		t->nr_steps++;
	}
	t->end = last;
}

int timeline_read(struct timeline *t, struct json_object *report)
{
	struct json_object *list = json_get(report, "timeline"), *apps = json_get(report, "apps");
	double khz = json_number(report, "tsc_khz");
	struct moment *moments;
	uint64_t freeze = 0;
	size_t nr = 0;

	memset(t, 0, sizeof(*t));
	t->from = json_text(report, "from");
	t->to = json_text(report, "to");
	t->doubt = json_text(report, "clock_doubt");
	moments = calloc(json_length(list) + 1, sizeof(*moments));
	t->steps = calloc(json_length(list) + 1, sizeof(*t->steps));
	t->apps = calloc(json_length(apps) + 1, sizeof(*t->apps));
	if (!moments || !t->steps || !t->apps) {
		free(moments);
		return -ENOMEM;
	}
	for (size_t i = 0; i < json_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (strcmp(json_text(o, "step"), "freeze") == 0)
			freeze = json_number(o, "tsc");
	}
	for (size_t i = 0; i < json_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		uint64_t tsc = json_number(o, "tsc");

		if (freeze && tsc >= freeze)
			moments[nr++] = (struct moment){ json_text(o, "step"), tsc };
	}
	if (nr && khz > 0) {
		qsort(moments, nr, sizeof(*moments), by_time);
		read_apps(t, apps, freeze, khz);
		read_steps(t, moments, nr, khz);
	}
	free(moments);

	return t->nr_steps ? 0 : -ENODATA;
}

void timeline_free(struct timeline *t)
{
	free(t->steps);
	free(t->apps);
	memset(t, 0, sizeof(*t));
}

void timeline_print(const struct timeline *t, FILE *out)
{
	fprintf(out, "%s -> %s: blackout %.1f ms\n\n", t->from, t->to, t->blackout);
	fprintf(out, "  until ms    took ms   share  kernel  step\n");
	for (size_t i = 0; i < t->nr_steps; i++) {
		const struct timeline_step *s = &t->steps[i];
		char share[16] = "";

		if (s->share > 0)
			snprintf(share, sizeof(share), "%.1f %%", 100 * s->share);
		fprintf(out, "%10.1f %10.1f %7s  %-6s  %s (%s)\n", s->end, s->end - s->start, share,
			s->new_kernel ? "new" : "old", s->text, s->name);
	}
	if (t->nr_apps)
		fprintf(out, "\n   stopped  restored       runs   pages ms  program\n");
	for (size_t i = 0; i < t->nr_apps; i++) {
		const struct timeline_app *a = &t->apps[i];

		fprintf(out, "%10.1f %9.1f %10.1f %10.1f  %s%s\n", a->stop, a->start, a->end,
			a->insertion, a->name, a->resumed ? "" : ": not resumed");
	}
	if (*t->doubt)
		fprintf(out, "\nThe times are approximate: %s.\n", t->doubt);
}

struct json_object *timeline_json(const struct timeline *t)
{
	struct json_object *root = json_object_new_object();
	struct json_object *steps = json_object_new_array(), *apps = json_object_new_array();

	json_put_text(root, "from", t->from);
	json_put_text(root, "to", t->to);
	json_put_double(root, "blackout_ms", t->blackout);
	json_put_bool(root, "approximate", *t->doubt);
	json_put_text(root, "doubt", t->doubt);
	for (size_t i = 0; i < t->nr_steps; i++) {
		const struct timeline_step *s = &t->steps[i];
		struct json_object *o = json_object_new_object();

		json_put_text(o, "step", s->name);
		json_put_text(o, "text", s->text);
		json_put_text(o, "kernel", s->new_kernel ? "new" : "old");
		json_put_double(o, "start_ms", s->start);
		json_put_double(o, "end_ms", s->end);
		json_put_double(o, "share", s->share);
		json_object_array_add(steps, o);
	}
	for (size_t i = 0; i < t->nr_apps; i++) {
		const struct timeline_app *a = &t->apps[i];
		struct json_object *o = json_object_new_object();

		json_put_text(o, "name", a->name);
		json_put_bool(o, "resumed", a->resumed);
		json_put_double(o, "stop_ms", a->stop);
		json_put_double(o, "start_ms", a->start);
		json_put_double(o, "end_ms", a->end);
		json_put_double(o, "insertion_ms", a->insertion);
		json_object_array_add(apps, o);
	}
	json_object_object_add(root, "steps", steps);
	json_object_object_add(root, "apps", apps);

	return root;
}
