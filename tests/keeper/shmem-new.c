// SPDX-License-Identifier: GPL-2.0-only
/* The new kernel's side of shared memory: INSERT_SHMEM into files of every kind. */
#include "new.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define ID_MAIN		7
#define ID_SEALED	8
#define ID_TMPFS	9
#define ID_NOT_ADDED	10
#define ID_UNCLAIMED	11
#define ID_TOO_LARGE	12
#define ID_SYSV		13
#define ID_ANON		14
#define ID_LARGE	15
#define ID_EMPTY	16

#define LARGE_PAGES	32768
#define MAIN_LEN	(6016 * PAGE + 100)
#define CGROUP		"/sys/fs/cgroup/keeper"

/* nr pages of a file from index on, in each step-th place, from a place in hidden memory. */
static const struct piece {
	int id;
	uint64_t index;
	uint32_t nr;
	int step;
	uint64_t at;
	bool backwards;		/* frames, so that each is a run */
} pieces[] = {
	{ ID_MAIN, 0, 3000, 1, 140 * MIB, false },
	{ ID_MAIN, 4000, 64, 1, 160 * MIB, true },
	{ ID_MAIN, 5000, 100, 2, 161 * MIB, false },
	{ ID_MAIN, 6000, 16, 1, 162 * MIB, false },	/* the file has these already */
	{ ID_MAIN, 6016, 1, 1, 163 * MIB, false },	/* half behind its end */
	{ ID_SEALED, 0, 200, 1, 164 * MIB, false },
	{ ID_TMPFS, 100, 300, 1, 166 * MIB, false },
	{ ID_UNCLAIMED, 0, 50, 1, 168 * MIB, false },
	{ ID_TOO_LARGE, 0, 400, 1, 170 * MIB, false },
	{ ID_SYSV, 3, 64, 1, 172 * MIB, false },
	{ ID_ANON, 0, 512, 1, 174 * MIB, false },
	{ ID_LARGE, 0, LARGE_PAGES, 1, 192 * MIB, false },
	{ ID_NOT_ADDED, 0, 10, 1, 0, false },		/* in the block that is added last */
};
#define NR_PIECES	(sizeof(pieces) / sizeof(pieces[0]))

static uint64_t piece_pfn(const struct piece *p, uint64_t i)
{
	uint64_t first = pfn_at(p->at ? p->at : hidden.len - 4 * MIB);

	return p->backwards ? first + p->nr - i : first + i;
}

static uint64_t piece_offset(const struct piece *p, uint64_t i)
{
	return (p->index + i * p->step) * PAGE;
}

static uint64_t len_of(int id)
{
	uint64_t end = 0;
	size_t k;

	for (k = 0; k < NR_PIECES; k++) {
		if (pieces[k].id == id)
			end = piece_offset(&pieces[k], pieces[k].nr - 1) + PAGE;
	}
	return id == ID_MAIN ? MAIN_LEN : end;
}

static uint64_t pages_of(int id)
{
	uint64_t nr = 0;
	size_t k;

	for (k = 0; k < NR_PIECES; k++)
		nr += pieces[k].id == id ? pieces[k].nr : 0;
	return nr;
}

void shmem_record(struct record *r)
{
	static struct {
		struct nvwa_shmem head;
		struct nvwa_run run[200];
	} s;
	uint64_t i, n;
	size_t k;
	int id;

	for (id = ID_MAIN; id <= ID_EMPTY; id++) {
		s.head = (struct nvwa_shmem){ .id = id, .len = len_of(id) };
		for (n = 0, k = 0; k < NR_PIECES; k++) {
			const struct piece *p = &pieces[k];

			for (i = 0; p->id == id && i < p->nr; i++) {
				pattern_fill(at(piece_pfn(p, i) * PAGE - hidden.base),
					     piece_offset(p, i), id);
				if (i && p->step == 1 && !p->backwards)
					s.run[n - 1].nr++;
				else
					s.run[n++] = (struct nvwa_run){ piece_offset(p, i),
									piece_pfn(p, i), 1, 0 };
			}
		}
		section(r, NVWA_SECTION_SHMEM, 0, "", &s, sizeof(s.head) + n * sizeof(s.run[0]),
			pages_of(id));
	}
}

static int insert(int fd, int file, int id, pid_t pid, struct nvwa_insert_shmem *i)
{
	*i = (struct nvwa_insert_shmem){ .fd = file, .pid = pid, .id = id };
	return keeper_call(fd, NVWA_IOC_INSERT_SHMEM, i);
}

