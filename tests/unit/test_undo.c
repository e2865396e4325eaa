// SPDX-License-Identifier: GPL-2.0-only
/* The trail of an update, what is frozen, and how it is undone. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/freezer.h"
#include "lib/apps/needs.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"
#include "tests/unit/temp-dir.h"
#include "tool/undo.h"
#include "tool/verbs.h"

/* Of tool/main.c, which has a main() of its own. */
int verb_usage(const char *name)
{
	fail_msg("the help of %s is not wanted", name);
	return -1;
}

static char trail[PATH_MAX];

static int begin(void **state)
{
	int r = make_temp_dir(state);

	snprintf(trail, sizeof(trail), "%s/trail", temp_dir);
	trail_file = trail;
	return r;
}

static const char *joined(char *const *list)
{
	static char text[4096];

	text[0] = '\0';
	for (; list && *list; list++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s;", *list);
	return text;
}

/* --- the trail -------------------------------------------------------------------- */

static void test_trail(void **state)
{
	_cleanup_strv_ char **values = NULL;

	(void)state;
	assert_false(trail_exists());
	assert_int_equal(trail_values("mount", &values), 0);
	assert_null(values);
	assert_int_equal(trail_add("mount", "/%s", "a b"), 0);
	assert_int_equal(trail_add("mounted", "/no"), 0);
	assert_int_equal(trail_add("group", "/x"), 0);
	assert_int_equal(trail_add("mount", "/c"), 0);
	assert_int_equal(trail_add("mount", "/d"), 0);
	assert_int_equal(trail_add("mount", "/with\nend"), -EINVAL);
	assert_true(trail_exists());
	assert_int_equal(trail_take_back(), 0);
	assert_int_equal(trail_values("mount", &values), 0);
	assert_string_equal(joined(values), "/a b;/c;");
	trail_remove();
	assert_false(trail_exists());
	assert_int_equal(trail_take_back(), -ENOENT);
}

/* Of a line that found no room nothing came: what it tells of was not done. */
static void test_cut_trail(void **state)
{
	static const char text[] = "group /a\ngroup /b\ngroup /sys";
	_cleanup_strv_ char **values = NULL;

	(void)state;
	assert_int_equal(file_write(trail, text, strlen(text), 0600), 0);
	assert_int_equal(trail_values("group", &values), 0);
	assert_string_equal(joined(values), "/a;/b;");
	trail_remove();
}

/* --- undoing ---------------------------------------------------------------------- */

static char done[256];

static void note(const char *name, char *const *values)
{
	snprintf(done + strlen(done), sizeof(done) - strlen(done), "%s:%s ", name,
		 joined(values));
}

static void undo_a(char *const *values, struct undo_report *report)
{
	(void)report;
	note("a", values);
}

static void undo_b(char *const *values, struct undo_report *report)
{
	note("b", values);
	for (; *values; values++)
		undo_left(report, "%s is still there", *values);
}

static void undo_c(char *const *values, struct undo_report *report)
{
	note("c", values);
	undo_left(report, "c failed");
}

static const struct undo_step steps[] = {
	{ "c", undo_c }, { "b", undo_b }, { "a", undo_a }, { },
};

static const char *undo(const char *text)
{
	static char left[256];
	struct undo_report report = { 0 };

	done[0] = '\0';
	assert_int_equal(file_write(trail, text, strlen(text), 0600), 0);
	undo_run(steps, &report);
	snprintf(left, sizeof(left), "%s", joined(report.left));
	cleanup_strv(&report.left);
	return left;
}

static void test_undo(void **state)
{
	(void)state;
	/* What was not done is not undone, and if nothing is left, no trail is. */
	assert_string_equal(undo("a 1\na 2\n"), "");
	assert_string_equal(done, "a:1;2; ");
	assert_false(trail_exists());
	/* A failure stops nothing, each is told, and there is something to try again by. */
	assert_string_equal(undo("a 1\nb 1\nc 1\nb 2\n"),
			    "c failed;1 is still there;2 is still there;");
	assert_string_equal(done, "c:1; b:1;2; a:1; ");
	assert_true(trail_exists());
	trail_remove();
}

/* Files before programs, which write to them, packets after these, and services at last. */
static void test_steps(void **state)
{
	static const char *const order[] = {
		TRAIL_MOUNT, TRAIL_GROUP, TRAIL_PROGRAM, TRAIL_LOCK, TRAIL_KERNEL, TRAIL_SERVICE,
		TRAIL_WATCHDOGS, TRAIL_FILES,
	};
	const struct undo_step *s = undo_steps;

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		while (s->kind && strcmp(s->kind, order[i]))
			s++;
		assert_non_null(s->kind);
	}
}

