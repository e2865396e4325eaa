// SPDX-License-Identifier: GPL-2.0-only
/* Programs that go on before the machine's own init starts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/apps/cgroup.h"
#include "lib/apps/paths.h"
#include "lib/apps/takeover.h"
#include "lib/apps/units.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/pass-fd.h"
#include "lib/base/strv.h"

#define APPS	NVWA_STATE_DIR "/apps"

/* In the child. What it says goes to the kernel log, as nothing else listens yet. */
static void exec_resume(const sigset_t *mask, int socket)
{
	char *const argv[] = { (char *)"nvwa", (char *)"resume", (char *)"--ahead", NULL };
	int null = open("/dev/null", O_RDONLY), log = open("/dev/kmsg", O_WRONLY);

	sigprocmask(SIG_SETMASK, mask, NULL);
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	if (socket == TAKEOVER_SOCKET)
		fcntl(socket, F_SETFD, 0);
	dup2(socket, TAKEOVER_SOCKET);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	execv(app_paths()->nvwa, argv);
	_exit(127);
}

/* Each goes where the file for systemd says that it is, and stays open there. */
static void take_descriptors(int socket)
{
	struct rlimit limit, most;
	int fd, number;

	/* As many as PID 1 may have at all; systemd sets its own limit. */
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	most = limit;
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	while ((fd = take_fd(socket, &number)) >= 0) {
		if (number < TAKEOVER_FIRST_FD || dup3(fd, number, 0) < 0)
			log_error("a descriptor for systemd is lost");
		close(fd);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Of the programs: how many are restored or given up. */
static size_t count_done(void)
{
	_cleanup_closedir_ DIR *apps = opendir(APPS);
	size_t nr = 0;
	struct dirent *d;

	while (apps && (d = readdir(apps))) {
		char path[400];

		nr += d->d_name[0] != '.' &&
		      !path_format(path, sizeof(path), APPS "/%s/" APPS_AHEAD, d->d_name) &&
		      !access(path, F_OK);
	}
	return nr;
}

/*
 * Until the child ends, or is done with no other program for so many seconds: many programs may
 * take their time, but those that hang cost no more than one. Its status, or -ETIMEDOUT.
 */
static int wait_child(pid_t child, int socket, time_t seconds)
{
	struct timespec now, end;
	size_t done, before = 0;
	sigset_t wanted;
	int status;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	for (;;) {
		struct timespec second = { .tv_sec = 1 };
		pid_t pid;

		/* Whatever else ends is PID 1's to bury. */
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid == child)
				return status;
		}
		take_descriptors(socket);
		clock_gettime(CLOCK_MONOTONIC, &now);
		done = count_done();
		if (done != before) {
			before = done;
			end.tv_sec = now.tv_sec + seconds;
		}
		if (now.tv_sec > end.tv_sec)
			return -ETIMEDOUT;
		sigtimedwait(&wanted, NULL, &second);
	}
}

/* Nothing may run that is not restored to its end; of what is systemd is to know. */
static int tell_systemd(void)
{
	_cleanup_closedir_ DIR *apps = opendir(APPS);
	_cleanup_strv_ char **dirs = NULL;
	struct dirent *d;
	int r;

	/* What was made for the journal. */
	r = strv_append(&dirs, NVWA_STATE_DIR);
	while (!r && apps && (d = readdir(apps))) {
		char dir[300], path[400];

		if (d->d_name[0] == '.')
			continue;
		r = path_format(dir, sizeof(dir), APPS "/%s", d->d_name);
		if (!r && !path_format(path, sizeof(path), "%s/" APPS_AHEAD, dir) &&
		    !access(path, F_OK))
			r = strv_append(&dirs, dir);
		else if (!r && !path_format(path, sizeof(path), "%s/" APP_CGROUP_FILE, dir))
			cgroup_kill_noted(path);
	}

	return r < 0 ? r : takeover_write(TAKEOVER_FILE, dirs);
}

void ahead_run(const char *orders)
{
	time_t seconds = order_number(orders, "ahead ", 0);
	sigset_t wanted, before;
	int status, ends[2];
	pid_t child;

	if (!seconds)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		log_error("programs do not go ahead of systemd: there is no socket");
		return;
	}
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	child = fork();
	if (!child)
		exec_resume(&before, ends[1]);
	close(ends[1]);
	status = child < 0 ? -errno : wait_child(child, ends[0], seconds);
	if (status == -ETIMEDOUT) {
		log_error("programs are not restored: none was within %lld s", (long long)seconds);
		kill(-child, SIGKILL);
	} else if (status) {
		log_error("not all programs go ahead of systemd (status %#x)", status);
	}
	take_descriptors(ends[0]);
	close(ends[0]);
	status = tell_systemd();
	if (status)
		log_error("systemd cannot be told what runs: %s", strerror(-status));
	sigprocmask(SIG_SETMASK, &before, NULL);
}
