// SPDX-License-Identifier: GPL-2.0-only
/* Running the criu command: its arguments, descriptors, namespaces and log. */
#include "lib/apps/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/apps/paths.h"
#include "lib/apps/preload/protocol.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "uapi/record.h"

/* Namespaces that a service may share with its placeholder instead of having them dumped. */
static const char *const shared_namespaces[] = { "mnt", "uts", "ipc", "net", "cgroup" };
#define NR_SHARED	(sizeof(shared_namespaces) / sizeof(shared_namespaces[0]))

static int ask_version(void)
{
	char *argv[] = { (char *)app_paths()->criu, (char *)"--version", NULL };
	_cleanup_free_ char *out = NULL;
	int major, minor, patch = 0;
	const char *at;
	int r;

	r = command_run(argv, &out);
	if (r < 0)
		return r;
	at = r ? NULL : strstr(out, "Version: ");
	if (!at || sscanf(at, "Version: %d.%d.%d", &major, &minor, &patch) < 2)
		return -ENOENT;

	return major * 10000 + minor * 100 + patch;
}

int criu_version(void)
{
	static const char *asked;
	static int version;

	/* Once: while programs are frozen there is no time to ask. */
	if (!asked || strcmp(asked, app_paths()->criu)) {
		version = ask_version();
		asked = version < 0 ? NULL : app_paths()->criu;
	}

	return version;
}

void criu_arg(struct criu *criu, const char *fmt, ...)
{
	char *arg = NULL, **bigger;
	va_list ap;
	int n;

	if (criu->failed)
		return;
	va_start(ap, fmt);
	n = vasprintf(&arg, fmt, ap);
	va_end(ap);
	bigger = n < 0 ? NULL : realloc(criu->argv, (criu->nr_args + 2) * sizeof(char *));
	if (!bigger) {
		if (n >= 0)
			free(arg);
		criu->failed = -ENOMEM;
		return;
	}
	criu->argv = bigger;
	criu->argv[criu->nr_args++] = arg;
	criu->argv[criu->nr_args] = NULL;
}

void criu_keep(struct criu *criu, int fd)
{
	int *bigger = realloc(criu->fds, (criu->nr_fds + 1) * sizeof(int));

	if (!bigger) {
		close(fd);
		criu->failed = -ENOMEM;
		return;
	}
	criu->fds = bigger;
	criu->fds[criu->nr_fds++] = fd;
}

static int keep_directory(struct criu *criu, const char *path, const char *option,
			  struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	criu_keep(criu, fd);
	criu_arg(criu, "%s", option);
	/* By descriptor, as the path may not exist in the namespace that criu joins. */
	criu_arg(criu, "/proc/self/fd/%d", fd);

	return 0;
}

int criu_init(struct criu *criu, const char *verb, const char *dir, struct error *err)
{
	const char *verbosity = getenv("NVWA_CRIU_VERBOSITY");
	char images[4096];
	int r;

	memset(criu, 0, sizeof(*criu));
	r = path_format(images, sizeof(images), "%s/img", dir);
	if (!r)
		r = dir_make_private(images);
	if (r < 0)
		return error_set(err, -r, "cannot make %s/img: %s", dir, strerror(-r));

	criu_arg(criu, "criu");
	criu_arg(criu, "%s", verb);
	r = keep_directory(criu, images, "--images-dir", err);
	if (!r)
		r = keep_directory(criu, dir, "--work-dir", err);
	if (!r)
		r = keep_directory(criu, app_paths()->plugins, "--libdir", err);
	criu_arg(criu, "--log-file");
	criu_arg(criu, "%s.log", verb);
	/* Warnings and errors: what a reader of a failure needs. */
	criu_arg(criu, "-v%s", verbosity ? verbosity : "2");

	return r < 0 ? r : criu->failed;
}

void criu_free(struct criu *criu)
{
	for (size_t i = 0; i < criu->nr_args; i++)
		free(criu->argv[i]);
	free(criu->argv);
	for (size_t i = 0; i < criu->nr_fds; i++)
		close(criu->fds[i]);
	free(criu->fds);
	memset(criu, 0, sizeof(*criu));
}

/* Descriptors of the namespaces to join, as "7:8"; they are kept by criu. */
static int open_namespaces(struct criu *criu, char *list, size_t size, struct error *err)
{
	size_t used = 0;

	list[0] = '\0';
	for (size_t i = 0; criu->namespaces_of && i < NR_SHARED; i++) {
		const char *name = shared_namespaces[i];
		uint64_t ours, theirs;
		char path[64];
		int fd, r;

		r = proc_ns(0, name, &ours);
		if (!r)
			r = proc_ns(criu->namespaces_of, name, &theirs);
		if (r < 0)
			return error_set(err, -r, "cannot see the %s namespace of process %d: %s",
					 name, criu->namespaces_of, strerror(-r));
		if (ours == theirs)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", criu->namespaces_of, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
		criu_keep(criu, fd);
		used += snprintf(list + used, size - used, "%s%d", used ? ":" : "", fd);
	}

	return 0;
}

