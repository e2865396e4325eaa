// SPDX-License-Identifier: GPL-2.0-only
/*
 * libnvwa-criu.so: what makes a stock criu command fit for sandboxed services.
 * Preloaded into criu, it joins the namespaces of a service after criu was
 * executed (the sandbox may forbid that file to be executed inside), and hides
 * a user namespace that criu could not restore and the memory that criu is not
 * to copy. As criu's plugin it tells our side when all tasks are rebuilt and
 * none runs yet, and waits for the answer.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/apps/pagemap-scan.h"
#include "lib/apps/preload/drain.h"
#include "lib/apps/preload/protocol.h"
#include "lib/apps/preload/remote.h"
#include "lib/apps/preload/smaps-abridged.h"
#include "lib/base/clock.h"

#define EXPORT __attribute__((visibility("default")))

static bool hide_userns, hide_memory, hide_shared, no_firewall, carry_sysv;
static int hook = -1, keeper = -1;
static pid_t criu_pid;
static uint64_t stop_tsc, go_tsc;

/* Every descriptor in a list such as "7:8:9" is a namespace to join. */
static void join_namespaces(const char *list)
{
	while (list && *list) {
		char *end;
		long fd = strtol(list, &end, 10);

		if (end == list || setns(fd, 0)) {
			dprintf(STDERR_FILENO, CRIU_PRELOAD_SAYS "cannot join a namespace: %s\n",
				strerror(errno));
			_exit(CRIU_PRELOAD_FAILED);
		}
		close(fd);
		list = *end ? end + 1 : end;
	}
}

static __attribute__((constructor)) void preload_init(void)
{
	const char *fd = getenv(CRIU_ENV_HOOK), *module = getenv(CRIU_ENV_KEEPER);

	hide_userns = getenv(CRIU_ENV_HIDE_USERNS);
	hide_memory = getenv(CRIU_ENV_HIDE_MEMORY);
	hide_shared = getenv(CRIU_ENV_HIDE_SHARED);
	no_firewall = getenv(CRIU_ENV_NO_FIREWALL);
	carry_sysv = getenv(CRIU_ENV_SYSV);
	criu_pid = getpid();
	if (fd)
		hook = atoi(fd);
	if (module)
		keeper = atoi(module);
	join_namespaces(getenv(CRIU_ENV_NAMESPACES));

	/* Nothing of this is for the commands that criu runs. */
	unsetenv("LD_PRELOAD");
	unsetenv(CRIU_ENV_NAMESPACES);
	unsetenv(CRIU_ENV_HIDE_USERNS);
	unsetenv(CRIU_ENV_HIDE_MEMORY);
	unsetenv(CRIU_ENV_HIDE_SHARED);
	unsetenv(CRIU_ENV_NO_FIREWALL);
	unsetenv(CRIU_ENV_SYSV);
	unsetenv(CRIU_ENV_HOOK);
	unsetenv(CRIU_ENV_KEEPER);
}

/* What an open file is called; "" if that cannot be told. Cut off to fit. */
static void path_of(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, size - 1);
	path[n > 0 ? n : 0] = '\0';
}

/* Is this criu's own directory in /proc? */
static bool is_own_proc(int fd)
{
	char path[64];
	int pid;

	path_of(fd, path, sizeof(path));
	return sscanf(path, "/proc/%d", &pid) == 1 && pid == getpid();
}

/*
 * criu tells namespaces apart by the inode numbers of /proc/PID/ns. Showing
 * it our own for every task's user namespace hides that there is another one;
 * showing it for itself a number that is nobody's makes one that is not there.
 */
EXPORT int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	int r;

	if (hide_userns && !strcmp(path, "ns/user")) {
		dirfd = AT_FDCWD;
		path = "/proc/self/ns/user";
	}
	r = syscall(SYS_newfstatat, dirfd, path, st, flags);
	if (!r && carry_sysv && !strcmp(path, "ns/ipc") && is_own_proc(dirfd))
		st->st_ino = 1;

	return r;
}

