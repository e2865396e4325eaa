// SPDX-License-Identifier: GPL-2.0-only
/* What root makes, unpacks and notes where others have put links in its way. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/archive.h"
#include "lib/apps/sandbox.h"
#include "lib/apps/shmem.h"
#include "lib/base/beneath.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

#define NOBODY	65534

/* In the test's directory: "victim" is root's, "home" is nobody's. */
static char path[4200];

static const char *in(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", temp_dir, name);

	return path;
}

static bool is_empty(const char *name)
{
	return !rmdir(in(name)) && !mkdir(in(name), 0755);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	return lstat(in(name), &st) ? 0 : st.st_mode;
}

static uid_t owner_of(const char *name)
{
	struct stat st;

	return lstat(in(name), &st) ? -1U : st.st_uid;
}

static void link_to(const char *target, const char *name)
{
	char to[4200];

	snprintf(to, sizeof(to), "%s/%s", temp_dir, target);
	assert_int_equal(symlink(to, in(name)), 0);
}

static void give(const char *name)
{
	assert_int_equal(lchown(in(name), NOBODY, NOBODY), 0);
}

static int make_homes(void **state)
{
	(void)state;
	if (geteuid())
		return 0;
	tree_remove(in("victim"));
	tree_remove(in("home"));
	if (chmod(temp_dir, 0755) || mkdir(in("victim"), 0755) || mkdir(in("home"), 0755))
		return -1;

	return lchown(in("home"), NOBODY, NOBODY);
}

/* Only root can be led astray. */
static void need_root(void)
{
	if (geteuid())
		skip();
}

/* Nor does root of a container have mounts of its own. */
static void need_mounts(void)
{
	int fd = syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE);

	if (fd < 0)
		skip();
	close(fd);
}

static int walk(const char *name)
{
	int root = beneath_root(0), fd = beneath_open(root, in(name));

	close(root);
	if (fd >= 0)
		close(fd);

	return fd < 0 ? fd : 0;
}

static void test_walk(void **state)
{
	struct stat here, there;
	char name[NAME_MAX + 1];
	int root, dir;

	(void)state;
	need_root();
	mkdir(in("victim/d"), 0755);
	assert_int_equal(mkfifo(in("home/fifo"), 0666), 0);
	link_to("victim", "home/link");
	assert_int_equal(walk("home//./link"), 0);
	/* Of root, but where somebody else may have put it. */
	assert_int_equal(walk("home/link/d"), -ELOOP);
	give("home/link");
	assert_int_equal(walk("home/link/d"), -ELOOP);
	assert_int_equal(walk("home/../victim"), -EXDEV);
	assert_int_equal(walk("home/none"), -ENOENT);
	/* It would block whoever opens it. */
	assert_int_equal(walk("home/fifo"), 0);
	assert_int_equal(walk("home/fifo/d"), -ENOTDIR);
	/* Root's own. */
	link_to("victim", "root");
	assert_int_equal(walk("root/d"), 0);
	assert_int_equal(symlink("root", in("root2")), 0);
	assert_int_equal(walk("root2/d"), 0);
	assert_int_equal(symlink("../victim", in("victim/up")), 0);
	assert_int_equal(walk("victim/up/d"), -EXDEV);
	assert_int_equal(symlink("round", in("round")), 0);
	assert_int_equal(walk("round/d"), -ELOOP);

	root = beneath_root(0);
	dir = beneath_parent(root, in("root/d/"), name);
	assert_true(dir >= 0);
	assert_string_equal(name, "d");
	assert_int_equal(fstat(dir, &here), 0);
	assert_int_equal(stat(in("victim"), &there), 0);
	assert_int_equal(here.st_ino, there.st_ino);
	close(dir);
	assert_int_equal(beneath_parent(root, in("home/link/x"), name), -ELOOP);
	assert_int_equal(beneath_parent(root, "/", name), -EINVAL);
	assert_int_equal(beneath_parent(root, "/tmp/..", name), -EINVAL);
	close(root);
	unlink(in("root"));
	unlink(in("root2"));
	unlink(in("round"));
}

static int make_nodes(mode_t mode, const char *name, const char *target)
{
	char plan[9000];

	snprintf(plan, sizeof(plan), "node %o %d %d 0 %s %s\n", mode, NOBODY, NOBODY, in(name),
		 target);

	return sandbox_make_nodes(plan);
}

