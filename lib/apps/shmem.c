// SPDX-License-Identifier: GPL-2.0-only
/* Finding the shared memory of an app, in what its processes map and hold open. */
#include "lib/apps/shmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "lib/apps/app.h"
#include "lib/apps/proc.h"
#include "lib/base/beneath.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/*
 * Bits of an id that are of the inode's number, those that tell the device, and
 * one for shmget(2), where the number is the segment's, which may also be
 * another file's.
 */
#define ID_INO_BITS	44
#define ID_SYSV		(1ULL << 63)
#define ID_OTHER	(1ULL << 62)	/* no id is 0 */

struct finder {
	pid_t pid;
	struct shmem *list;
	size_t nr;
};

struct mapping {
	uint64_t start, end, offset;
	unsigned int major, minor;
	uint64_t ino;
	const char *name;
};

/* The names that the kernel gives to files without one. */
static bool is_nameless(const char *name)
{
	return !strncmp(name, "/memfd:", 7) || !strcmp(name, "/dev/zero (deleted)") ||
	       !strncmp(name, "/SYSV", 5);
}

static bool is_deleted(const char *name)
{
	static const char suffix[] = " (deleted)";
	size_t len = strlen(name), n = sizeof(suffix) - 1;

	return len > n && !strcmp(name + len - n, suffix);
}

static uint64_t id_of(const char *name, unsigned int minor, uint64_t ino)
{
	uint64_t id = (uint64_t)minor << ID_INO_BITS | (ino & ((1ULL << ID_INO_BITS) - 1));

	return id | (strncmp(name, "/SYSV", 5) ? ID_OTHER : ID_SYSV);
}

/* Also memory of hugetlbfs has such names, which is another matter. */
static bool is_tmpfs(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == TMPFS_MAGIC;
}

static struct shmem *find_id(const struct finder *f, uint64_t id)
{
	for (size_t i = 0; i < f->nr; i++) {
		if (f->list[i].id == id)
			return &f->list[i];
	}

	return NULL;
}

/* What must be known of a file with a name to make it again. */
static int describe(struct shmem *s, const char *name, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	s->size = st.st_size;
	s->mode = st.st_mode & 07777;
	s->uid = st.st_uid;
	s->gid = st.st_gid;
	s->path = strdup(name);

	return s->path ? 0 : -ENOMEM;
}

static int append(struct finder *f, const struct shmem *s)
{
	struct shmem *bigger;

	/* Room grows in powers of two. */
	if (!(f->nr & (f->nr - 1))) {
		bigger = reallocarray(f->list, f->nr ? f->nr * 2 : 1, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		f->list = bigger;
	}
	f->list[f->nr++] = *s;

	return 0;
}

/* Add a file unless it is there already, or not ours to carry. */
static int add(struct finder *f, struct shmem *s, const char *name)
{
	struct shmem *known = find_id(f, s->id);
	_cleanup_close_ int fd = -1;
	struct shmid_ds ds = { 0 };
	uint32_t segment;
	int r = 0;

	if (known) {
		known->max_len = known->max_len > s->max_len ? known->max_len : s->max_len;
		return 0;
	}
	/* CRIU carries files that were removed. */
	if (!is_nameless(name) && is_deleted(name))
		return 0;
	fd = shmem_open(s);
	if (fd < 0)
		return fd == -ENXIO ? 0 : fd;
	if (!is_tmpfs(fd))
		return 0;
	if (shmem_is_sysv(s, &segment))
		r = shmctl(segment, IPC_STAT, &ds) ? -errno : 0;
	else if (!is_nameless(name))
		r = describe(s, name, fd);
	if (shmem_is_sysv(s, &segment))
		s->mode = ds.shm_perm.mode;
	if (!r)
		r = append(f, s);
	if (r < 0)
		free(s->path);

	return r;
}

/* A line of /proc/PID/maps; false if it is not of a file. */
static bool parse_mapping(const char *line, struct mapping *m)
{
	int name = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64 " %n", &m->start,
		   &m->end, &m->offset, &m->major, &m->minor, &m->ino, &name) != 6)
		return false;
	m->name = line + name;

	return name && *m->name == '/';
}

/* Call fn for every mapping of a file until it returns something else than 0. */
static int for_mappings(pid_t pid, int (*fn)(void *ctx, const struct mapping *m), void *ctx)
{
	_cleanup_free_ char *maps = NULL;
	char path[64], *rest, *line;
	struct mapping m;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	r = file_read(path, &maps, NULL);
	rest = maps;
	while (!r && (line = strsep(&rest, "\n"))) {
		if (parse_mapping(line, &m))
			r = fn(ctx, &m);
	}

	return r;
}

static int find_mapped(void *ctx, const struct mapping *m)
{
	struct finder *f = ctx;
	struct shmem s = {
		.id = id_of(m->name, m->minor, m->ino), .pid = f->pid, .fd = -1, .addr = m->start,
		.max_len = ~0ULL,
	};

	/* A tmpfs is on no device. */
	if (m->major)
		return 0;
	if (s.id & ID_SYSV) {
		s.id = ID_SYSV | (uint32_t)m->ino;
		s.addr = 0;
	}
	/* CRIU makes shared anonymous memory as large as what is mapped of it. */
	if (!strcmp(m->name, "/dev/zero (deleted)"))
		s.max_len = m->offset + m->end - m->start;

	return add(f, &s, m->name);
}

