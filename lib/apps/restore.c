// SPDX-License-Identifier: GPL-2.0-only
/* In the new kernel: an app is rebuilt by CRIU, gets its memory back, and runs. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "lib/apps/app.h"
#include "lib/apps/archive.h"
#include "lib/apps/cgroup.h"
#include "lib/apps/criu.h"
#include "lib/apps/images.h"
#include "lib/apps/journal.h"
#include "lib/apps/mend.h"
#include "lib/apps/meta.h"
#include "lib/apps/places.h"
#include "lib/apps/proc.h"
#include "lib/apps/quiesce.h"
#include "lib/apps/reopened.h"
#include "lib/apps/scope.h"
#include "lib/apps/sockets.h"
#include "lib/apps/stand-in.h"
#include "lib/apps/takeover.h"
#include "lib/base/beneath.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/record/keeper.h"

/* How long systemd may take to read that the main process is another one. */
#define NOTIFY_TIMEOUT_US	(30 * 1000000ULL)

/* CRIU keeps these from images; O_CREAT and the like must not be repeated. */
#define REOPEN_FLAGS	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH | O_DIRECTORY)

/* A limit of a cgroup that is lifted for the time of the restore. */
struct kept_limit {
	char *path;			/* NULL: it has none */
	char *value;
};

struct restore {
	const char *dir;
	struct app_meta meta;
	struct app_dumped dumped;
	struct reopened *reopened;	/* which files it had open */
	enum { UNKNOWN, SAME, EXCHANGED } files;	/* those that CRIU has opened */
	pid_t placeholder;		/* of the unit; where systemd has none, one of our own */
	struct takeover *takeover;	/* NULL: systemd runs */
	struct stand_in stand_in;	/* of a service, if not */
	char *own_cgroup;		/* where this process was before enter_cgroup() */
	struct kept_limit limits[2];	/* of the placeholder's cgroup */
	int images;			/* directory */
	struct mend *mend;
	const struct criu *criu;	/* while it runs */
	int keeper;
	struct app_restored *done;
	struct error *err;
};

/* --- memory ---------------------------------------------------------- */

struct kept_rseq {
	struct images_rseq where;
	uint8_t bytes[NVWA_PAGE_SIZE];
};

/*
 * The kernel has written the fresh state of each thread's restartable
 * sequences (on which CPU it runs, for one) to where the thread registered it.
 * What comes with the old memory there is stale.
 */
static int read_rseq(const struct restore *re, int mem, const int *tids, size_t nr,
		     struct kept_rseq *kept)
{
	for (size_t i = 0; i < nr; i++) {
		_cleanup_free_ char *core = NULL;
		char name[32];
		size_t len;
		int r;

		snprintf(name, sizeof(name), "core-%d.img", tids[i]);
		r = file_read_at(re->images, name, &core, &len);
		if (!r)
			r = images_core_rseq((uint8_t *)core, len, &kept[i].where);
		if (r < 0)
			return error_set(re->err, -r, "cannot read CRIU's image %s: %s", name,
					 strerror(-r));
		len = kept[i].where.len;
		if (len && pread(mem, kept[i].bytes, len, kept[i].where.addr) != (ssize_t)len)
			return error_set(re->err, EIO, "cannot read the memory of thread %d",
					 tids[i]);
	}

	return 0;
}

static int write_rseq(const struct restore *re, int mem, size_t nr, const struct kept_rseq *kept)
{
	for (size_t i = 0; i < nr; i++) {
		size_t len = kept[i].where.len;

		if (len && pwrite(mem, kept[i].bytes, len, kept[i].where.addr) != (ssize_t)len)
			return error_set(re->err, EIO, "cannot write the memory of process %d",
					 re->meta.pid);
	}

	return 0;
}

static int insert_own(struct restore *re, pid_t pid)
{
	struct nvwa_insert i = { .record_pid = pid, .pid = pid };
	uint64_t start = clock_tsc();
	int r;

	r = keeper_insert(re->keeper, &i);
	re->done->insert_ticks += clock_tsc() - start;
	if (r < 0)
		return error_set(re->err, -r, "the memory of process %d cannot be put back (at "
				 "%#llx): %s", pid, (unsigned long long)i.bad_addr, strerror(-r));
	re->done->nr_inserted += i.nr_inserted;
	re->done->nr_copied += i.nr_copied;

	return 0;
}

