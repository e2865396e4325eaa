// SPDX-License-Identifier: GPL-2.0-only
/* Finding shared memory, in this process itself. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/app.h"
#include "lib/apps/shmem.h"

static struct app this_app(pid_t *pid)
{
	*pid = getpid();
	return (struct app){ .pids = pid, .nr_pids = 1 };
}

/* The one that leads to the file of a descriptor, or NULL. */
static const struct shmem *find(const struct shmem *list, size_t nr, int fd)
{
	struct stat want, st;

	assert_int_equal(fstat(fd, &want), 0);
	for (size_t i = 0; i < nr; i++) {
		int other = shmem_open(&list[i]);

		assert_true(other >= 0);
		assert_int_equal(fstat(other, &st), 0);
		close(other);
		if (st.st_dev == want.st_dev && st.st_ino == want.st_ino)
			return &list[i];
	}

	return NULL;
}

static void test_open(void **state)
{
	char path[] = "/dev/shm/test-shmem-XXXXXX", gone[] = "/dev/shm/test-shmem-XXXXXX";
	int memory, named, removed, disk;
	const struct shmem *s;
	struct shmem *list;
	struct app app;
	size_t nr;
	pid_t pid;

	(void)state;
	app = this_app(&pid);
	memory = memfd_create("test", MFD_CLOEXEC);
	named = mkstemp(path);
	removed = mkstemp(gone);
	disk = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(memory >= 0 && named >= 0 && removed >= 0 && disk >= 0);
	assert_int_equal(unlink(gone), 0);
	assert_int_equal(ftruncate(named, 12345), 0);
	assert_int_equal(fchmod(named, 0640), 0);

	assert_int_equal(shmem_find(&app, &list, &nr), 0);
	s = find(list, nr, memory);
	assert_non_null(s);
	assert_null(s->path);
	assert_int_equal(s->pid, pid);
	s = find(list, nr, named);
	assert_non_null(s);
	assert_string_equal(s->path, path);
	assert_int_equal(s->size, 12345);
	assert_int_equal(s->mode, 0640);
	assert_int_equal(s->uid, getuid());
	assert_null(find(list, nr, removed));
	assert_null(find(list, nr, disk));

	assert_int_equal(shmem_make(s, 0), -EEXIST);
	assert_int_equal(unlink(path), 0);
	close(named);
	umask(077);
	assert_int_equal(shmem_make(s, 0), 0);
	named = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(named >= 0);
	assert_int_equal(lseek(named, 0, SEEK_END), 12345);
	assert_int_equal(lseek(named, 0, SEEK_DATA), -1);
	assert_int_equal(unlink(path), 0);
	shmem_free(list, nr);
	close(memory);
	close(named);
	close(removed);
	close(disk);
}

/* Of what is mapped only one in each file, whatever it is divided into. */
static void test_mapped(void **state)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	char *shared = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			    0);
	struct shmem *list;
	struct app app;
	size_t nr, nr_found = 0;
	pid_t pid;
	int r;

	(void)state;
	app = this_app(&pid);
	assert_ptr_not_equal(shared, MAP_FAILED);
	shared[3 * page] = 42;
	assert_int_equal(mprotect(shared + 2 * page, page, PROT_READ), 0);
	assert_int_equal(munmap(shared + 7 * page, page), 0);

	r = shmem_find(&app, &list, &nr);
	if (r == -EPERM)
		skip();		/* what is mapped can be opened by root only */
	assert_int_equal(r, 0);
	for (size_t i = 0; i < nr; i++) {
		int fd = shmem_open(&list[i]);
		char byte = 0;

		assert_true(fd >= 0);
		if (list[i].fd < 0 && pread(fd, &byte, 1, 3 * page) == 1 && byte == 42) {
			assert_int_equal(list[i].max_len, 7 * page);
			nr_found++;
		}
		close(fd);
	}
	assert_int_equal(nr_found, 1);
	shmem_free(list, nr);
	munmap(shared, 8 * page);
}

/* A segment that this process has made, and nobody has attached. */
static void test_segment(void **state)
{
	const int id = shmget(IPC_PRIVATE, 56, IPC_CREAT | 0640);
	uint32_t segment;
	struct shmem *list;
	struct app app;
	size_t nr, nr_found = 0;
	pid_t pid;
	int r;

	(void)state;
	app = this_app(&pid);
	app.pid = pid;
	assert_true(id >= 0);
	r = shmem_has_sysv(&app) == 1 ? shmem_find(&app, &list, &nr) : -EINVAL;
	if (r == -EPERM) {
		shmctl(id, IPC_RMID, NULL);
		skip();		/* what is mapped can be opened by root only */
	}
	for (size_t i = 0; !r && i < nr; i++) {
		if (!shmem_is_sysv(&list[i], &segment) || segment != (uint32_t)id)
			continue;
		nr_found++;
		assert_int_equal(list[i].pid, pid);
		assert_int_equal(list[i].mode & 0777, 0640);
	}
	assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
	assert_int_equal(r, 0);
	assert_int_equal(nr_found, 1);
	assert_int_equal(shmem_has_sysv(&app), 0);
	shmem_free(list, nr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
