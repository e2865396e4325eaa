// SPDX-License-Identifier: GPL-2.0-only
/* Undoing an update that did not come as far as its jump, by its trail. */
#include "tool/undo.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib/apps/app.h"
#include "lib/apps/freezer.h"
#include "lib/apps/proc.h"
#include "lib/apps/quiesce.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"
#include "lib/kexec/target.h"
#include "lib/net/net.h"
#include "lib/record/keeper.h"
#include "tool/attempt.h"
#include "tool/common.h"

void undo_left(struct undo_report *report, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (!text || strv_append(&report->left, text) < 0)
		abort();
}

/* The outermost was frozen last: one that lies in a file on it is written to when it is thawed. */
static void thaw_mounts(char *const *values, struct undo_report *report)
{
	size_t nr = 0;

	while (values[nr])
		nr++;
	while (nr-- > 0) {
		int r = quiesce_thaw(values[nr]);

		if (r < 0)
			undo_left(report, "the file system on %s is frozen, and nothing can be "
				  "written to it (%s). See: fsfreeze -u", values[nr],
				  strerror(-r));
	}
}

static void thaw_groups(char *const *values, struct undo_report *report)
{
	for (; *values; values++) {
		int r = freezer_thaw(*values);

		if (r < 0)
			undo_left(report, "the control group %s is frozen (%s)", *values,
				  strerror(-r));
	}
}

/* Of all processes that are left of a program. */
static void continue_tree(const char *name, pid_t pid, struct undo_report *report)
{
	struct app app = { .name = (char *)name, .pid = pid };
	struct proc_stat st;
	int r;

	r = proc_tree(pid, &app.pids, &app.nr_pids);
	if (r < 0 || proc_stat_read(pid, &st) < 0 || st.state == 'Z') {
		undo_left(report, "%s (PID %d) has ended meanwhile", name, pid);
		free(app.pids);
		return;
	}
	r = app_continue(&app);
	if (r < 0)
		undo_left(report, "%s (PID %d) cannot go on as it was: %s", name, pid,
			  strerror(-r));
	for (size_t i = 0; i < app.nr_pids; i++)
		if (proc_stat_read(app.pids[i], &st) == 0 && st.state == 'T')
			undo_left(report, "process %d of %s is stopped. See: kill -CONT %d",
				  app.pids[i], name, app.pids[i]);
	free(app.pids);
}

static void continue_programs(char *const *values, struct undo_report *report)
{
	for (; *values; values++) {
		char name[256];
		int pid;

		if (sscanf(*values, "%255s %d", name, &pid) == 2)
			continue_tree(name, pid, report);
	}
}

static void unlock(char *const *values, struct undo_report *report)
{
	struct error err = { 0 };

	(void)values;
	if (net_unlock(&err) < 0)
		undo_left(report, "TCP is locked: %s", err.text);
}

/* The module lets everything go when it is closed; somebody who hangs may not have done so. */
static void see_to_module(struct undo_report *report)
{
	_cleanup_close_ int keeper = keeper_open(NULL);
	struct nvwa_info info;

	if (keeper >= 0 && keeper_info(keeper, &info) == 0 && info.state != NVWA_STATE_IDLE)
		undo_left(report, "the module holds memory of programs");
}

static void unload(char *const *values, struct undo_report *report)
{
	_cleanup_free_ char *loaded = NULL;
	int r;

	see_to_module(report);
	r = target_unload();
	if (file_read("/sys/kernel/kexec_loaded", &loaded, NULL) == 0 && loaded[0] == '1')
		undo_left(report, "the kernel %s is loaded, and systemctl reboot may start it "
			  "(%s). See: kexec -u", *values,
			  r < 0 ? strerror(-r) : "it does not go");
}

static void leave_group(char *const *values, struct undo_report *report)
{
	(void)report;
	/* Where this process lives is nothing that anybody misses. */
	quiesce_leave(*values);
}

/* A carried service whose main process was taken down with another one is started as well. */
static int all_services(char *const *stopped, char ***services)
{
	_cleanup_strv_ char **programs = NULL;
	int r;

	*services = NULL;
	for (r = 0; r == 0 && *stopped; stopped++)
		r = strv_append(services, *stopped);
	if (r == 0)
		r = trail_values(TRAIL_PROGRAM, &programs);
	for (char **p = programs; r == 0 && p && *p; p++) {
		(*p)[strcspn(*p, " ")] = '\0';
		if (strlen(*p) > 8 && !strcmp(*p + strlen(*p) - 8, ".service"))
			r = strv_append(services, *p);
	}
	return r;
}

static void start_services(char *const *values, struct undo_report *report)
{
	_cleanup_strv_ char **services = NULL;
	struct error err = { 0 };
	int r;

	r = all_services(values, &services);
	if (r < 0) {
		undo_left(report, "services are stopped: %s", strerror(-r));
		return;
	}
	/* What counts is what runs in the end. */
	quiesce_start(services, NULL);
	r = quiesce_verify(services, &err);
	if (r < 0)
		undo_left(report, "services do not run again. See: %s",
			  err.text[0] ? err.text : strerror(-r));
}

static void end_attempt(char *const *values, struct undo_report *report)
{
	struct error err = { 0 };

	(void)values;
	if (attempt_end(&err) < 0)
		undo_left(report, "the update stays noted as one that failed: %s", err.text);
}

static void watchdogs_on(char *const *values, struct undo_report *report)
{
	(void)values;
	if (quiesce_watchdogs_on() < 0)
		undo_left(report, "systemd does not look after watchdogs of services. See: "
			  "systemctl service-watchdogs yes");
}

static void remove_files(char *const *values, struct undo_report *report)
{
	for (; *values; values++) {
		int r = tree_remove(*values);

		if (r < 0)
			undo_left(report, "%s cannot be removed: %s", *values, strerror(-r));
	}
}

const struct undo_step undo_steps[] = {
	{ TRAIL_MOUNT, thaw_mounts },
	{ TRAIL_GROUP, thaw_groups },
	{ TRAIL_PROGRAM, continue_programs },
	{ TRAIL_LOCK, unlock },
	{ TRAIL_ENTERED, leave_group },
	{ TRAIL_KERNEL, unload },
	{ TRAIL_SERVICE, start_services },
	{ TRAIL_ATTEMPT, end_attempt },
	{ TRAIL_WATCHDOGS, watchdogs_on },
	{ TRAIL_FILES, remove_files },
	{ },
};

void undo_run(const struct undo_step *steps, struct undo_report *report)
{
	for (const struct undo_step *s = steps; s->kind; s++) {
		_cleanup_strv_ char **values = NULL;
		int r = trail_values(s->kind, &values);

		if (r < 0)
			undo_left(report, "nobody can tell what was done (%s): %s", s->kind,
				  strerror(-r));
		else if (values)
			s->undo(values, report);
	}
	if (!report->left)
		trail_remove();
}

int undo_update(const struct error *why)
{
	struct undo_report report = { 0 };
	struct utsname uts;

	undo_run(undo_steps, &report);
	uname(&uts);
	if (why)
		complain("%s", why->text);
	if (!report.left) {
		complain("nothing was changed: all programs run on under %s", uts.release);
		return EXIT_OK;
	}
	for (char **l = report.left; *l; l++)
		complain("not undone: %s", *l);
	complain("the rest is as it was, under %s. To try again: nvwa init", uts.release);
	cleanup_strv(&report.left);
	return EXIT_FAILURE;
}
