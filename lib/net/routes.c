// SPDX-License-Identifier: GPL-2.0-only
/* Routes of all tables, and the rules that choose among these. */
#include "lib/net/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

struct line {
	char **words;		/* the text's; the list is malloc()ed */
	size_t nr;
};

/*
 * Words that ip(8) prints and does not take, and how many arguments each has. Of a next-hop object
 * (nhid) the hops are printed as well; the kernel takes none before a link has its carrier, and
 * who uses such objects makes them.
 */
static const struct {
	const char *word;
	size_t nr_args;
} states[] = {
	{ "dead", 0 }, { "linkdown", 0 }, { "pervasive", 0 }, { "unresolved", 0 },
	{ "offload", 0 }, { "rt_offload", 0 }, { "offload_failed", 0 },
	{ "rt_offload_failed", 0 }, { "trap", 0 }, { "rt_trap", 0 }, { "notify", 0 },
	{ "nhid", 1 }, { "error", 1 },
	{ "[detached]", 0 }, { "[unresolved]", 0 },
};

/* Is this word a state, and how many arguments has it? */
static bool is_state(const char *word, size_t *nr_args)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		*nr_args = states[i].nr_args;
		if (!strcmp(word, states[i].word))
			return true;
	}

	return false;
}

/* The words of a line without states; false if it has none. */
static bool read_words(char *text, struct line *line)
{
	size_t skip = 0;
	char *word;

	free(line->words);
	line->nr = 0;
	line->words = calloc(strlen(text) / 2 + 1, sizeof(line->words[0]));
	while (line->words && (word = strsep(&text, " \t"))) {
		if (!*word)
			continue;
		if (skip) {
			skip--;
		} else if (!is_state(word, &skip)) {
			line->words[line->nr++] = word;
			skip = 0;
		}
	}

	return line->nr > 0;
}

/* The word behind this one, or NULL. */
static const char *value_of(const struct line *line, const char *word)
{
	for (size_t i = 0; i + 1 < line->nr; i++) {
		if (!strcmp(line->words[i], word))
			return line->words[i + 1];
	}

	return NULL;
}

static bool is(const struct line *line, const char *word, const char *value)
{
	const char *own = value_of(line, word);

	return own && !strcmp(own, value);
}

static void remove_words(struct line *line, size_t at, size_t nr)
{
	if (nr > line->nr - at)
		nr = line->nr - at;
	line->nr -= nr;
	memmove(line->words + at, line->words + at + nr,
		(line->nr - at) * sizeof(line->words[0]));
}

static bool all_links_return(const struct line *line, routes_link_fn returns, void *ctx)
{
	for (size_t i = 0; i + 1 < line->nr; i++) {
		if (!strcmp(line->words[i], "dev") && !returns(ctx, line->words[i + 1]))
			return false;
	}

	return true;
}

static void put_line(FILE *batch, const char *command, const struct line *line)
{
	fputs(command, batch);
	for (size_t i = 0; i < line->nr; i++)
		fprintf(batch, " %s", line->words[i]);
	fputc('\n', batch);
}

/* A route over several gateways goes on in lines that begin with a tab. */
static void join_lines(char *text)
{
	while ((text = strstr(text, "\n\t")))
		*text = ' ';
}

static void translate(struct line *line)
{
	for (size_t i = 0; i + 1 < line->nr; i++) {
		char *value = line->words[i + 1];

		/* "1799sec"; there is no other unit. */
		if (!strcmp(line->words[i], "expires"))
			value[strspn(value, "0123456789")] = '\0';
		/* It has no other kind, and so no word for it. */
		else if (!strcmp(line->words[i], "rto_min") && !strcmp(value, "lock"))
			remove_words(line, i + 1, 1);
	}
}

/* The kernel takes a gateway only if it knows already how to get there. */
static bool has_gateway(const struct line *line)
{
	return value_of(line, "via");
}

/* Has the kernel made it with an address? What it has learned from a router expires. */
static bool is_kernels(const struct line *line)
{
	return is(line, "proto", "kernel") &&
	       (is(line, "table", "local") || (!value_of(line, "expires") && !has_gateway(line)));
}