static char *map_file(int file, uint64_t len)
{
	char *p = mmap(NULL, len, PROT_READ, MAP_SHARED, file, 0);

	if (p == MAP_FAILED)
		bail("mmap of shared memory");
	return p;
}

/* All pages of the record are there; to a file that ends inside one, up to there. */
static bool holds(const char *map, int id)
{
	bool right = true;
	uint64_t i;
	size_t k;

	for (k = 0; k < NR_PIECES; k++) {
		const struct piece *p = &pieces[k];

		for (i = 0; p->id == id && i < p->nr; i++)
			right &= pattern_holds(map + piece_offset(p, i), piece_offset(p, i), id);
	}
	return right;
}

/* Pages that are not in the frames of the record. */
static uint64_t moved(const char *map, int id)
{
	uint64_t i, nr = 0;
	size_t k;

	for (k = 0; k < NR_PIECES; k++) {
		const struct piece *p = &pieces[k];

		for (i = 0; p->id == id && i < p->nr; i++) {
			*(volatile const char *)(map + piece_offset(p, i));
			nr += frame_of(getpid(), (uintptr_t)map + piece_offset(p, i)) !=
			      piece_pfn(p, i);
		}
	}
	return nr;
}

static uint64_t blocks_of(int file)
{
	struct stat st;

	if (fstat(file, &st))
		bail("fstat");
	return st.st_blocks * 512 / PAGE;
}

/* A value of /proc/meminfo, when the counters of all CPUs are summed up. */
static long long meminfo(const char *name)
{
	write_text("/proc/sys/vm/stat_refresh", "1");
	return proc_kib("/proc/meminfo", name);
}

static bool about(long long got, long long want, long long most, const char *what)
{
	if (!ok(llabs(got - want) <= most, "%s", what)) {
		printf("# got %lld, want %lld\n", got, want);
		return false;
	}
	return true;
}

static long long cgroup_value(const char *file, const char *name)
{
	char path[128], key[64];
	long long value = -1, v;
	FILE *f;

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	f = fopen(path, "re");
	while (f && name && fscanf(f, "%63s %lld", key, &v) == 2)
		value = strcmp(key, name) ? value : v;
	if (f && !name && fscanf(f, "%lld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

/* A process in a cgroup of its own, that only waits. */
static pid_t member_start(void)
{
	pid_t pid;

	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		bail("mkdir " CGROUP);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		write_text(CGROUP "/cgroup.procs", "0");
		raise(SIGSTOP);
		_exit(0);
	}
	stop_wait(pid);
	return pid;
}

static void check_main_after(int file)
{
	static char page[NVWA_PAGE_SIZE];
	char *map = map_file(file, MAIN_LEN);
	uint64_t i;

	ok(holds(map, ID_MAIN), "every byte is there");
	same(moved(map, ID_MAIN), 16, "in the same frames, but those that were copied");
	for (i = 0; i < 3000; i++)
		*(volatile const char *)(map + i * PAGE);
	madvise(map, 3000 * PAGE, MADV_PAGEOUT);
	ok(!frame_of(getpid(), (uintptr_t)map + 1000 * PAGE), "pages go out to the swap space");
	same(blocks_of(file), pages_of(ID_MAIN), "and count as the file's still");
	ok(holds(map, ID_MAIN), "and come back");
	munmap(map, MAIN_LEN);
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1000 * PAGE))
		bail("cannot punch a hole");
	same(blocks_of(file), pages_of(ID_MAIN) - 1000, "a hole can be punched");
	same(pread(file, page, PAGE, 2000 * PAGE), PAGE, "it can be read");
	ok(pattern_holds(page, 2000 * PAGE, ID_MAIN), "and has the right contents");
	memset(page, 3, PAGE);
	same(pwrite(file, page, PAGE, 2000 * PAGE + 5), PAGE, "it can be written to");
	same(ftruncate(file, 1500 * PAGE), 0, "it can be cut off");
	same(blocks_of(file), 500, "and has fewer pages then");
}

