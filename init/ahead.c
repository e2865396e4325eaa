// SPDX-License-Identifier: GPL-2.0-only
/* Programs that go on before the machine's own init starts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/apps/paths.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Where lib/apps/scope.c rebuilds programs, and what tool/outcome.c writes of each in the end. */
#define SLICE	"/sys/fs/cgroup/system.slice"
#define RESULT	NVWA_STATE_DIR "/apps/pid-%d/result.json"

/* In the child. What it says goes to the kernel log, as nothing else listens yet. */
static void exec_resume(const sigset_t *mask)
{
	char *const argv[] = { (char *)"nvwa", (char *)"resume", (char *)"--ahead", NULL };
	int null = open("/dev/null", O_RDONLY), log = open("/dev/kmsg", O_WRONLY);

	sigprocmask(SIG_SETMASK, mask, NULL);
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	execv(app_paths()->nvwa, argv);
	_exit(127);
}

/* Until the child ends, for so many seconds; its status, or -ETIMEDOUT. */
static int wait_child(pid_t child, time_t seconds)
{
	struct timespec now, end;
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
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec)
			return -ETIMEDOUT;
		sigtimedwait(&wanted, NULL, &second);
	}
}

/* Nothing may run that is not restored to its end. */
static void kill_unfinished(pid_t child)
{
	_cleanup_closedir_ DIR *dir = opendir(SLICE);
	struct dirent *d;

	kill(-child, SIGKILL);
	while (dir && (d = readdir(dir))) {
		char path[400];
		int pid;

		if (sscanf(d->d_name, "nvwa-%d.scope", &pid) != 1 ||
		    path_format(path, sizeof(path), RESULT, pid) || !access(path, F_OK) ||
		    path_format(path, sizeof(path), SLICE "/%s/cgroup.kill", d->d_name))
			continue;
		file_write(path, "1", 1, 0644);
	}
}

void ahead_run(const char *orders)
{
	time_t seconds = order_number(orders, "ahead ", 0);
	sigset_t wanted, before;
	pid_t child;
	int status;

	if (!seconds)
		return;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	child = fork();
	if (!child)
		exec_resume(&before);
	status = child < 0 ? -errno : wait_child(child, seconds);
	if (status == -ETIMEDOUT) {
		log_error("programs were not restored within %lld s", (long long)seconds);
		kill_unfinished(child);
	} else if (status) {
		log_error("not all programs go ahead of systemd (status %#x)", status);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}