void routes_put(FILE *batch, char *text, bool ipv6, routes_link_fn returns, void *ctx)
{
	_cleanup_free_ char *later_text = NULL;
	struct line line = { 0 };
	size_t len;
	FILE *later = open_memstream(&later_text, &len);
	char *next;

	join_lines(text);
	while (later && (next = strsep(&text, "\n"))) {
		if (!read_words(next, &line) || is_kernels(&line) ||
		    !all_links_return(&line, returns, ctx))
			continue;
		translate(&line);
		/* There may be several that differ in nothing that "replace" looks at. */
		put_line(has_gateway(&line) ? later : batch,
			 ipv6 ? "-6 route append" : "-4 route append", &line);
	}
	if (later && fclose(later) == 0)
		fputs(later_text, batch);
	free(line.words);
}

/* Rules that every kernel begins with; the last one for IPv4 only (fib4_rules_init(), net/ipv4). */
static const struct {
	const char *pref, *table;
} given[] = {
	{ "0", "local" }, { "32766", "main" }, { "32767", "default" },
};

#define NR_GIVEN(ipv6)	((ipv6) ? 2 : 3)

/* Which of these this is, or -1: "0:", "from", "all", "lookup", "local". */
static int find_given(const struct line *line, bool ipv6)
{
	for (int i = 0; i < NR_GIVEN(ipv6) && line->nr == 5; i++) {
		size_t len = strlen(given[i].pref);

		if (!strncmp(line->words[0], given[i].pref, len) &&
		    !strcmp(line->words[0] + len, ":") && is(line, "from", "all") &&
		    is(line, "lookup", given[i].table))
			return i;
	}

	return -1;
}

void routes_put_rules(FILE *batch, char *text, bool ipv6)
{
	bool has_given[sizeof(given) / sizeof(given[0])] = { false }, has_any = false;
	struct line line = { 0 };
	char *next;
	int i;

	while ((next = strsep(&text, "\n"))) {
		/* The kernel makes that one with the first VRF, which is not made again here. */
		if (!read_words(next, &line) || is(&line, "lookup", "[l3mdev-table]"))
			continue;
		has_any = true;
		i = find_given(&line, ipv6);
		if (i >= 0) {
			has_given[i] = true;
			continue;
		}
		fprintf(batch, "%s rule add pref %.*s", ipv6 ? "-6" : "-4",
			(int)strcspn(line.words[0], ":"), line.words[0]);
		remove_words(&line, 0, 1);
		put_line(batch, "", &line);
	}
	/* After those that may stand in for one that somebody has removed. */
	for (i = 0; has_any && i < NR_GIVEN(ipv6); i++) {
		if (!has_given[i])
			fprintf(batch, "%s rule del pref %s lookup %s\n", ipv6 ? "-6" : "-4",
				given[i].pref, given[i].table);
	}
	free(line.words);
}

/* What "ip -4 THING show" prints, or with -6, malloc()ed. */
static int list(char *const argv[], char **output, struct error *err)
{
	int r = command_run(argv, output);

	return r == 0 ? 0 : error_set(err, r < 0 ? -r : EIO, "cannot list the routes: "
				      "'ip %s %s show' failed", argv[1], argv[2]);
}

static int save_routes(FILE *batch, bool ipv6, routes_link_fn returns, void *ctx,
		       struct error *err)
{
	char *const argv[] = { "ip", ipv6 ? "-6" : "-4", "route", "show", "table", "all", NULL };
	_cleanup_free_ char *output = NULL;
	int r = list(argv, &output, err);

	if (r == 0)
		routes_put(batch, output, ipv6, returns, ctx);
	return r;
}

static int save_rules(FILE *batch, bool ipv6, struct error *err)
{
	char *const argv[] = { "ip", ipv6 ? "-6" : "-4", "rule", "show", NULL };
	_cleanup_free_ char *output = NULL;
	int r = list(argv, &output, err);

	if (r == 0)
		routes_put_rules(batch, output, ipv6);
	return r;
}

int routes_save(FILE *batch, routes_link_fn returns, void *ctx, struct error *err)
{
	/* Not there if the kernel runs without IPv6 (ipv6.disable=1). */
	const bool has_ipv6 = access("/proc/net/if_inet6", F_OK) == 0;
	int r;

	/* Rules lead into tables that are there then; ip(8) runs once for each family. */
	r = save_routes(batch, false, returns, ctx, err);
	if (r == 0)
		r = save_rules(batch, false, err);
	if (r == 0 && has_ipv6)
		r = save_routes(batch, true, returns, ctx, err);
	if (r == 0 && has_ipv6)
		r = save_rules(batch, true, err);

	return r;
}
