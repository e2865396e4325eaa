// SPDX-License-Identifier: GPL-2.0-only
/* The parent that guards an update, and is there to undo it. */
#include "tool/guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "tool/common.h"

/* What a child has started that is dead may come to its own end in that time. */
#define ORPHAN_SECONDS	30
/* Whoever is killed ends in that time, or hangs in the kernel. */
#define KILL_SECONDS	10
/* Until the first step is told. */
#define START_SECONDS	60

struct message {
	unsigned int seconds;	/* of a step; 0: the reason of a failure */
	char text[sizeof(((struct error *)NULL)->text)];
};

static pid_t parent;
static int channel = -1;	/* to the other one */
static sigset_t watched;

pid_t guard_start(struct error *err)
{
	static const int ignored[] = { SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, errno, "cannot start: %s", strerror(errno));
	sigemptyset(&watched);
	sigaddset(&watched, SIGINT);
	sigaddset(&watched, SIGTERM);
	sigaddset(&watched, SIGCHLD);
	fflush(NULL);
	sigprocmask(SIG_BLOCK, &watched, NULL);
	/* A lost terminal must not end an update half way. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	parent = getpid();
	pid = fork();
	if (pid < 0)
		return error_set(err, errno, "cannot start: %s", strerror(errno));
	channel = pair[pid ? 0 : 1];
	close(pair[pid ? 1 : 0]);
	if (pid == 0) {
		setsid();
		/* Whoever kills the guard wants an end of it. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	}
	return pid;
}

static void tell(unsigned int seconds, const char *text)
{
	struct message m = { .seconds = seconds };

	snprintf(m.text, sizeof(m.text), "%s", text);
	while (send(channel, &m, sizeof(m), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void guard_step(unsigned int seconds, const char *what)
{
	/* Signals are let in when somebody is there to handle them. */
	sigprocmask(SIG_UNBLOCK, &watched, NULL);
	tell(seconds, what);
}

void guard_failed(const char *text)
{
	tell(0, text);
}

bool guard_is_there(void)
{
	return getppid() == parent;
}

pid_t guard_pid(void)
{
	return guard_is_there() ? parent : 0;
}

int guard_harden(struct error *err)
{
	/* The lowest there is, OOM_SCORE_ADJ_MIN of linux/oom.h; a container may not allow it. */
	file_write("/proc/self/oom_score_adj", "-1000", 5, 0644);
	return mlockall(MCL_CURRENT | MCL_FUTURE) < 0 ?
	       error_set(err, errno, "cannot lock this command in memory: %s", strerror(errno)) : 0;
}

/* --- the parent ------------------------------------------------------------------- */

struct watch {
	pid_t child;
	bool ended;
	int status;
	char step[300];
	unsigned int seconds;
	long long until;	/* ms of the monotonic clock */
	struct error *why;
};

static long long now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static void next_step(struct watch *w, unsigned int seconds, const char *name)
{
	snprintf(w->step, sizeof(w->step), "%.*s", (int)sizeof(w->step) - 1, name);
	w->seconds = seconds;
	w->until = now_ms() + seconds * 1000LL;
}

static void hang_up(void)
{
	if (channel >= 0)
		close(channel);
	channel = -1;
}

static void take_messages(struct watch *w)
{
	struct message m;
	ssize_t n;

	while ((n = recv(channel, &m, sizeof(m), MSG_DONTWAIT)) == sizeof(m)) {
		m.text[sizeof(m.text) - 1] = '\0';
		if (m.seconds)
			next_step(w, m.seconds, m.text);
		else
			error_set(w->why, EIO, "%s", m.text);
	}
	/* It is about to end. */
	if (n == 0)
		hang_up();
}

/* All that have ended, whoever started them. False: none is left. */
static bool reap(struct watch *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != w->child)
			continue;
		w->ended = true;
		w->status = status;
	}
	return pid == 0;
}

/* Wait for a signal, or a message, or for the time to be over: false. */
static bool wait_event(int signals, long long until)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN }, { .fd = channel, .events = POLLIN },
	};
	long long left = until - now_ms();

	if (left <= 0)
		return false;
	/* Less than the time for a poll: 24 days. */
	if (left > 1000000000)
		left = 1000000000;
	return poll(fds, channel < 0 ? 1 : 2, left) != 0;
}

static void take_signals(const struct watch *w, int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD && !w->ended)
			kill(w->child, SIGINT);
}

static void watch_child(struct watch *w, int signals)
{
	while (!w->ended) {
		if (!wait_event(signals, w->until)) {
			error_set(w->why, ETIME, "%s did not come to an end in %u seconds",
				  w->step, w->seconds);
			return;
		}
		take_signals(w, signals);
		reap(w);
		take_messages(w);
	}
}

/* Until all that has been started has ended. */
static bool wait_descendants(struct watch *w, int signals, unsigned int seconds)
{
	const long long until = now_ms() + seconds * 1000LL;

	while (reap(w)) {
		if (!wait_event(signals, until))
			return false;
		take_signals(w, signals);
	}
	return true;
}

static void kill_descendants(struct watch *w, int signals)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t nr;

	if (proc_tree(getpid(), &pids, &nr) < 0)
		return;
	for (size_t i = 1; i < nr; i++)
		kill(pids[i], SIGKILL);
	wait_descendants(w, signals, KILL_SECONDS);
}

static void say_how(const struct watch *w)
{
	if (!w->ended)
		error_set(w->why, EIO, "the command hangs in the kernel (%s)", w->step);
	else if (WIFSIGNALED(w->status))
		error_set(w->why, EIO, "the command was ended by signal %d (%s)",
			  WTERMSIG(w->status), w->step);
	else
		error_set(w->why, EIO, "the command ended by itself (%s)", w->step);
}

int guard_wait(pid_t child, struct error *why)
{
	_cleanup_close_ int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	struct watch w = { .child = child, .why = why };
	struct error err = { 0 };

	/* Whoever looks for what to end should find the child. */
	prctl(PR_SET_NAME, "nvwa-guard");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (guard_harden(&err) < 0)
		complain("%s", err.text);
	next_step(&w, START_SECONDS, "start");
	watch_child(&w, signals);
	hang_up();
	/* CRIU must not be ended in the middle: it puts processes right before it ends. */
	if (!w.ended || !wait_descendants(&w, signals, ORPHAN_SECONDS))
		kill_descendants(&w, signals);
	say_how(&w);
	return w.ended && WIFEXITED(w.status) && WEXITSTATUS(w.status) ?
	       WEXITSTATUS(w.status) : EXIT_NOT_UPDATED;
}