static int insert_shared(struct restore *re, pid_t pid, int fd, uint64_t id)
{
	struct nvwa_insert_shmem i = { .fd = fd, .pid = pid, .id = id };
	uint64_t start = clock_tsc();
	int r;

	r = keeper_insert_shmem(re->keeper, &i);
	re->done->insert_ticks += clock_tsc() - start;
	if (r < 0)
		return error_set(re->err, -r, "the memory that process %d shares with others "
				 "cannot be put back: %s", pid, strerror(-r));
	re->done->nr_inserted += i.nr_inserted;
	re->done->nr_copied += i.nr_copied;

	return 0;
}

/* Memory that processes share goes where the first of them leads to it. */
static int fill_shared(struct restore *re, pid_t pid)
{
	int r = 0;

	for (size_t i = 0; !r && i < re->dumped.nr_shmem; i++) {
		const struct shmem *s = &re->dumped.shmem[i];
		_cleanup_close_ int fd = -1;
		uint32_t segment;

		if (s->pid != pid)
			continue;
		fd = shmem_open(s);
		if (fd < 0)
			return error_set(re->err, -fd, "the memory that process %d shares is not "
					 "where it was: %s", pid, strerror(-fd));
		r = insert_shared(re, pid, fd, s->id);
		/* It was marked to be removed when nobody has it any more. */
		if (!r && shmem_is_sysv(s, &segment) && s->mode & SHM_DEST)
			shmctl(segment, IPC_RMID, NULL);
	}

	return r;
}

static const struct process_extra *extra_of(const struct app_dumped *dumped, pid_t pid)
{
	for (size_t i = 0; i < dumped->nr_extras; i++) {
		if (dumped->extras[i].pid == pid)
			return &dumped->extras[i];
	}

	return NULL;
}

/* None of the app's processes may run if one of them has got another file than before. */
static int check_files(struct restore *re)
{
	if (re->files == UNKNOWN)
		re->files = reopened_check(re->reopened, re->err) < 0 ? EXCHANGED : SAME;

	return re->files == SAME ? 0 : -ESTALE;
}