static void test_directories(void **state)
{
	(void)state;
	need_root();
	umask(022);
	assert_int_equal(make_nodes(S_IFDIR | 01777, "home/d", "-"), 0);
	assert_int_equal(mode_of("home/d"), S_IFDIR | 01777);
	assert_int_equal(owner_of("home/d"), NOBODY);
	/* The user makes a link of it. */
	assert_int_equal(rmdir(in("home/d")), 0);
	link_to("victim", "home/d");
	give("home/d");
	assert_int_equal(make_nodes(S_IFDIR | 0777, "home/d/ssh.service.d", "-"), -ELOOP);
	assert_true(is_empty("victim"));
	/* What is there stays as it is, also if it is a link. */
	assert_int_equal(make_nodes(S_IFDIR | 0777, "home/d", "-"), 0);
	assert_int_equal(owner_of("victim"), 0);
	assert_int_equal(mode_of("victim"), S_IFDIR | 0755);
}

static void test_links(void **state)
{
	char plan[9000];

	(void)state;
	need_root();
	/* One of the user's is not made for him; root's own leads whoever follows it. */
	assert_int_equal(make_nodes(S_IFLNK | 0777, "home/l", "/etc"), -ELOOP);
	assert_int_equal(mode_of("home/l"), 0);
	snprintf(plan, sizeof(plan), "node %o 0 0 0 %s /etc\n", S_IFLNK | 0777, in("home/l"));
	assert_int_equal(sandbox_make_nodes(plan), 0);
	assert_int_equal(mode_of("home/l"), S_IFLNK | 0777);
	assert_int_equal(owner_of("home/l"), 0);
}

static void test_special_files(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(make_nodes(S_IFIFO | 0620, "home/f", "-"), 0);
	assert_int_equal(mode_of("home/f"), S_IFIFO | 0620);
	assert_int_equal(owner_of("home/f"), NOBODY);
	assert_int_equal(make_nodes(S_IFREG | 04750, "home/r", "-"), 0);
	assert_int_equal(mode_of("home/r"), S_IFREG | 04750);
}

/* The user exchanges two directories of his own for ever, of which root has made one. */
static pid_t start_exchanging(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (chdir(in("home")) || setresuid(NOBODY, NOBODY, NOBODY))
		_exit(1);
	for (;;)
		renameat2(AT_FDCWD, "of-root", AT_FDCWD, "new", RENAME_EXCHANGE);
}

