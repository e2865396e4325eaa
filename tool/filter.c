// SPDX-License-Identifier: GPL-2.0-only
/* The machine's own packet filter over an update. */
#include "tool/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/apps/first.h"
#include "lib/apps/quiesce.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"
#include "lib/net/net.h"
#include "tool/carry.h"

/* Lines of CARRY_FILTER: there were rules; a unit that has to be started before the guard goes. */
#define RULES	"rules"
#define UNIT	"unit "

int filter_save(struct error *err)
{
	_cleanup_strv_ char **units = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	int r, has_rules;
	size_t len;

	has_rules = net_has_rules(err);
	if (has_rules < 0)
		return has_rules;
	/* One that is enabled may load its first rule at the next boot. */
	if (!has_rules && !first_has_firewall())
		return 0;
	r = quiesce_filters(&units, err);
	if (r < 0)
		return r;
	f = open_memstream(&text, &len);
	if (!f)
		return -ENOMEM;
	if (has_rules)
		fprintf(f, RULES "\n");
	for (char **unit = units; unit && *unit; unit++)
		fprintf(f, UNIT "%s\n", *unit);
	if (fflush(f))
		return -ENOMEM;
	return file_write(CARRY_OUT_DIR "/" CARRY_FILTER, text, len, 0600);
}

/* What filter_save() has found. */
struct filter {
	bool any, rules;
	char **units;
};

static int filter_read(struct filter *filter)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	int r = file_read(NVWA_STATE_DIR "/" CARRY_FILTER, &text, NULL);

	*filter = (struct filter) { .any = r == 0 };
	rest = text;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		if (!strcmp(line, RULES))
			filter->rules = true;
		else if (!strncmp(line, UNIT, strlen(UNIT)))
			r = strv_append(&filter->units, line + strlen(UNIT));
	}
	return r == -ENOENT ? 0 : r;
}

int filter_guard(bool ahead, struct error *err)
{
	struct filter filter;
	int r = filter_read(&filter);
	bool awaited = ahead;

	cleanup_strv(&filter.units);
	if (r < 0)
		return error_set(err, -r, "cannot read " NVWA_STATE_DIR "/" CARRY_FILTER ": %s",
				 strerror(-r));
	if (!filter.any)
		return 0;
	if (filter.rules) {
		r = net_has_rules(err);
		awaited = r == 0;
	}
	if (r < 0)
		return r;
	return awaited ? net_guard(err) : net_unguard(err);
}

int filter_lift(bool at_last, struct error *err)
{
	struct filter filter;
	int r = filter_read(&filter);

	if (r == 0 && !filter.any)
		return 0;
	if (!at_last && r == 0) {
		/*
		 * Each may have been started by hand. This waits until it runs; the order of units
		 * alone would not, in a boot that began with nvwa-first.target.
		 */
		for (char **unit = filter.units; unit && *unit; unit++) {
			char *const argv[] = { "systemctl", "start", *unit, NULL };

			if (command_run(argv, NULL) != 0)
				error_set(err, EIO, "%s had started before the network, and cannot "
					  "be started", *unit);
		}
		r = filter.rules ? net_has_rules(err) : 1;
	}
	cleanup_strv(&filter.units);
	/* Rules may still come from what sets up the network, as in interfaces(5). */
	if (!at_last && r <= 0)
		return r < 0 ? r : 1;
	return net_unguard(err);
}