/* Called for every process when all are rebuilt and none runs. */
static int fill_process(void *ctx, pid_t pid)
{
	_cleanup_free_ struct kept_rseq *kept = NULL;
	struct restore *re = ctx;
	_cleanup_free_ int *tids = NULL;
	_cleanup_close_ int mem = -1;
	char path[64];
	size_t nr;
	int r;

	r = check_files(re);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	r = proc_numbers(path, &tids, &nr);
	if (r < 0)
		return error_set(re->err, -r, "process %d is gone", pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	if (mem < 0)
		return error_set(re->err, errno, "cannot open %s: %s", path, strerror(errno));
	kept = calloc(nr, sizeof(*kept));
	if (!kept)
		return -ENOMEM;

	r = read_rseq(re, mem, tids, nr, kept);
	if (!r)
		r = insert_own(re, pid);
	if (!r)
		r = fill_shared(re, pid);
	if (!r)
		r = write_rseq(re, mem, nr, kept);
	if (!r)
		r = mend_process(re->mend, re->criu, pid, extra_of(&re->dumped, pid), re->err);

	return r;
}

/* --- what the restored program finds ----------------------------------- */

static int restore_files(const struct restore *re, bool inside)
{
	char tar[4200];
	int r = 0;

	for (size_t i = 0; !r && i < re->meta.nr_trees; i++) {
		const struct meta_tree *t = &re->meta.trees[i];

		if (t->inside != inside)
			continue;
		r = path_format(tar, sizeof(tar), "%s/%s", re->dir, t->tar);
		if (!r)
			r = archive_restore(tar, t->inside ? re->placeholder : 0, t->path, re->err);
	}

	return r;
}

/*
 * Files on a tmpfs, empty yet. One that is there already came with a directory
 * that is carried, or is the new system's own.
 */
static int make_shared(struct restore *re)
{
	int r = 0;

	for (size_t i = 0; !r && i < re->dumped.nr_shmem; i++) {
		struct shmem *s = &re->dumped.shmem[i];

		if (!s->path)
			continue;
		r = shmem_make(s, re->placeholder);
		if (r == -EEXIST) {
			s->pid = 0;
			r = 0;
		}
		if (r < 0)
			return error_set(re->err, -r, "cannot make the file %s: %s", s->path,
					 strerror(-r));
	}

	return r;
}

/*
 * The program's monotonic clocks go on from where they were, and count the
 * time it was frozen: as if the machine had been very busy for a while.
 */
static int restore_clocks(const struct restore *re)
{
	uint64_t now = clock_ns(CLOCK_REALTIME), frozen = 0;
	int r;

	if (now > re->dumped.realtime_ns)
		frozen = now - re->dumped.realtime_ns;
	r = images_set_clocks(re->images, re->dumped.monotonic_ns + frozen,
			      re->dumped.boottime_ns + frozen);
	if (r < 0)
		return error_set(re->err, -r, "cannot set the clocks of %s: %s", re->meta.name,
				 strerror(-r));

	return 0;
}

/* A descriptor of the service's stream to the journal. */
static int open_stream(const struct restore *re, const struct external *e)
{
	char path[4200];
	int fd, r;

	if (!re->takeover) {
		fd = pidfd_take(re->placeholder, e->fd == STDERR_FILENO ? e->fd : STDOUT_FILENO);
		return fd < 0 ? error_set(re->err, -fd, "cannot take over the stream to the "
					  "journal: %s", strerror(-fd)) : fd;
	}
	r = path_format(path, sizeof(path), "%s/" TAKEOVER_DIR "/" TAKEOVER_STREAMS, re->dir);

	return r < 0 ? r : stream_open(path, e->ino, re->err);
}

/* What systemd has opened for the service, outside of the sandbox. */
static int open_external(const struct external *e)
{
	_cleanup_close_ int root = beneath_root(0), at = -1;
	char path[64];
	int fd;

	at = root < 0 ? root : beneath_open(root, e->path);
	if (at < 0)
		return at;
	/* A link of the kernel's to the very thing. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	fd = open(path, (e->flags & REOPEN_FLAGS) | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int add_external(const struct restore *re, struct criu *criu, const struct external *e)
{
	int fd;

	if (e->kind == EXTERNAL_JOURNAL) {
		fd = open_stream(re, e);
		if (fd < 0)
			return fd;
		criu_keep(criu, fd);
		criu_arg(criu, "--inherit-fd");
		criu_arg(criu, "fd[%d]:socket:[%llu]", fd, e->ino);
		return 0;
	}

	fd = open_external(e);
	if (fd < 0)
		return error_set(re->err, -fd, "cannot open %s: %s", e->path, strerror(-fd));
	criu_keep(criu, fd);
	criu_arg(criu, "--inherit-fd");
	criu_arg(criu, "fd[%d]:file[%x:%llx]", fd, e->mount, e->ino);

	return 0;
}

/* --- the restore --------------------------------------------------------- */

static int run_restore(struct restore *re)
{
	struct criu criu;
	int r;

	r = criu_init(&criu, "restore", re->dir, re->err);
	if (r < 0)
		goto out;
	criu_arg(&criu, "--restore-detached");
	criu_arg(&criu, "--tcp-established");
	criu_arg(&criu, "--manage-cgroups=ignore");
	criu_arg(&criu, "--file-locks");
	criu_arg(&criu, "--link-remap");
	criu_arg(&criu, "--ext-unix-sk");
	for (size_t i = 0; !r && i < re->dumped.externals.nr; i++)
		r = add_external(re, &criu, &re->dumped.externals.list[i]);
	criu.namespaces_of = re->placeholder;
	criu.no_firewall = true;
	criu.carry_sysv = re->dumped.has_sysv;
	/* CRIU restores this flag from version 4 on only. */
	criu.no_new_privileges = re->dumped.no_new_privileges;
	criu.resume = fill_process;
	criu.ctx = re;
	re->criu = &criu;
	if (!r)
		r = criu_run(&criu, re->err);
	re->done->run_tsc = criu.go_tsc;
	re->criu = NULL;
out:
	criu_free(&criu);
	return r;
}

/* Processes of the app that are left of a failed restore; nothing may run with holes. */
static void kill_tree(const struct restore *re)
{
	_cleanup_free_ char *ours = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	size_t nr;

	if (proc_cgroup(getpid(), &ours) < 0 || proc_tree(re->meta.pid, &pids, &nr) < 0)
		return;
	for (size_t i = 0; i < nr; i++) {
		_cleanup_free_ char *theirs = NULL;

		/* The number may by now belong to somebody else. */
		if (proc_cgroup(pids[i], &theirs) < 0 || strcmp(ours, theirs) ||
		    pids[i] == getpid() || pids[i] == re->placeholder)
			continue;
		kill(pids[i], SIGKILL);
	}
}

/*
 * A restore takes more memory than the program will: that of CRIU itself, and
 * of pages that are there twice while they are copied.
 */
static void lift_limits(struct restore *re, const char *cgroup)
{
	static const char *const names[] = { "memory.high", "memory.max" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct kept_limit *l = &re->limits[i];
		_cleanup_free_ char *value = NULL;
		char path[4200];

		/* A kernel without the controller has no such file. */
		if (path_format(path, sizeof(path), CGROUP_ROOT "%s/%s", cgroup, names[i]) < 0 ||
		    file_read(path, &value, NULL) < 0 || !strncmp(value, "max", 3))
			continue;
		l->path = strdup(path);
		if (l->path && !file_write(path, "max", 3, 0644))
			l->value = steal_ptr(value);
	}
}

static void put_back_limits(struct restore *re)
{
	for (size_t i = 0; i < sizeof(re->limits) / sizeof(re->limits[0]); i++) {
		struct kept_limit *l = &re->limits[i];

		if (l->value)
			file_write(l->path, l->value, strlen(l->value), 0644);
		free(l->path);
		free(l->value);
	}
}

/*
 * What we start must be in the cgroup of the placeholder from the first, as
 * memory stays charged where it was; a control process may run beside it.
 */
static int enter_cgroup(struct restore *re)
{
	_cleanup_free_ char *theirs = NULL;
	int r;

	r = proc_cgroup(getpid(), &re->own_cgroup);
	if (!r)
		r = proc_cgroup(re->placeholder, &theirs);
	if (!r)
		lift_limits(re, theirs);
	if (!r && strcmp(re->own_cgroup, theirs))
		r = cgroup_enter(theirs, 0);
	if (r < 0)
		return error_set(re->err, -r, "cannot enter the cgroup of %s: %s", re->meta.name,
				 strerror(-r));

	return 0;
}

/* systemd must know the new main process before the placeholder ends, or it stops the unit. */
static int hand_over(const struct restore *re)
{
	int r;

	r = sd_notifyf(0, "MAINPID=%d\nSTATUS=%s", re->meta.pid, re->meta.status_text ?: "");
	if (r > 0)
		r = sd_notify_barrier(0, NOTIFY_TIMEOUT_US);
	else if (!r)
		r = -ENOENT;
	if (r < 0)
		return error_set(re->err, -r, "cannot tell systemd the main process of %s: %s",
				 re->meta.name, strerror(-r));
	kill(re->placeholder, SIGKILL);

	return 0;
}

static void leave_cgroup(struct restore *re)
{
	if (re->placeholder <= 0)
		return;
	stand_in_end(re->placeholder);
	/* A scope ends with the last process in it; that is not us. */
	if (re->own_cgroup)
		cgroup_enter(re->own_cgroup, 0);
}

/*
 * systemd runs a control process of a sandboxed unit in a mount namespace of
 * its own, though nothing in it differs. What is opened there for the program
 * would be on mounts that vanish with us.
 */
static int join_first_namespace(const struct restore *re)
{
	_cleanup_close_ int fd = -1;
	uint64_t ours, first;
	int r;

	r = proc_ns(0, "mnt", &ours);
	if (!r)
		r = proc_ns(1, "mnt", &first);
	if (!r && ours != first) {
		fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNS))
			r = -errno;
	}
	if (r < 0)
		return error_set(re->err, -r, "cannot leave the namespace of a control process: %s",
				 strerror(-r));

	return 0;
}