/* What somebody puts in the place of a new file is not given away. */
static void test_race(void **state)
{
	const struct beneath_node node = { .mode = S_IFDIR | 0777, .uid = NOBODY, .gid = NOBODY };
	int dir, of_root, status, nr = 0;
	struct stat st;
	pid_t pid;

	(void)state;
	need_root();
	assert_int_equal(mkdir(in("home/of-root"), 0755), 0);
	assert_int_equal(mkdir(in("home/of-root/d"), 0755), 0);
	of_root = open(in("home/of-root"), O_RDONLY | O_DIRECTORY);
	dir = open(in("home"), O_PATH | O_DIRECTORY);
	pid = start_exchanging();
	for (int i = 0; i < 500; i++) {
		int r = beneath_make(dir, "new", &node);

		nr += r == -EPERM;
		assert_true(!r || r == -EPERM || r == -EEXIST);
		/* Root's is not empty: this waits until the new one has its own name again. */
		for (int j = 0; j < 100000 && unlinkat(dir, "new", AT_REMOVEDIR); j++)
			;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(fstat(of_root, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	close(of_root);
	close(dir);
	print_message("exchanged in time: %d of 500\n", nr);
}

static void test_shared_memory(void **state)
{
	char name[4200];
	struct shmem s = { .path = name, .size = 4096, .mode = 0666, .uid = NOBODY, .gid = NOBODY };

	(void)state;
	need_root();
	strcpy(name, in("home/s"));
	assert_int_equal(shmem_make(&s, 0), 0);
	assert_int_equal(mode_of("home/s"), S_IFREG | 0666);
	assert_int_equal(owner_of("home/s"), NOBODY);
	assert_int_equal(shmem_make(&s, 0), -EEXIST);
	link_to("victim", "home/d");
	give("home/d");
	strcpy(name, in("home/d/ld.so.preload"));
	assert_int_equal(shmem_make(&s, 0), -ELOOP);
	/* The same below the root directory of a process, out of which an absolute link leads. */
	assert_int_equal(shmem_make(&s, getpid()), -ELOOP);
	assert_true(is_empty("victim"));
	/* A link at the end, to nothing yet. */
	link_to("victim/new", "home/e");
	give("home/e");
	strcpy(name, in("home/e"));
	assert_int_equal(shmem_make(&s, 0), -EEXIST);
	assert_true(is_empty("victim"));
}

static void write_text(const char *name, const char *text)
{
	assert_int_equal(file_write(in(name), text, strlen(text), 0755), 0);
	give(name);
	assert_int_equal(chmod(in(name), 04755), 0);
}

static void test_archive(void **state)
{
	char tar[4200], dir[4200];
	struct error err = { 0 };

	(void)state;
	need_root();
	need_mounts();
	strcpy(tar, in("a.tar"));
	strcpy(dir, in("home/run"));
	mkdir(dir, 0750);
	give("home/run");
	mkdir(in("home/run/sub"), 0700);
	give("home/run/sub");
	write_text("home/run/sub/program", "the user's");
	link_to("victim", "home/run/link");
	give("home/run/link");
	assert_int_equal(archive_save(tar, 0, dir, &(uint64_t){ UINT64_MAX }, &err), 0);

	/* As it was, with set-user-ID bits and links. */
	assert_int_equal(tree_remove(dir), 0);
	assert_int_equal(archive_restore(tar, getpid(), dir, &err), 0);
	assert_int_equal(mode_of("home/run/sub/program"), S_IFREG | 04755);
	assert_int_equal(owner_of("home/run/sub/program"), NOBODY);
	assert_int_equal(mode_of("home/run/link"), S_IFLNK | 0777);
	assert_int_equal(mode_of("home/run"), S_IFDIR | 0750);

	/* The user has put a link in the way: of the directory, then of what is above it. */
	assert_int_equal(tree_remove(dir), 0);
	link_to("victim", "home/run");
	give("home/run");
	archive_restore(tar, 0, dir, &err);
	assert_true(is_empty("victim"));
	tree_remove(in("home/run"));
	link_to("victim", "home/up");
	give("home/up");
	strcpy(dir, in("home/up/run"));
	memset(&err, 0, sizeof(err));
	assert_int_equal(archive_restore(tar, 0, dir, &err), -ELOOP);
	assert_non_null(strstr(err.text, "home/up/run"));
	assert_true(is_empty("victim"));
	/* Nor is read what lies there. */
	write_text("victim/run", "root's");
	memset(&err, 0, sizeof(err));
	assert_int_equal(archive_save(tar, 0, dir, &(uint64_t){ UINT64_MAX }, &err), -ELOOP);
	assert_int_equal(access(tar, F_OK), -1);
}

/* An archive that asks for it: a link, and a file below that. */
static void test_archive_with_links(void **state)
{
	char tar[4200], dir[4200], command[16384], target[4200];
	struct error err = { 0 };

	(void)state;
	need_root();
	need_mounts();
	strcpy(tar, in("b.tar"));
	strcpy(dir, in("home"));
	strcpy(target, in("victim"));
	mkdir(in("one"), 0755);
	mkdir(in("two"), 0755);
	mkdir(in("two/d"), 0755);
	write_text("two/d/shadow", "the user's");
	link_to("victim", "one/d");
	snprintf(command, sizeof(command), "cd %s && tar -C one -cf b.tar ./d && "
		 "tar -C two -rf b.tar ./d/shadow", temp_dir);
	assert_int_equal(system(command), 0);
	archive_add(tar, dir, &err);
	assert_true(is_empty("victim"));
	/* The link is there already, and the archive has the file only. */
	tree_remove(in("home/d"));
	link_to("victim", "home/d");
	snprintf(command, sizeof(command), "cd %s && tar -C two -cf b.tar ./d/shadow", temp_dir);
	assert_int_equal(system(command), 0);
	archive_add(tar, dir, &err);
	assert_true(is_empty("victim"));
	/* Nothing of that in the way. */
	assert_int_equal(unlink(in("home/d")), 0);
	memset(&err, 0, sizeof(err));
	assert_int_equal(archive_add(tar, dir, &err), 0);
	assert_int_equal(mode_of("home/d/shadow"), S_IFREG | 04755);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_walk, make_homes),
		cmocka_unit_test_setup(test_directories, make_homes),
		cmocka_unit_test_setup(test_links, make_homes),
		cmocka_unit_test_setup(test_special_files, make_homes),
		cmocka_unit_test_setup(test_race, make_homes),
		cmocka_unit_test_setup(test_shared_memory, make_homes),
		cmocka_unit_test_setup(test_archive, make_homes),
		cmocka_unit_test_setup(test_archive_with_links, make_homes),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