static int find_open(struct finder *f, int fd)
{
	struct shmem s = { .pid = f->pid, .fd = fd, .max_len = ~0ULL };
	char path[64], name[4096];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", f->pid, fd);
	if (proc_readlink(path, name, sizeof(name)) < 0 || *name != '/')
		return 0;
	if (stat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode) || major(st.st_dev))
		return 0;
	s.id = id_of(name, minor(st.st_dev), st.st_ino);

	return add(f, &s, name);
}

static int find_in_process(struct finder *f)
{
	_cleanup_free_ int *fds = NULL;
	char path[64];
	size_t nr = 0;
	int r;

	r = for_mappings(f->pid, find_mapped, f);
	snprintf(path, sizeof(path), "/proc/%d/fd", f->pid);
	if (!r)
		r = proc_numbers(path, &fds, &nr);
	for (size_t i = 0; !r && i < nr; i++)
		r = find_open(f, fds[i]);

	return r == -ENOENT || r == -ESRCH ? 0 : r;
}

/* Call fn for every segment of shmget(2) that a process of the app has made. */
static int for_segments(const struct app *app, int (*fn)(void *ctx, uint32_t segment), void *ctx)
{
	_cleanup_free_ char *table = NULL;
	char *rest, *line;
	int r;

	/* A kernel may do without. */
	r = file_read("/proc/sysvipc/shm", &table, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rest = table;
	while (!r && (line = strsep(&rest, "\n"))) {
		uint32_t segment;
		int maker;

		/* key shmid perms size cpid ... */
		if (sscanf(line, "%*d %" SCNu32 " %*o %*u %d", &segment, &maker) != 2)
			continue;
		for (size_t i = 0; i < app->nr_pids; i++) {
			if (app->pids[i] == maker) {
				r = fn(ctx, segment);
				break;
			}
		}
	}

	return r;
}

static int find_segment(void *ctx, uint32_t segment)
{
	struct finder *f = ctx;
	struct shmem s = { .id = ID_SYSV | segment, .pid = f->pid, .fd = -1, .max_len = ~0ULL };

	return add(f, &s, "/SYSV");
}

int shmem_find(const struct app *app, struct shmem **list, size_t *nr)
{
	struct finder f = { 0 };
	int r = 0;

	for (size_t i = 0; !r && i < app->nr_pids; i++) {
		f.pid = app->pids[i];
		r = find_in_process(&f);
	}
	f.pid = app->pid;
	if (!r)
		r = for_segments(app, find_segment, &f);
	if (r < 0) {
		shmem_free(f.list, f.nr);
		return r;
	}
	*list = f.list;
	*nr = f.nr;

	return 0;
}

void shmem_free(struct shmem *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(list[i].path);
	free(list);
}

struct place {
	uint64_t addr;
	uint64_t start, end;
};

/* The areas of a process that was rebuilt need not be divided as they were. */
static int find_place(void *ctx, const struct mapping *m)
{
	struct place *p = ctx;

	if (m->start > p->addr || m->end <= p->addr)
		return 0;
	p->start = m->start;
	p->end = m->end;

	return 1;
}

/* What is attached can be opened like what is mapped. */
static int open_segment(uint32_t segment)
{
	struct place p = { 0 };
	char path[96];
	void *at;
	int fd, r;

	at = shmat(segment, NULL, SHM_RDONLY);
	if (at == (void *)-1)
		return -errno;
	p.addr = (uintptr_t)at;
	r = for_mappings(getpid(), find_place, &p);
	snprintf(path, sizeof(path), "/proc/self/map_files/%" PRIx64 "-%" PRIx64, p.start, p.end);
	fd = r <= 0 ? (r < 0 ? r : -ENOENT) : open(path, O_RDONLY | O_CLOEXEC);
	if (r > 0 && fd < 0)
		fd = -errno;
	shmdt(at);

	return fd;
}

int shmem_open(const struct shmem *s)
{
	struct place p = { .addr = s->addr };
	uint32_t segment;
	char path[96];
	int fd, r;

	if (shmem_is_sysv(s, &segment))
		return open_segment(segment);
	if (s->fd >= 0) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", s->pid, s->fd);
	} else {
		r = for_mappings(s->pid, find_place, &p);
		if (r <= 0)
			return r < 0 ? r : -ENOENT;
		snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, s->pid,
			 p.start, p.end);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool shmem_is_sysv(const struct shmem *s, uint32_t *segment)
{
	*segment = s->id;

	return s->id & ID_SYSV;
}

static int is_sysv(void *ctx, const struct mapping *m)
{
	(void)ctx;
	return !strncmp(m->name, "/SYSV", 5);
}

static int is_there(void *ctx, uint32_t segment)
{
	(void)ctx;
	(void)segment;
	return 1;
}

int shmem_has_sysv(const struct app *app)
{
	int r = 0;

	for (size_t i = 0; !r && i < app->nr_pids; i++) {
		r = for_mappings(app->pids[i], is_sysv, NULL);
		if (r == -ENOENT || r == -ESRCH)
			r = 0;
	}

	return r ? r : for_segments(app, is_there, NULL);
}

int shmem_make(const struct shmem *s, pid_t inside)
{
	_cleanup_close_ int root = beneath_root(inside), dir = -1, fd = -1;
	char name[NAME_MAX + 1];

	dir = root < 0 ? root : beneath_parent(root, s->path, name);
	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, s->size) || fchown(fd, s->uid, s->gid) || fchmod(fd, s->mode))
		return -errno;

	return 0;
}