/* In the child: never returns. */
static void exec_criu(const struct criu *criu, const char *namespaces, int hook, int output)
{
	char number[16];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < criu->nr_fds; i++)
		fcntl(criu->fds[i], F_SETFD, 0);
	fcntl(hook, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", hook);

	setenv("LD_PRELOAD", app_paths()->preload, 1);
	setenv(CRIU_ENV_NAMESPACES, namespaces, 1);
	setenv(CRIU_ENV_HOOK, number, 1);
	if (criu->hide_userns)
		setenv(CRIU_ENV_HIDE_USERNS, "1", 1);
	if (criu->hide_memory)
		setenv(CRIU_ENV_HIDE_MEMORY, "1", 1);
	if (criu->hide_shared)
		setenv(CRIU_ENV_HIDE_SHARED, "1", 1);
	if (criu->carry_sysv)
		setenv(CRIU_ENV_SYSV, "1", 1);
	if (criu->no_firewall)
		setenv(CRIU_ENV_NO_FIREWALL, "1", 1);
	if (criu->keeper) {
		fcntl(criu->keeper, F_SETFD, 0);
		snprintf(number, sizeof(number), "%d", criu->keeper);
		setenv(CRIU_ENV_KEEPER, number, 1);
	}
	/* Its images and its log have what only their program may see; it asks for 0644. */
	umask(077);
	if (criu->no_new_privileges)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execvp(app_paths()->criu, criu->argv);
	dprintf(STDERR_FILENO, "cannot execute %s: %s\n", app_paths()->criu, strerror(errno));
	_exit(127);
}

/* Answer criu's questions until it ends or closes its end. */
static int serve(struct criu *criu)
{
	struct criu_hook_message m;
	ssize_t n;
	int r = 0;

	for (;;) {
		n = recv(criu->hook, &m, sizeof(m), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(m))
			return n ? -EIO : r;
		if (m.kind == CRIU_HOOK_TIMES) {
			criu->stop_tsc = m.args[0];
			criu->go_tsc = m.args[1];
			continue;
		}
		m.result = criu->resume ? criu->resume(criu->ctx, m.pid) : 0;
		if (m.result)
			r = m.result;
		send(criu->hook, &m, sizeof(m), MSG_NOSIGNAL);
	}
}