/* A program that is stopped runs on; one that is gone is told of. */
static void test_programs(void **state)
{
	struct undo_report report = { 0 };
	pid_t child = fork();

	(void)state;
	if (!child) {
		for (;;)
			pause();
	}
	assert_int_equal(kill(child, SIGSTOP), 0);
	assert_int_equal(waitpid(child, NULL, WUNTRACED), child);
	assert_int_equal(trail_add(TRAIL_PROGRAM, "x.service %d", child), 0);
	undo_run(undo_steps, &report);
	assert_null(report.left);
	assert_int_equal(waitpid(child, NULL, WCONTINUED), child);

	assert_int_equal(trail_add(TRAIL_PROGRAM, "x.service %d", child), 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	undo_run(undo_steps, &report);
	assert_non_null(report.left);
	assert_non_null(strstr(report.left[0], "x.service"));
	assert_non_null(strstr(report.left[0], "has ended meanwhile"));
	cleanup_strv(&report.left);
	trail_remove();
}

/* --- control groups --------------------------------------------------------------- */

static void make_group(const char *group)
{
	char path[PATH_MAX];

	assert_int_equal(path_format(path, sizeof(path), "%s/cgroup%s/cgroup.freeze", temp_dir,
				     group), 0);
	assert_int_equal(file_write(path, "0\n", 2, 0644), 0);
	assert_int_equal(path_format(path, sizeof(path), "%s/cgroup%s/cgroup.events", temp_dir,
				     group), 0);
	assert_int_equal(file_write(path, "populated 1\nfrozen 1\n", 21, 0644), 0);
}

static bool is_frozen(const char *group)
{
	_cleanup_free_ char *state = NULL;
	char path[PATH_MAX];

	assert_int_equal(path_format(path, sizeof(path), "%s/cgroup%s/cgroup.freeze", temp_dir,
				     group), 0);
	assert_int_equal(file_read(path, &state, NULL), 0);
	return state[0] == '1';
}

static void set_frozen(const char *group)
{
	char path[PATH_MAX];

	assert_int_equal(path_format(path, sizeof(path), "%s/cgroup%s/cgroup.freeze", temp_dir,
				     group), 0);
	assert_int_equal(file_write(path, "1\n", 2, 0644), 0);
}

#define OWN	"/some.slice/app.service"

/* Two apps live in one group, one of them also in another. */
static int groups_of(pid_t pid, char ***groups)
{
	int r = strv_append(groups, OWN);

	return r == 0 && pid == 2 ? strv_append(groups, "/some.slice/second.scope") : r;
}

static void test_freezer(void **state)
{
	const struct app apps[] = { { .name = (char *)"one", .pid = 1 },
				    { .name = (char *)"two", .pid = 2 } };
	_cleanup_strv_ char **groups = NULL;
	char root[PATH_MAX];

	(void)state;
	snprintf(root, sizeof(root), "%s/cgroup", temp_dir);
	freezer_root = root;
	freezer_groups = groups_of;
	make_group("/some.slice");
	make_group(OWN);
	make_group(OWN "/below");
	make_group(OWN ".x");
	make_group("/some.slice/second.scope");
	make_group("/others.slice");
	make_group("/others.slice/a.service");
	make_group("/paused.slice");
	set_frozen("/paused.slice");
	make_group("/nvwa");
	make_group("/init.scope");
	make_group("/system.slice");
	make_group("/system.slice/systemd-journald.service");
	make_group("/system.slice/b.service");

	assert_int_equal(freezer_others(apps, 2, NULL), 0);
	assert_false(is_frozen("/some.slice"));
	assert_false(is_frozen(OWN));
	assert_false(is_frozen(OWN "/below"));
	assert_true(is_frozen(OWN ".x"));
	assert_false(is_frozen("/some.slice/second.scope"));
	assert_true(is_frozen("/others.slice"));
	assert_false(is_frozen("/nvwa"));
	assert_false(is_frozen("/init.scope"));
	/* The journal takes what services say until they are dumped. */
	assert_false(is_frozen("/system.slice"));
	assert_false(is_frozen("/system.slice/systemd-journald.service"));
	assert_true(is_frozen("/system.slice/b.service"));
	/* Two apps live there: when the second is dumped. */
	assert_int_equal(freezer_hold(&apps[0], NULL), 0);
	assert_false(is_frozen(OWN));
	assert_int_equal(freezer_hold(&apps[1], NULL), 0);
	assert_true(is_frozen(OWN));
	assert_true(is_frozen("/some.slice/second.scope"));
	make_group("/later.slice");
	assert_int_equal(freezer_rest(NULL), 0);
	assert_true(is_frozen("/later.slice"));
	assert_true(is_frozen("/system.slice"));
	assert_false(is_frozen("/nvwa"));

	/* All that was frozen, and nothing that somebody else has frozen. */
	assert_int_equal(trail_values(TRAIL_GROUP, &groups), 0);
	assert_true(strv_has(groups, "/others.slice"));
	assert_true(strv_has(groups, "/later.slice"));
	assert_true(strv_has(groups, OWN));
	assert_false(strv_has(groups, "/paused.slice"));
	for (char **g = groups; *g; g++)
		assert_int_equal(freezer_thaw(*g), 0);
	assert_false(is_frozen("/others.slice"));
	assert_false(is_frozen(OWN));
	assert_true(is_frozen("/paused.slice"));
	assert_int_equal(freezer_thaw("/gone.slice"), 0);
	trail_remove();
}

/* --- what carried units need ------------------------------------------------------ */

static int needs(void *ctx, const char *unit, char ***list)
{
	static const char *const table[][2] = {
		{ "a.service", "b.service" }, { "b.service", "c.service" },
		{ "c.service", "d.service" }, { "d.service", "a.service" },
		{ "b.service", "x.slice" }, { "e.service", "f.service" },
	};
	int r = 0;

	++*(int *)ctx;
	for (size_t i = 0; r == 0 && i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i][0], unit))
			r = strv_append(list, table[i][1]);
	return r;
}

static void test_closure(void **state)
{
	_cleanup_strv_ char **units = NULL;
	int asked = 0;

	(void)state;
	assert_int_equal(needs_closure(&units, needs, &asked), 0);
	assert_null(units);
	assert_int_equal(strv_append(&units, "a.service"), 0);
	assert_int_equal(needs_closure(&units, needs, &asked), 0);
	assert_string_equal(joined(units), "a.service;b.service;c.service;x.slice;d.service;");
	assert_int_equal(asked, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trail),
		cmocka_unit_test(test_cut_trail),
		cmocka_unit_test(test_undo),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_freezer),
		cmocka_unit_test(test_closure),
	};

	return cmocka_run_group_tests(tests, begin, remove_temp_dir);
}