/* The process around which the app is rebuilt, where systemd has made none. */
static int make_placeholder(struct restore *re)
{
	char path[4200];
	int r;

	if (re->meta.kind == APP_PROGRAM)
		return scope_make(re->meta.pid, re->meta.controllers ?: "", &re->placeholder,
				  re->err);
	if (!re->takeover)
		return 0;
	r = path_format(path, sizeof(path), "%s/" TAKEOVER_DIR, re->dir);
	if (!r)
		r = stand_in_make(path, re->meta.name, re->meta.cgroup ?: "",
				  re->meta.controllers ?: "", &re->stand_in, re->err);
	re->placeholder = re->stand_in.pid;

	return r;
}

/* For nvwa-init, which kills what is not restored to its end. */
static int note_cgroup(const struct restore *re)
{
	_cleanup_free_ char *cgroup = NULL;
	char path[4200];
	int r;

	r = proc_cgroup(re->placeholder, &cgroup);
	if (!r)
		r = path_format(path, sizeof(path), "%s/" APP_CGROUP_FILE, re->dir);

	return r < 0 ? r : file_write(path, cgroup, strlen(cgroup), 0600);
}

/* Nothing of this hurts if the app is restored in another way later. */
static int make_ready(struct restore *re)
{
	int r;

	r = places_make(re->dir, re->err);
	if (!r)
		r = restore_files(re, false);

	return r < 0 ? r : make_placeholder(re);
}