static void test_main(int fd)
{
	struct nvwa_insert_shmem i;
	pid_t member = member_start();
	long long shmem, committed, pages = pages_of(ID_MAIN), charged;
	int file = memfd_create("main", MFD_CLOEXEC), other = open("/root/keeper", O_RDONLY);
	char *page = malloc(16 * PAGE);

	memset(page, 5, 16 * PAGE);
	if (file < 0 || ftruncate(file, MAIN_LEN) ||
	    pwrite(file, page, 16 * PAGE, 6000 * PAGE) != (ssize_t)(16 * PAGE))
		bail("cannot make a memfd");
	free(page);
	shmem = meminfo("Shmem");
	committed = meminfo("Committed_AS");
	same(insert(fd, 999, ID_MAIN, 0, &i), -EBADF, "no such descriptor");
	same(insert(fd, other, ID_MAIN, 0, &i), -EOPNOTSUPP, "a file on a disk");
	same(insert(fd, file, 99, 0, &i), -ENOENT, "an id that the record does not have");
	same(insert(fd, file, ID_MAIN, 0x3ffffff, &i), -ESRCH, "a process that is not there");
	same(insert(fd, file, ID_NOT_ADDED, 0, &i), -ENODATA, "pages whose memory was not added");
	same(insert(fd, file, ID_LARGE, 0, &i), -EFBIG, "into a file that is too short");
	same(insert(fd, file, ID_MAIN, member, &i), 0, "put the pages in");
	same(i.nr_copied, 16, "where there were pages, they are copied");
	same(i.nr_inserted, pages - 16, "all others are put in");
	same(insert(fd, file, ID_MAIN, member, &i), -EALREADY, "not twice");
	same(blocks_of(file), pages, "the file has that many pages");
	about(meminfo("Shmem") - shmem, (pages - 16) * 4, 128, "the kernel counts them as shared");
	about(meminfo("Committed_AS") - committed, (pages - 16) * 4, 512, "and as committed");
	charged = cgroup_value("memory.current", NULL);
	ok(charged >= (pages - 16) * (long long)PAGE &&
	   charged < (pages - 16) * (long long)PAGE + (long long)MIB,
	   "and charges them to the cgroup of the process (%lld)", charged);
	check_main_after(file);
	close(file);
	close(other);
	about(meminfo("Shmem"), shmem - 16 * 4, 128, "without the file, they are not counted");
	about(meminfo("Committed_AS"), committed - 16 * 4, 512, "nor committed");
	charged = cgroup_value("memory.current", NULL);
	ok(charged < (long long)MIB, "nor charged (%lld)", charged);
	kill(member, SIGCONT);
	same(end_wait(member), 0, "the process ends");
	same(rmdir(CGROUP), 0, "and its cgroup");
}

static void test_sealed(int fd)
{
	struct nvwa_insert_shmem i;
	int file = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING), again;
	char path[64], *map;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (file < 0 || ftruncate(file, len_of(ID_SEALED)) ||
	    fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK))
		bail("cannot make a sealed memfd");
	again = open(path, O_RDONLY | O_CLOEXEC);
	same(insert(fd, again, ID_SEALED, 0, &i), 0, "into a sealed file");
	same(i.nr_inserted, pages_of(ID_SEALED), "all of it");
	map = map_file(file, len_of(ID_SEALED));
	ok(holds(map, ID_SEALED), "every byte is there");
	same(moved(map, ID_SEALED), 0, "in the same frames");
	munmap(map, len_of(ID_SEALED));
	close(again);
	close(file);
}

static uint64_t used(const char *dir)
{
	struct statvfs v;

	if (statvfs(dir, &v))
		bail("statvfs");
	return v.f_blocks - v.f_bfree;
}

static void test_tmpfs(int fd)
{
	struct nvwa_insert_shmem i;
	char dir[] = "/tmp/keeper-XXXXXX", path[64], *map;
	int file;

	if (!mkdtemp(dir) || mount("keeper", dir, "tmpfs", 0, "size=1600k"))
		bail("cannot mount a tmpfs");
	snprintf(path, sizeof(path), "%s/file", dir);
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || ftruncate(file, 16 * MIB))
		bail("cannot make a file on tmpfs");
	same(used(dir), 0, "an empty file system");
	same(insert(fd, file, ID_TMPFS, 0, &i), 0, "into a file on tmpfs");
	same(used(dir), 300, "its space is taken");
	same(insert(fd, file, ID_TOO_LARGE, 0, &i), -ENOSPC, "no space for more");
	same(used(dir), 300, "and none is taken");
	map = map_file(file, len_of(ID_TMPFS));
	ok(holds(map, ID_TMPFS), "every byte is there");
	same(moved(map, ID_TMPFS), 0, "in the same frames");
	munmap(map, len_of(ID_TMPFS));
	same(unlink(path), 0, "it can be unlinked");
	same(used(dir), 300, "and has its space until it is closed");
	close(file);
	same(used(dir), 0, "and none then");
	same(umount(dir), 0, "the file system can go");
	rmdir(dir);
}

