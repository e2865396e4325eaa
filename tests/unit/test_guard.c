// SPDX-License-Identifier: GPL-2.0-only
/* The parent that guards an update: how a child may end, and what it learns of that. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tool/common.h"
#include "tool/guard.h"
#include "tool/verbs.h"

/* Of tool/main.c, which has a main() of its own. */
int verb_usage(const char *name)
{
	fail_msg("the help of %s is not wanted", name);
	return -1;
}

static struct error why;

/* What becomes of a child that does this. */
static int becomes(void (*child)(void))
{
	struct error err = { 0 };
	pid_t pid = guard_start(&err);

	assert_true(pid >= 0);
	if (pid == 0) {
		child();
		_exit(EXIT_NOT_UPDATED);
	}
	memset(&why, 0, sizeof(why));
	return guard_wait(pid, &why);
}

static void fails(void)
{
	guard_step(60, "freeze");
	guard_failed("freeze failed: no room");
}

static void refuses(void)
{
	guard_step(60, "freeze");
	_exit(getsid(0) == getpid() && guard_is_there() && guard_pid() == getppid() ?
	      EXIT_BUSY : EXIT_FAILURE);
}

static void dies(void)
{
	guard_step(60, "freeze");
	kill(getpid(), SIGKILL);
}

static void dies_at_once(void)
{
	kill(getpid(), SIGKILL);
}

static void hangs(void)
{
	guard_step(60, "prepare");
	guard_step(1, "writing to disks");
	/* Another one that hangs as well. */
	fork();
	for (;;)
		pause();
}

static void test_ends(void **state)
{
	(void)state;
	assert_int_equal(becomes(fails), EXIT_NOT_UPDATED);
	assert_string_equal(why.text, "freeze failed: no room");
	assert_int_equal(becomes(refuses), EXIT_BUSY);
	assert_int_equal(becomes(dies), EXIT_NOT_UPDATED);
	assert_string_equal(why.text, "the command was ended by signal 9 (freeze)");
	assert_int_equal(becomes(dies_at_once), EXIT_NOT_UPDATED);
	assert_non_null(strstr(why.text, "signal 9 (start)"));
}

static void test_hangs(void **state)
{
	(void)state;
	assert_int_equal(becomes(hangs), EXIT_NOT_UPDATED);
	assert_string_equal(why.text, "writing to disks did not come to an end in 1 seconds");
	/* None of its processes is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static void is_interrupted(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	/* The guard is; it is not ended by it, and hands it on. */
	kill(getppid(), SIGTERM);
	guard_step(60, "freeze");
	while (!interrupted)
		usleep(1000);
	guard_failed(interrupted == SIGINT ? "interrupted" : "something else");
}

static void loses_terminal(void)
{
	kill(getppid(), SIGHUP);
	kill(getppid(), SIGTSTP);
	guard_step(60, "freeze");
	guard_failed("went on");
}

static void test_signals(void **state)
{
	(void)state;
	assert_int_equal(becomes(is_interrupted), EXIT_NOT_UPDATED);
	assert_string_equal(why.text, "interrupted");
	assert_int_equal(becomes(loses_terminal), EXIT_NOT_UPDATED);
	assert_string_equal(why.text, "went on");
}

static int written[2];

/* What it has started ends later, by itself. */
static void leaves_orphan(void)
{
	pid_t parent = getpid();

	guard_step(60, "freeze");
	if (fork() == 0) {
		while (getppid() == parent)
			usleep(1000);
		_exit(write(written[1], "x", 1) != 1);
	}
	kill(getpid(), SIGKILL);
}

static void test_orphans(void **state)
{
	char c;

	(void)state;
	assert_int_equal(pipe(written), 0);
	assert_int_equal(becomes(leaves_orphan), EXIT_NOT_UPDATED);
	close(written[1]);
	/* It was neither ended nor left alone. */
	assert_int_equal(read(written[0], &c, 1), 1);
	close(written[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_orphans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