static int rebuild(struct restore *re)
{
	int r;

	r = note_cgroup(re);
	if (!r)
		r = restore_files(re, true);
	if (!r)
		r = make_shared(re);
	if (!r)
		r = reopened_check_names(re->reopened, re->placeholder, re->err);
	if (!r)
		r = restore_clocks(re);
	if (!r)
		r = mend_images(re->images, &re->mend, re->err);
	if (!r)
		r = enter_cgroup(re);

	return r < 0 ? r : run_restore(re);
}

static int restore(struct restore *re)
{
	const bool is_service = re->meta.kind == APP_SERVICE;
	int r;

	r = join_first_namespace(re);
	if (r < 0)
		return r;
	criu_reuse(re->dumped.criu_version);
	r = make_ready(re);
	if (r < 0)
		return re->takeover ? -EAGAIN : r;
	r = rebuild(re);
	if (!r && is_service && re->takeover)
		r = takeover_add_service(re->takeover, re->dir, re->meta.name, re->meta.cgroup,
					 &re->stand_in);
	else if (!r && is_service)
		r = hand_over(re);
	if (r < 0)
		kill_tree(re);
	put_back_limits(re);
	if (re->takeover || !is_service)
		leave_cgroup(re);

	return r;
}

/* The control group of the unit may forbid it all devices (DevicePolicy=, PrivateDevices=). */
static int open_keeper(struct error *err)
{
	_cleanup_free_ char *home = NULL;
	int keeper, r;

	r = proc_cgroup(getpid(), &home);
	if (r < 0)
		return error_set(err, -r, "cannot tell our control group: %s", strerror(-r));
	r = quiesce_enter(getpid(), err);
	if (r < 0)
		return r;
	keeper = keeper_open(err);
	quiesce_leave(home);

	return keeper;
}

int app_restore(const char *dir, pid_t placeholder, struct takeover *takeover,
		struct app_restored *done, struct error *err)
{
	_cleanup_close_ int keeper = open_keeper(err);
	struct restore re = {
		.dir = dir, .placeholder = placeholder, .takeover = takeover, .images = -1,
		.keeper = keeper, .done = done, .err = err,
	};
	char images[4200];
	int r;

	memset(done, 0, sizeof(*done));
	if (keeper < 0)
		return keeper;
	r = meta_read(dir, &re.meta, re.err);
	if (!r)
		r = dumped_read(dir, &re.dumped, re.err);
	if (!r)
		r = reopened_read(dir, &re.reopened, re.err);
	if (!r)
		r = path_format(images, sizeof(images), "%s/img", dir);
	if (!r) {
		re.images = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (re.images < 0)
			r = error_set(re.err, errno, "cannot open %s: %s", images,
				      strerror(errno));
	}
	if (!r && (re.meta.kind == APP_SERVICE && !takeover) != (placeholder != 0))
		r = error_set(re.err, EINVAL, "%s is restored around the wrong thing",
			      re.meta.name);
	done->pid = re.meta.pid;
	if (!r)
		r = restore(&re);

	if (re.images >= 0)
		close(re.images);
	for (size_t i = 0; i < re.stand_in.nr_filters; i++)
		close(re.stand_in.filters[i]);
	free(re.stand_in.filters);
	mend_free(re.mend);
	free(re.own_cgroup);
	reopened_free(re.reopened);
	dumped_free(&re.dumped);
	meta_free(&re.meta);
	return r;
}