/* The descriptor of what is mapped at an address, as for any process. */
static int open_mapped(const void *at_, uint64_t len)
{
	char path[128];
	int file;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at_,
		 (unsigned long)at_ + (unsigned long)len);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		bail("cannot open %s", path);
	return file;
}

static void test_sysv(int fd)
{
	struct nvwa_insert_shmem i;
	int file, id = shmget(IPC_PRIVATE, 100 * PAGE, IPC_CREAT | 0600);
	struct shmid_ds ds;
	char *p = shmat(id, NULL, 0);

	if (id < 0 || p == (void *)-1)
		bail("cannot make a SysV segment");
	file = open_mapped(p, 100 * PAGE);
	same(insert(fd, file, ID_SYSV, 0, &i), 0, "into a SysV segment");
	close(file);
	ok(holds(p, ID_SYSV), "every byte is there");
	same(moved(p, ID_SYSV), 0, "in the same frames");
	same(shmdt(p) ?: shmctl(id, IPC_RMID, &ds), 0, "it can be removed");
}

/* As programs have it for locks: in a memfd the kernel commits to pages one by one. */
static void test_empty(int fd)
{
	struct nvwa_insert_shmem i;
	int file = memfd_create("empty", MFD_CLOEXEC);

	if (file < 0)
		bail("cannot make a memfd");
	same(insert(fd, file, ID_EMPTY, 0, &i), 0, "into a file without a page");
	same(i.nr_inserted + i.nr_copied, 0, "nothing");
	same(blocks_of(file), 0, "there is none");
	close(file);
}

/* Memory that a parent and a child share: what one writes, the other sees. */
static void test_anon(int fd)
{
	struct nvwa_insert_shmem i;
	uint64_t len = len_of(ID_ANON), k;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long committed;
	int file = open_mapped(p, len);
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		if (!holds(p, ID_ANON))
			_exit(1);
		for (k = 0; k < len; k += PAGE)
			pattern_fill(p + k, k, 77);
		_exit(0);
	}
	stop_wait(pid);
	committed = meminfo("Committed_AS");
	same(insert(fd, file, ID_ANON, pid, &i), 0, "into shared anonymous memory");
	about(meminfo("Committed_AS"), committed, 512, "its size was committed before");
	close(file);
	ok(holds(p, ID_ANON), "every byte is there");
	kill(pid, SIGCONT);
	same(end_wait(pid), 0, "for a child too");
	for (k = 0; k < len && pattern_holds(p + k, k, 77); k += PAGE)
		;
	same(k, len, "what the child writes is seen");
	same(moved(p, ID_ANON), 0, "in the same frames");
	munmap(p, len);
}

static double ms_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from->tv_sec) * 1e3 + (now.tv_nsec - from->tv_nsec) / 1e6;
}

/* What it costs, beside faulting in and copying as much. */
static void test_large(int fd)
{
	struct nvwa_insert_shmem i;
	uint64_t len = LARGE_PAGES * PAGE;
	int file = memfd_create("large", MFD_CLOEXEC), other = memfd_create("other", MFD_CLOEXEC);
	struct timespec from;
	double put, copied, written;
	char *map, *to;

	if (file < 0 || other < 0 || ftruncate(file, len) || ftruncate(other, len))
		bail("cannot make a memfd");
	clock_gettime(CLOCK_MONOTONIC, &from);
	same(insert(fd, file, ID_LARGE, 0, &i), 0, "into a large file");
	put = ms_since(&from);
	same(i.nr_inserted, LARGE_PAGES, "all of it");
	map = map_file(file, len);
	ok(holds(map, ID_LARGE), "every byte is there");
	to = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	clock_gettime(CLOCK_MONOTONIC, &from);
	memcpy(to, map, len);
	copied = ms_since(&from);
	munmap(to, len);
	if (ftruncate(other, 0))
		bail("ftruncate");
	clock_gettime(CLOCK_MONOTONIC, &from);
	same(write(other, map, len), len, "write as much");
	written = ms_since(&from);
	printf("# a GB: put in %.0f ms, faulted in and copied %.0f ms, written %.0f ms\n",
	       put * 8, copied * 8, written * 8);
	munmap(map, len);
	close(file);
	close(other);
}

void test_shmem_insert(int fd)
{
	test_main(fd);
	test_sealed(fd);
	test_tmpfs(fd);
	test_sysv(fd);
	test_anon(fd);
	test_empty(fd);
	test_large(fd);
}
