// SPDX-License-Identifier: GPL-2.0-only
/* What is not carried: services are stopped before the freeze, all else stands still in it. */
#include "tool/stop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/apps/freezer.h"
#include "lib/apps/proc.h"
#include "lib/apps/quiesce.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"
#include "lib/net/net.h"
#include "tool/carry.h"
#include "tool/guard.h"

/* For the next kernel, which starts them again. */
static int note_stopped(char **services, char **frozen)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	size_t len;

	f = open_memstream(&text, &len);
	if (!f)
		return -ENOMEM;
	for (char **s = services; s && *s; s++)
		fprintf(f, "%s\n", *s);
	for (char **s = frozen; s && *s; s++)
		fprintf(f, "%s\n", *s);
	if (fflush(f))
		return -ENOMEM;
	return file_write(CARRY_OUT_DIR "/" CARRY_STOPPED, text, len, 0600);
}

/* One that was stopped may have taken a program with it that systemd did not tell of. */
static int see_to_programs(const struct app *apps, size_t nr_apps, struct error *err)
{
	struct proc_stat st;

	for (size_t i = 0; i < nr_apps; i++) {
		const struct app *app = &apps[i];

		if (proc_stat_read(app->pid, &st) < 0 || st.state == 'Z')
			return error_set(err, ESRCH, "%s (PID %d) has ended while services "
					 "were stopped that are not carried. If it needs one of "
					 "them, say so in its unit (Requires=)", app->name,
					 app->pid);
	}
	return 0;
}

int stop_services(const struct app *apps, size_t nr_apps, bool restore_net, struct error *err)
{
	_cleanup_strv_ char **services = NULL, **frozen = NULL;
	_cleanup_free_ char *addresses = NULL, *gone = NULL;
	int r;

	r = quiesce_list(apps, nr_apps, &services, &frozen, err);
	if (r == 0)
		r = note_stopped(services, frozen);
	for (char **s = services; r == 0 && s && *s; s++)
		r = trail_add(TRAIL_SERVICE, "%s", *s);
	if (r < 0)
		return r;
	for (char **s = services; s && *s; s++)
		printf("nvwa: %s is not carried: it is stopped now and started afresh "
		       "afterwards\n", *s);
	fflush(stdout);
	r = net_addresses(&addresses, err);
	if (r == 0)
		r = quiesce_stop(services, err);
	if (r == 0)
		r = see_to_programs(apps, nr_apps, err);
	if (r == 0)
		r = net_addresses_gone(addresses, &gone, err);
	for (size_t i = 0; r == 0 && *gone && i < nr_apps; i++)
		r = app_check_gone(&apps[i], gone, err);
	return r == 0 && restore_net ? net_save(CARRY_OUT_DIR, err) : r;
}

/* Nothing is left that could stop this command, and its guard, in the middle. */
static int enter(struct error *err)
{
	_cleanup_free_ char *home = NULL;
	int r;

	r = proc_cgroup(getpid(), &home);
	if (r == 0)
		r = trail_add(TRAIL_ENTERED, "%s", home);
	if (r == 0)
		r = quiesce_enter(getpid(), err);
	if (r == 0 && guard_pid())
		r = quiesce_enter(guard_pid(), err);
	/* No page of ours may have to come from a disk that is frozen. */
	if (r == 0)
		r = guard_harden(err);
	return r;
}

int stop_others(const struct app *apps, size_t nr_apps, struct error *err)
{
	int r = enter(err);

	if (r == 0)
		r = quiesce_watchdogs_off(err);
	return r < 0 ? r : freezer_others(apps, nr_apps, err);
}
