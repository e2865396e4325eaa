// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time line as a drawing (SVG 1.1): a lane for each kernel and each program,
 * time from left to right, the blackout marked.
 */
#include <stdio.h>
#include <string.h>

#include "tool/timeline.h"

/* Pixels. */
#define WIDTH		1200.0
#define LEFT		190.0	/* names of lanes */
#define RIGHT		44.0
#define TOP		64.0
#define LANE		34.0
#define BAR		22.0
#define TICKS		10	/* at most */
/* A label needs a bar of so many pixels a character, and a legend those that got none. */
#define CHAR		6.2
#define LEGEND_LINE	18.0

static const char *const colours[] = {
	"#77aadd", "#ee8866", "#99ddff", "#eedd88", "#44bb99", "#ffaabb", "#bbcc33", "#aaaa00",
	"#cc99cc", "#88ccaa", "#ddaa77", "#9999dd", "#cccc77", "#77bbbb",
};
#define NR_COLOURS	(sizeof(colours) / sizeof(colours[0]))

struct drawing {
	const struct timeline *t;
	FILE *out;
	double scale;		/* pixels a ms */
	double bottom;		/* of the lanes */
};

static double at(const struct drawing *d, double ms)
{
	return LEFT + ms * d->scale;
}

/* Names of programs may hold anything. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&\"", *text))
			fprintf(out, "&#%d;", *text);
		else if ((unsigned char)*text >= ' ')
			fputc(*text, out);
	}
}

static void put_label(FILE *out, double x, double y, const char *anchor, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	put_text(out, text);
	fputs("</text>\n", out);
}

/* Left open, for a title. */
static void put_rect(FILE *out, double x, double y, double width, double height, const char *fill)
{
	fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\">",
		x, y, width, height, fill);
}

static void put_bar(const struct drawing *d, double start, double end, double y, const char *fill,
		    const char *title)
{
	double width = (end - start) * d->scale;

	put_rect(d->out, at(d, start), y, width > 0.5 ? width : 0.5, BAR, fill);
	fputs("<title>", d->out);
	put_text(d->out, title);
	fprintf(d->out, ", %.1f ms</title></rect>\n", end - start);
}

/* 1, 2 or 5 times a power of ten, so that there are not too many of them. */
static double tick_step(double end)
{
	double step = 0.001;

	while (end / step > 10 * TICKS)
		step *= 10;

	return step * (end / step > 5 * TICKS ? 10 : end / step > 2 * TICKS ? 5 :
		       end / step > TICKS ? 2 : 1);
}

static void draw_axis(const struct drawing *d)
{
	double step = tick_step(d->t->end);

	for (double ms = 0; ms <= d->t->end; ms += step) {
		char text[32];

		snprintf(text, sizeof(text), "%g ms", ms);
		put_rect(d->out, at(d, ms), TOP - 8, 1, d->bottom - TOP + 8, "#dddddd");
		fputs("</rect>\n", d->out);
		put_label(d->out, at(d, ms), TOP - 14, "middle", text);
	}
}

static void draw_kernels(const struct drawing *d)
{
	char name[96];

	snprintf(name, sizeof(name), "old: %s", d->t->from);
	put_label(d->out, LEFT - 8, TOP + 16, "end", name);
	snprintf(name, sizeof(name), "new: %s", d->t->to);
	put_label(d->out, LEFT - 8, TOP + LANE + 16, "end", name);
	for (size_t i = 0; i < d->t->nr_steps; i++) {
		const struct timeline_step *s = &d->t->steps[i];
		double y = TOP + s->new_kernel * LANE;

		put_bar(d, s->start, s->end, y, colours[i % NR_COLOURS], s->text);
		if ((s->end - s->start) * d->scale > strlen(s->text) * CHAR)
			put_label(d->out, at(d, (s->start + s->end) / 2), y + 16, "middle",
				  s->text);
	}
}

static void draw_apps(const struct drawing *d)
{
	for (size_t i = 0; i < d->t->nr_apps; i++) {
		const struct timeline_app *a = &d->t->apps[i];
		double y = TOP + (2 + i) * LANE;

		put_label(d->out, LEFT - 8, y + 16, "end", a->name);
		put_bar(d, 0, a->stop, y, "#88cc88", "runs");
		put_bar(d, a->stop, a->start, y, "#dddddd", "stands still");
		put_bar(d, a->start, a->end, y, a->resumed ? "#ee8866" : "#000000",
			a->resumed ? "is restored" : "is not restored");
		if (a->resumed)
			put_bar(d, a->end, d->t->end, y, "#88cc88", "runs");
	}
}

/* The steps of the blackout with their shares, as many bars are too short for a label. */
static void draw_legend(const struct drawing *d)
{
	double y = d->bottom + 24;

	for (size_t i = 0; i < d->t->nr_steps; i++) {
		const struct timeline_step *s = &d->t->steps[i];
		char text[128];

		if (s->share <= 0)
			continue;
		snprintf(text, sizeof(text), "%s: %.1f ms, %.1f %%", s->text, s->end - s->start,
			 100 * s->share);
		put_rect(d->out, LEFT, y - 9, 10, 10, colours[i % NR_COLOURS]);
		fputs("</rect>\n", d->out);
		put_label(d->out, LEFT + 16, y, "start", text);
		y += LEGEND_LINE;
	}
}

static size_t legend_lines(const struct timeline *t)
{
	size_t nr = 0;

	for (size_t i = 0; i < t->nr_steps; i++)
		nr += t->steps[i].share > 0;

	return nr;
}

void timeline_draw(const struct timeline *t, FILE *out)
{
	struct drawing d = {
		.t = t, .out = out,
		.scale = (WIDTH - LEFT - RIGHT) / t->end,
		.bottom = TOP + (2 + t->nr_apps) * LANE,
	};
	double height = d.bottom + 20 + legend_lines(t) * LEGEND_LINE + 10;

	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", WIDTH, height);
	put_rect(out, LEFT, TOP - 8, t->blackout * d.scale, d.bottom - TOP + 8, "#fff0e0");
	fputs("</rect>\n", out);
	fprintf(out, "<text x=\"%.1f\" y=\"26\" font-size=\"16\">", LEFT);
	put_text(out, t->from);
	fputs(" &#8594; ", out);
	put_text(out, t->to);
	fprintf(out, ": blackout %.1f ms</text>\n", t->blackout);
	draw_axis(&d);
	draw_kernels(&d);
	draw_apps(&d);
	draw_legend(&d);
	fputs("</svg>\n", out);
}
