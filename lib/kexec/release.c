// SPDX-License-Identifier: GPL-2.0-only
/* The order of kernel releases, as "uname -r" prints them. */
#include "lib/kexec/release.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* A part of a release: not ended by a NUL. */
struct part {
	const char *at, *end;
};

/* The character there; NUL at the end. */
static unsigned char first(const struct part *p)
{
	return p->at < p->end ? *p->at : '\0';
}

/* A tilde comes before everything, even the end; letters come before other characters. */
static int weight(unsigned char c)
{
	if (c == '~')
		return -1;
	if (c == '\0' || isdigit(c))
		return 0;
	return isalpha(c) ? c : c + 256;
}

/* Up to the next digit in both. */
static int compare_words(struct part *a, struct part *b)
{
	while ((first(a) && !isdigit(first(a))) || (first(b) && !isdigit(first(b)))) {
		const int difference = weight(first(a)) - weight(first(b));

		if (difference)
			return difference;
		a->at++;
		b->at++;
	}
	return 0;
}

/* Of any number of digits. */
static int compare_numbers(struct part *a, struct part *b)
{
	int difference = 0;

	while (first(a) == '0')
		a->at++;
	while (first(b) == '0')
		b->at++;
	while (isdigit(first(a)) && isdigit(first(b))) {
		if (!difference)
			difference = first(a) - first(b);
		a->at++;
		b->at++;
	}
	/* The longer one is the larger one. */
	if (isdigit(first(a)))
		return 1;
	if (isdigit(first(b)))
		return -1;
	return difference;
}

static int compare(struct part a, struct part b)
{
	int difference = 0;

	while (!difference && (first(&a) || first(&b))) {
		difference = compare_words(&a, &b);
		if (!difference)
			difference = compare_numbers(&a, &b);
	}
	return difference;
}

/* The flavour begins at the first dash that no digit follows. */
static const char *end_of_version(const char *release)
{
	const char *dash = release;

	while ((dash = strchr(dash, '-')) && isdigit((unsigned char)dash[1]))
		dash++;
	return dash ?: release + strlen(release);
}

/* As Debian cuts a version in two: its revision stands behind the last dash. */
static void split(const char *release, struct part *upstream, struct part *revision)
{
	const char *end = end_of_version(release);
	const char *dash = memrchr(release, '-', end - release);

	*upstream = (struct part){ release, dash ?: end };
	*revision = (struct part){ dash ? dash + 1 : end, end };
}

int release_compare(const char *a, const char *b)
{
	struct part upstream[2], revision[2];
	int difference;

	split(a, &upstream[0], &revision[0]);
	split(b, &upstream[1], &revision[1]);
	difference = compare(upstream[0], upstream[1]);
	return difference ? difference : compare(revision[0], revision[1]);
}