int criu_syscall(const struct criu *criu, pid_t pid, long nr, const unsigned long args[6],
		 long *result)
{
	struct criu_hook_message m = { .kind = CRIU_HOOK_SYSCALL, .pid = pid, .nr = nr };
	ssize_t n;

	memcpy(m.args, args, sizeof(m.args));
	if (send(criu->hook, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
		return -ENOTRECOVERABLE;
	do {
		n = recv(criu->hook, &m, sizeof(m), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(m) || m.kind != CRIU_HOOK_SYSCALL)
		return -ENOTRECOVERABLE;
	*result = m.result;

	return m.result == -ENOTRECOVERABLE ? -ENOTRECOVERABLE : 0;
}

/* The last lines of a text, at most max bytes of whole lines. */
static const char *tail(const char *text, size_t max)
{
	size_t len = strlen(text);
	const char *start = text, *line;

	if (len > max) {
		start = text + len - max;
		line = strchr(start, '\n');
		if (line && line[1])
			start = line + 1;
	}

	return start;
}

/* CRIU's words (criu/sk-unix.c) for what comes and goes, so that a check before need not see it. */
#define OPEN_CONNECTION	"Can't dump half of stream unix connection"
#define OPEN_MEANS	"it had a local connection to another program at that moment, which " \
			"would not survive. Try again, or have both talk over TCP; "

static int report_failure(const struct criu *criu, int status, int output, struct error *err)
{
	_cleanup_free_ char *log = NULL, *said = NULL;
	char path[64], how[32];
	const char *own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", output);
	if (file_read(path, &said, NULL) < 0)
		said = NULL;
	/* criu_init() kept the directory of the log as the second descriptor. */
	snprintf(path, sizeof(path), "%s.log", criu->argv[1]);
	if (file_read_at(criu->fds[1], path, &log, NULL) < 0)
		log = NULL;
	own = said ? strstr(said, CRIU_PRELOAD_SAYS) : NULL;
	if (own) {
		own += strlen(CRIU_PRELOAD_SAYS);
		return error_set(err, EIO, "%.*s", (int)strcspn(own, "\n"), own);
	}
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "by signal %d", WTERMSIG(status));
	else
		snprintf(how, sizeof(how), "with status %d", WEXITSTATUS(status));

	/* Its log lies beside its images: where there is no room, both stay empty. */
	if (!(said && *said) && !(log && *log))
		return error_set(err, EIO, "criu %s ended %s and said nothing. Is there room left "
				 "in " NVWA_STATE_DIR "?", criu->argv[1], how);

	return error_set(err, EIO, "%scriu %s ended %s; the end of what it said:\n%s%s",
			 log && strstr(log, OPEN_CONNECTION) ? OPEN_MEANS : "",
			 criu->argv[1], how, said ? tail(said, 200) : "",
			 log ? tail(log, 600) : "");
}

int criu_start(struct criu *criu, struct error *err)
{
	_cleanup_close_ int hook = -1, output = -1;
	char namespaces[128];
	int pair[2], r;

	r = open_namespaces(criu, namespaces, sizeof(namespaces), err);
	if (r < 0)
		return r;
	if (criu->failed)
		return error_set(err, ENOMEM, "out of memory");

	output = memfd_create("criu", MFD_CLOEXEC);
	if (output < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return error_set(err, errno, "cannot run criu: %s", strerror(errno));
	hook = pair[0];

	criu->pid = fork();
	if (!criu->pid)
		exec_criu(criu, namespaces, pair[1], output);
	close(pair[1]);
	if (criu->pid < 0)
		return error_set(err, errno, "cannot run criu: %s", strerror(errno));
	criu->hook = steal_fd(hook);
	criu->output = steal_fd(output);

	return 0;
}

int criu_finish(struct criu *criu, struct error *err)
{
	_cleanup_close_ int hook = criu->hook, output = criu->output;
	int status, served;

	served = serve(criu);
	while (waitpid(criu->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (served < 0)
		return error_set(err, -served, "a process that criu rebuilt could not go on: %s",
				 strerror(-served));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return report_failure(criu, status, output, err);

	return 0;
}

int criu_run(struct criu *criu, struct error *err)
{
	int r = criu_start(criu, err);

	return r < 0 ? r : criu_finish(criu, err);
}

/*
 * What criu measured of a kernel depends on nothing but the kernel and itself,
 * with one exception: the frame of the zero page, which only a dump uses. So
 * what was kept serves a restore, and a dump measures anew.
 */
static int kdat_stored_path(int version, char *path, size_t size)
{
	struct utsname uts;

	uname(&uts);

	return path_format(path, size, "%s/%s-%d", app_paths()->kdat_store, uts.release, version);
}

static int copy_file(const char *from, const char *to)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r;

	r = file_read(from, &data, &len);
	if (!r)
		r = file_write(to, data, len, 0600);

	return r;
}

#define REUSED_MARK	NVWA_STATE_DIR "/criu-reused"

/*
 * In a network namespace of its own, as criu also tries out TCP, which is
 * locked in ours while programs are restored. It says what it thinks of the
 * kernel, too, but that is apps_check_criu()'s.
 */
static int measure(void)
{
	char *argv[] = { (char *)"unshare", (char *)"--net", (char *)"sh", (char *)"-c",
			 (char *)"ip link set lo up; exec \"$0\" check",
			 (char *)app_paths()->criu, NULL };

	return command_run(argv, NULL);
}

int criu_warm(struct error *err)
{
	char stored[4096];
	int version, r;

	version = criu_version();
	if (version < 0)
		return error_set(err, ENOENT, "there is no criu command: install criu");
	if (!access(REUSED_MARK, F_OK)) {
		unlink(app_paths()->kdat);
		unlink(REUSED_MARK);
	}
	if (access(app_paths()->kdat, F_OK)) {
		r = measure();
		if (r < 0)
			return error_set(err, -r, "cannot run criu: %s", strerror(-r));
	}
	r = kdat_stored_path(version, stored, sizeof(stored));
	if (!r && access(stored, F_OK)) {
		/* The report will lie in a directory above it, and is for everybody. */
		mode_t mask = umask(022);

		r = copy_file(app_paths()->kdat, stored);
		umask(mask);
	}

	return r < 0 ? error_set(err, -r, "cannot keep what criu measured: %s", strerror(-r)) : 0;
}

void criu_reuse(int version)
{
	char stored[4096];

	if (!access(app_paths()->kdat, F_OK))
		return;
	if (kdat_stored_path(version, stored, sizeof(stored)) < 0 ||
	    copy_file(stored, app_paths()->kdat) < 0)
		measure();
	else
		file_write(REUSED_MARK, "", 0, 0600);
}