EXPORT int fstatat64(int dirfd, const char *path, struct stat64 *st, int flags)
{
	return fstatat(dirfd, path, (struct stat *)st, flags);
}

/*
 * criu makes processes by clone3(2), and it is the only call that it makes in
 * this way with a new namespace of that kind.
 */
EXPORT long syscall(long number, ...)
{
	static long (*next)(long number, ...);
	struct clone_args *clone_args;
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_clone3 && carry_sysv) {
		clone_args = (void *)a[0];
		clone_args->flags &= ~(uint64_t)CLONE_NEWIPC;
	}
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");

	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/*
 * When the first process was stopped, and when the last one was let go.
 */
EXPORT long ptrace(enum __ptrace_request request, ...)
{
	static long (*next)(enum __ptrace_request request, ...);
	long pid, address, data;
	va_list ap;

	va_start(ap, request);
	pid = va_arg(ap, long);
	address = va_arg(ap, long);
	data = va_arg(ap, long);
	va_end(ap);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "ptrace");
	if (request == PTRACE_INTERRUPT) {
		if (!stop_tsc)
			stop_tsc = clock_tsc();
		drain_note(pid);
	} else if (request == PTRACE_DETACH) {
		go_tsc = clock_tsc();
	}

	return next(request, (pid_t)pid, address, data);
}

/* Is this the /proc/PID/pagemap of another process? */
static bool is_hidden_pagemap(int fd)
{
	char path[64], name[16];
	int pid;

	if (!hide_memory)
		return false;
	path_of(fd, path, sizeof(path));
	return sscanf(path, "/proc/%d/%15s", &pid, name) == 2 && !strcmp(name, "pagemap") &&
	       pid != getpid();
}

/* Newer criu asks for runs of pages: there are none. */
EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct pm_scan_arg *arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == PAGEMAP_SCAN && is_hidden_pagemap(fd)) {
		arg->walk_end = arg->end;
		return 0;
	}

	return syscall(SYS_ioctl, fd, request, arg);
}

/*
 * Others read entries (Documentation/admin-guide/mm/pagemap.rst): no page is
 * present or swapped out. Of a single one the frame number stays, by which the
 * vdso is known; many are not asked of the kernel at all, which would visit each page.
 */
#define PAGEMAP_PRESENT_OR_SWAPPED	(3ULL << 62)

EXPORT ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
	uint64_t *entry = buffer;
	ssize_t n;

	if (size > sizeof(*entry) && is_hidden_pagemap(fd)) {
		memset(buffer, 0, size);
		return size;
	}
	n = syscall(SYS_pread64, fd, buffer, size, offset);
	if (n == sizeof(*entry) && is_hidden_pagemap(fd))
		*entry &= ~PAGEMAP_PRESENT_OR_SWAPPED;

	return n;
}

/*
 * criu reads smaps for the flags of mappings alone, and to make it the kernel
 * visits every page: it gets an abridged one. By then it has stopped all processes, and
 * this is the first that it wants to know of each.
 */
EXPORT int openat64(int dirfd, const char *path, int flags, ...)
{
	char dir[64];
	mode_t mode;
	va_list ap;
	int pid;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (keeper >= 0 && !strcmp(path, "smaps")) {
		path_of(dirfd, dir, sizeof(dir));
		if (sscanf(dir, "/proc/%d", &pid) == 1 && pid != getpid())
			return drain_wait(keeper) ? -1 : smaps_abridged(keeper, dirfd, pid);
	}

	return syscall(SYS_openat, dirfd, path, flags, mode);
}

/*
 * Shared memory without a file that others see, by the names that the kernel
 * gives it: memfd_create(2), MAP_SHARED | MAP_ANONYMOUS, shmget(2).
 */
static bool is_hidden_shared(int fd)
{
	static const char *const names[] = { "/memfd:", "/dev/zero (deleted)", "/SYSV" };
	struct statfs fs;
	char path[64];

	/* Huge pages (hugetlbfs) have the same names. */
	if (!hide_shared || fstatfs(fd, &fs) || fs.f_type != TMPFS_MAGIC)
		return false;
	path_of(fd, path, sizeof(path));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strncmp(path, names[i], strlen(names[i])))
			return true;
	}

	return false;
}

/* criu copies what is not a hole: all of it seems to be one. */
EXPORT off64_t lseek64(int fd, off64_t offset, int whence)
{
	if (whence == SEEK_DATA && is_hidden_shared(fd)) {
		errno = ENXIO;
		return -1;
	}

	return syscall(SYS_lseek, fd, offset, whence);
}

/*
 * Of libnftables. CRIU 3.17 cannot be told to leave the firewall alone, and
 * the table that it makes would outlive a rollback.
 */
EXPORT int nft_run_cmd_from_buffer(void *nft, const char *buf)
{
	static int (*next)(void *nft, const char *buf);

	if (no_firewall)
		return 0;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "nft_run_cmd_from_buffer");
	return next ? next(nft, buf) : -1;
}

/*
 * Linux 6.16 no longer lets a socket that is not a unix socket be asked for
 * these options, which CRIU before 4.2 asks of all; they are off there.
 */
EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int r = syscall(SYS_getsockopt, fd, level, name, value, len);

	if (r < 0 && errno == EOPNOTSUPP && level == SOL_SOCKET &&
	    (name == SO_PASSCRED || name == SO_PASSSEC) && *len >= sizeof(int)) {
		memset(value, 0, *len);
		r = 0;
	}

	return r;
}

/*
 * criu's plugin interface (criu/include/criu-plugin.h of CRIU, version 0.2.0):
 * a descriptor of this shape under this name. Ten hooks is what CRIU 3.17 has,
 * newer versions accept fewer than they know.
 */
#define HOOK_RESUME_DEVICES_LATE	9
#define HOOK_MAX			10
#define PLUGIN_VERSION			((0 << 16) + (2 << 8) + 0)

struct plugin {
	const char *name;
	int (*init)(int stage);
	void (*exit)(int stage, int ret);
	unsigned int version;
	unsigned int max_hooks;
	void *hooks[HOOK_MAX];
};

static int plugin_init(int stage)
{
	(void)stage;
	return 0;
}

static void plugin_exit(int stage, int ret)
{
	(void)stage;
	(void)ret;
}

static bool exchange(struct criu_hook_message *m)
{
	ssize_t n;

	do {
		n = send(hook, m, sizeof(*m), MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n == sizeof(*m)) {
		do {
			n = recv(hook, m, sizeof(*m), 0);
		} while (n < 0 && errno == EINTR);
	}

	return n == sizeof(*m);
}

/*
 * Called for every rebuilt process, all of them being still in their tracing
 * stop. criu would go on whatever we return, so a refusal means death here.
 */
static int resume_late(int pid)
{
	struct criu_hook_message m = { .kind = CRIU_HOOK_RESUME, .pid = pid };
	bool heard;

	if (hook < 0)
		return 0;
	for (heard = exchange(&m); heard && m.kind == CRIU_HOOK_SYSCALL; heard = exchange(&m))
		m.result = remote_syscall(pid, m.nr, m.args);
	if (!heard || m.result) {
		kill(pid, SIGKILL);
		return -1;
	}

	return 0;
}

/* criu's own end, not that of a process that it forked. */
static __attribute__((destructor)) void preload_exit(void)
{
	struct criu_hook_message m = {
		.kind = CRIU_HOOK_TIMES, .args = { stop_tsc, go_tsc },
	};

	if (hook >= 0 && getpid() == criu_pid)
		send(hook, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT);
}

EXPORT struct plugin CR_PLUGIN_DESC = {
	.name = "nvwa",
	.init = plugin_init,
	.exit = plugin_exit,
	.version = PLUGIN_VERSION,
	.max_hooks = HOOK_MAX,
	.hooks[HOOK_RESUME_DEVICES_LATE] = resume_late,
};
