// SPDX-License-Identifier: GPL-2.0-only
/* What an app has in memory file systems: spellings of names, watches, pid files, access lists. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/acl.h"
#include "lib/apps/mountinfo.h"
#include "lib/apps/names.h"
#include "lib/apps/places.h"
#include "lib/apps/runfiles.h"
#include "lib/apps/watches.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"
#include "tests/unit/temp-dir.h"

static const char *in(const char *path)
{
	static char full[4096];

	assert_int_equal(path_format(full, sizeof(full), "%s%s", temp_dir, path), 0);
	return full;
}

static void put_dir(const char *path, mode_t mode)
{
	assert_int_equal(dir_make(in(path)), 0);
	assert_int_equal(chmod(in(path), mode), 0);
}

static void put(const char *path, const char *text)
{
	assert_int_equal(file_write(in(path), text, strlen(text), 0640), 0);
}

static void put_link(const char *path, const char *target)
{
	assert_int_equal(symlink(target, in(path)), 0);
}

/* --- names ------------------------------------------------------------------- */

static int note_link(void *ctx, const char *path)
{
	return strv_append(ctx, path);
}

static void follows(const char *name, const char *where, const char *link)
{
	_cleanup_strv_ char **links = NULL;
	char path[4096];

	assert_int_equal(name_follow(temp_dir, name, note_link, &links, path, sizeof(path)), 0);
	assert_string_equal(path, where);
	if (link)
		assert_string_equal(links[0], link);
	else
		assert_null(links);
}

static void test_names(void **state)
{
	char path[4096], little[8];

	(void)state;
	put_dir("/names/run/slapd", 0755);
	put_dir("/names/var", 0755);
	put("/names/run/slapd/ldapi", "");
	put_link("/names/var/run", "/names/run");
	put_link("/names/var/near", "../run/./slapd");
	put_link("/names/loop", "loop");
	follows("/names/run/slapd/ldapi", "/names/run/slapd/ldapi", NULL);
	follows("/names/var/run/slapd/ldapi", "/names/run/slapd/ldapi", "/names/var/run");
	follows("/names/var/near/ldapi", "/names/run/slapd/ldapi", "/names/var/near");
	follows("//names/./var/../run//slapd/", "/names/run/slapd", NULL);
	/* Nothing leads out of the root directory. */
	follows("/../../names/run", "/names/run", NULL);
	follows("/..", "/", NULL);
	follows("", "/", NULL);

	assert_int_equal(name_follow(temp_dir, "/names/nothing", NULL, NULL, path, sizeof(path)),
			 -ENOENT);
	assert_int_equal(name_follow(temp_dir, "/names/run/slapd/ldapi/x", NULL, NULL, path,
				     sizeof(path)), -ENOTDIR);
	assert_int_equal(name_follow(temp_dir, "/names/loop", NULL, NULL, path, sizeof(path)),
			 -ELOOP);
	assert_int_equal(name_follow(temp_dir, "/names/run", NULL, NULL, little, sizeof(little)),
			 -ENAMETOOLONG);
}

/* --- watches ------------------------------------------------------------------- */

static void test_parse_watch(void **state)
{
	static const char *const others[] = {
		"pos:\t0", "", "fanotify flags:10 event-flags:0",
		"fanotify mnt_id:1c mflags:0 mask:3b ignored_mask:0",
		"inotify wd:1 ino:1ae sdev:19 mask:386 ignored_mask:0",
		"inotify wd:1 ino:1ae sdev:19 fhandle-bytes:c fhandle-type:1 f_handle:4009",
		"inotify wd:1 ino:1ae sdev:19 fhandle-bytes:fff fhandle-type:1 f_handle:4009",
	};
	struct watch w;

	(void)state;
	assert_true(watch_parse("inotify wd:1 ino:1ae sdev:19 mask:386 ignored_mask:0 "
				"fhandle-bytes:c fhandle-type:1 f_handle:4009966dae01000000000000",
				&w));
	assert_int_equal(w.ino, 0x1ae);
	assert_true(w.dev == makedev(0, 0x19));
	assert_int_equal(w.type, 1);
	assert_int_equal(w.len, 12);
	assert_memory_equal(w.handle, "\x40\x09\x96\x6d\xae\x01\0\0\0\0\0\0", 12);
	assert_true(watch_parse("fanotify ino:210f2 sdev:fe00001 mflags:0 mask:8 ignored_mask:0 "
				"fhandle-bytes:8 fhandle-type:1 f_handle:f2100200d9ada6c2", &w));
	assert_true(w.dev == makedev(254, 1));
	assert_int_equal(w.len, 8);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(watch_parse(others[i], &w));
}

static int note_path(void *ctx, const char *path)
{
	return strv_append(ctx, path);
}

/* The kernel itself tells, of a directory that has got another name since. */
static void test_find_watch(void **state)
{
	char dir[] = "/dev/shm/nvwa-test-XXXXXX", moved[] = "/dev/shm/nvwa-test-XXXXXX.moved";
	_cleanup_strv_ char **found = NULL;
	struct mountinfos mounts;
	int fd, r;

	(void)state;
	assert_int_equal(mountinfo_read(getpid(), &mounts), 0);
	if (getuid() || !mountinfo_of_path(&mounts, dir) ||
	    strcmp(mountinfo_of_path(&mounts, dir)->type, "tmpfs")) {
		mountinfo_free(&mounts);
		skip();
	}
	assert_non_null(mkdtemp(dir));
	memcpy(moved, dir, strlen(dir));
	fd = inotify_init1(IN_CLOEXEC);
	r = inotify_add_watch(fd, dir, IN_CREATE) < 0 ||
	    inotify_add_watch(fd, "/proc", IN_CREATE) < 0 || rename(dir, moved);
	if (!r)
		r = watches_find(getpid(), fd, &mounts, note_path, &found);
	close(fd);
	rmdir(moved);
	rmdir(dir);
	mountinfo_free(&mounts);
	assert_int_equal(r, 0);
	assert_non_null(found);
	assert_string_equal(found[0], moved);
	assert_null(found[1]);
	assert_true(watch_is_kind("anon_inode:inotify"));
	assert_false(watch_is_kind("anon_inode:[eventfd]"));
}

/* --- pid files and directories ------------------------------------------------- */

static int note_found(void *ctx, enum runfile what, const char *path)
{
	static const char *const words[] = { "copy", "large", "node" };
	char line[4200];

	snprintf(line, sizeof(line), "%s %s", words[what], path);
	return strv_append(ctx, line);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is found below a directory, sorted, a line each. */
static char *find(struct runfiles_search *s, const char *dir)
{
	static char **found;
	char *text = NULL;
	size_t nr = 0, len;
	FILE *out = open_memstream(&text, &len);

	s->root = temp_dir;
	s->fn = note_found;
	s->ctx = &found;
	s->nr = s->sum = s->seen = 0;
	assert_int_equal(runfiles_find(s, dir), 0);
	while (found && found[nr])
		nr++;
	if (found)
		qsort(found, nr, sizeof(*found), compare);
	for (char **line = found; line && *line; line++)
		fprintf(out, "%s\n", *line);
	fclose(out);
	cleanup_strv(&found);
	found = NULL;
	return text;
}

static const pid_t pids[] = { 4000001, 4000002 };

static void test_pid_files(void **state)
{
	struct runfiles_search s = { .pids = pids, .nr_pids = 2 };
	_cleanup_free_ char *found = NULL, *none = NULL;

	(void)state;
	if (getuid())
		skip();
	put_dir("/run", 0755);
	put_dir("/run/lock", 01777);
	put_dir("/run/apache2/socks", 0755);
	put("/run/one.pid", "4000001\n");
	put("/run/two", "4000002");
	put("/run/lock/LCK..ttyS0", "   4000002\n");
	put("/run/lock/of-another", "text\n");
	put("/run/apache2/apache2.pid", "4000001\n");
	put("/run/apache2/state", "1\n");
	put("/run/apache2/socks/more", "x\n");
	/* These are not. */
	put("/run/other.pid", "4000003\n");
	put("/run/lock/of-user", "4000001\n");
	assert_int_equal(chown(in("/run/lock/of-user"), 12345, 12345), 0);
	put("/run/more.pid", "4000001 4000002\n");
	put("/run/lines", "4000001\nand more\n");
	put("/run/longer", "40000011\n");
	put("/run/empty.pid", "");
	put_link("/run/link.pid", "one.pid");
	assert_int_equal(mkfifo(in("/run/fifo.pid"), 0600), 0);
	/* Nor is what systemd has. */
	put("/run/systemd/units/a", "4000001\n");
	put("/run/user/1000/a.pid", "4000001\n");

	found = find(&s, "/run");
	assert_string_equal(found, "copy /run/apache2/apache2.pid\ncopy /run/apache2/socks/more\n"
			    "copy /run/apache2/state\ncopy /run/lock/LCK..ttyS0\n"
			    "copy /run/one.pid\ncopy /run/two\nnode /run/apache2\n"
			    "node /run/apache2/socks\n");
	s.nr_pids = 0;
	none = find(&s, "/run");
	assert_string_equal(none, "");
	assert_int_equal(tree_remove(in("/run")), 0);
}

static void test_own_directories(void **state)
{
	static char *marked[] = { (char *)"/run/dovecot", NULL };
	static char *left_out[] = {
		(char *)"/run/dovecot/held", (char *)"/run/dovecot/tree", NULL,
	};
	struct runfiles_search s = {
		.pids = pids, .nr_pids = 2, .marked = marked, .left_out = left_out,
	};
	_cleanup_free_ char *found = NULL;
	char number[32];

	(void)state;
	if (getuid())
		skip();
	put_dir("/run/dovecot", 0755);
	put_dir("/run/dovecot/empty", 0755);
	put_dir("/run/dovecot/for-all", 01777);
	put("/run/dovecot/for-all/of-somebody", "x");
	put("/run/dovecot/master.conf", "x");
	put("/run/dovecot/held", "x");
	put("/run/dovecot/tree/x", "x");
	/* A process that runs, and is of somebody else. */
	snprintf(number, sizeof(number), "%d\nmore\n", getpid());
	put("/run/dovecot/other.pid", number);
	put("/run/dovecot/.s.5432.lock", number);
	put("/run/dovecot/count", number);
	assert_int_equal(mkfifo(in("/run/dovecot/fifo"), 0600), 0);
	put_link("/run/dovecot/conf", "/etc/dovecot.conf");
	put_dir("/run/others", 0755);
	put("/run/others/x", "x");
	found = find(&s, "/run");
	assert_string_equal(found, "copy /run/dovecot/count\ncopy /run/dovecot/master.conf\n"
			    "node /run/dovecot\nnode /run/dovecot/conf\nnode /run/dovecot/empty\n"
			    "node /run/dovecot/fifo\n");
	assert_int_equal(tree_remove(in("/run")), 0);
}

static void test_of_user(void **state)
{
	const uid_t uids[] = { 0, 12345 };
	struct runfiles_search s = { .uids = uids, .nr_uids = 2 };
	_cleanup_free_ char *found = NULL, *large = NULL;
	char name[64];

	(void)state;
	if (getuid())
		skip();
	put_dir("/run/lock/www", 0755);
	put("/run/lock/www/state", "x");
	put("/run/lock/of-root", "x");
	put_link("/run/lock/www/of-root", "/etc");
	put_link("/run/lock/www/of-user", "/etc");
	assert_int_equal(chown(in("/run/lock/www"), 12345, 12345), 0);
	assert_int_equal(lchown(in("/run/lock/www/of-user"), 12345, 12345), 0);
	found = find(&s, "/run");
	assert_string_equal(found, "copy /run/lock/www/state\nnode /run/lock/www\n"
			    "node /run/lock/www/of-root\n");

	/* There is an end to it: of a file, and of all of them. */
	assert_int_equal(truncate(in("/run/lock/www/state"), RUNFILES_MAX_FILE + 1), 0);
	for (int i = 0; i < 17; i++) {
		snprintf(name, sizeof(name), "/run/lock/www/%02d", i);
		put(name, "x");
		assert_int_equal(truncate(in(name), RUNFILES_MAX_FILE), 0);
	}
	large = find(&s, "/run");
	assert_non_null(strstr(large, "large /run/lock/www/state\n"));
	assert_int_equal(s.sum, RUNFILES_MAX_SUM);
	assert_int_equal(s.nr, RUNFILES_MAX_SUM / RUNFILES_MAX_FILE);
	assert_non_null(strstr(large, "large /run/lock/www/"));
	assert_int_equal(tree_remove(in("/run")), 0);
}

/* --- copies -------------------------------------------------------------------- */

static void holds(const char *path, const char *text)
{
	_cleanup_free_ char *data = NULL;

	assert_int_equal(file_read(in(path), &data, NULL), 0);
	assert_string_equal(data, text);
}

static void test_copies(void **state)
{
	static const char names[] = "/copies/from/a.pid\n/copies/from/b\\040b\n"
		"/copies/from/shared\n/copies/from/gone\n/copies/from/link\n"
		"/copies/from/dir/empty\n/copies/through/a.pid\n/copies/from/fifo\n";
	const struct shmem shared = { .path = (char *)"/copies/from/shared" };
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	_cleanup_free_ char *file = strdup(in("/copies.data"));
	struct stat st;

	(void)state;
	put("/copies/from/a.pid", "4000001\n");
	put("/copies/from/b b", "two\nlines\n");
	put("/copies/from/shared", "x");
	put("/copies/from/dir/empty", "");
	put("/copies/secret", "secret");
	put_link("/copies/from/link", "../secret");
	put_link("/copies/through", "from");
	assert_int_equal(mkfifo(in("/copies/from/fifo"), 0600), 0);
	assert_int_equal(chmod(in("/copies/from/a.pid"), 0604), 0);
	assert_int_equal(utimensat(AT_FDCWD, in("/copies/from/a.pid"), times, 0), 0);
	if (!getuid())
		assert_int_equal(chown(in("/copies/from/a.pid"), 12345, 54321), 0);
	assert_int_equal(runfiles_save(temp_dir, names, &shared, 1, file), 0);

	/* In the next kernel there are the directories, and what somebody has made. */
	assert_int_equal(tree_remove(in("/copies/from")), 0);
	put_dir("/copies/from/dir", 0755);
	put("/copies/from/b b", "new");
	assert_int_equal(runfiles_restore(file, temp_dir), 0);
	holds("/copies/from/a.pid", "4000001\n");
	holds("/copies/from/b b", "new");
	holds("/copies/from/dir/empty", "");
	assert_int_equal(stat(in("/copies/from/a.pid"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(st.st_mtime, 2000);
	if (!getuid())
		assert_true(st.st_uid == 12345 && st.st_gid == 54321);
	assert_int_equal(access(in("/copies/from/shared"), F_OK), -1);
	assert_int_equal(access(in("/copies/from/link"), F_OK), -1);
	assert_int_equal(access(in("/copies/from/gone"), F_OK), -1);

	/* A link in the way is followed by nobody; a directory that is gone is nobody's loss. */
	assert_int_equal(tree_remove(in("/copies/from")), 0);
	put_dir("/copies/elsewhere/dir", 0755);
	put_link("/copies/from", "elsewhere");
	assert_int_equal(runfiles_restore(file, temp_dir), 0);
	assert_int_equal(access(in("/copies/elsewhere/a.pid"), F_OK), -1);
	assert_int_equal(unlink(in("/copies/from")), 0);
	assert_int_equal(runfiles_restore(file, temp_dir), 0);
	assert_int_equal(runfiles_restore(in("/no-copies"), temp_dir), 0);
}

static void test_damaged_copies(void **state)
{
	static const char *const bad[] = {
		"640 0 0 0 5 - /a\nabc\n", "640 0 0 0 3 - a\nabc\n", "640 0 0 3 - /a\nabc\n",
		"640 0 0 0 3 - /a", "640 0 0 0 3 - /\nabc\n", "640 0 0 0 3 /a\nabc\n",
		"640 0 0 0 18446744073709551615 - /a\nabc\n", "nothing\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("/damaged", bad[i]);
		assert_int_equal(runfiles_restore(in("/damaged"), temp_dir), -EBADMSG);
	}
}

/* --- access lists ---------------------------------------------------------------- */

/* As setfacl(1) makes it: user::rwx, user:12345:rwx, group::---, mask::rwx, other::---. */
static const uint8_t list[] = {
	2, 0, 0, 0,
	1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
	2, 0, 7, 0, 0x39, 0x30, 0, 0,
	4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
	0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
};

#define ACCESS	"system.posix_acl_access"
#define DEFAULT	"system.posix_acl_default"

static void test_acls(void **state)
{
	_cleanup_free_ char *text = NULL, *fifo = NULL;
	uint8_t value[sizeof(list)];
	struct stat st;
	size_t len;
	FILE *out;

	(void)state;
	put_dir("/acls/with it", 0700);
	put_dir("/acls/without", 0750);
	if (setxattr(in("/acls/with it"), ACCESS, list, sizeof(list), 0) ||
	    setxattr(in("/acls/with it"), DEFAULT, list, sizeof(list), 0))
		skip();		/* there are none on this file system */
	assert_true(acl_has(in("/acls/with it")));
	assert_false(acl_has(in("/acls/without")));
	out = open_memstream(&text, &len);
	assert_int_equal(acl_put(out, temp_dir, "/acls/with it"), 0);
	assert_int_equal(acl_put(out, temp_dir, "/acls/without"), 0);
	assert_int_equal(acl_put(out, temp_dir, "/acls/gone"), 0);
	assert_int_equal(fclose(out), 0);
	assert_null(strstr(text, "without"));

	assert_int_equal(rmdir(in("/acls/with it")), 0);
	assert_int_equal(acls_restore(text, temp_dir), 0);
	put_dir("/acls/with it", 0700);
	assert_int_equal(acls_restore(text, temp_dir), 0);
	assert_int_equal(getxattr(in("/acls/with it"), ACCESS, value, sizeof(value)),
			 sizeof(list));
	assert_memory_equal(value, list, sizeof(list));
	assert_int_equal(getxattr(in("/acls/with it"), DEFAULT, value, sizeof(value)),
			 sizeof(list));
	assert_int_equal(stat(in("/acls/with it"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0770);

	/* Something that cannot be opened without waiting has a list as well. */
	assert_int_equal(mkfifo(in("/acls/fifo"), 0700), 0);
	assert_int_equal(setxattr(in("/acls/fifo"), ACCESS, list, sizeof(list), 0), 0);
	out = open_memstream(&fifo, &len);
	assert_int_equal(acl_put(out, temp_dir, "/acls/fifo"), 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(unlink(in("/acls/fifo")), 0);
	assert_int_equal(mkfifo(in("/acls/fifo"), 0700), 0);
	assert_int_equal(acls_restore(fifo, temp_dir), 0);
	assert_true(acl_has(in("/acls/fifo")));

	/* Not to what a link leads to, nor to somebody else's directory. */
	assert_int_equal(rmdir(in("/acls/with it")), 0);
	put_link("/acls/with it", "without");
	assert_int_equal(acls_restore(text, temp_dir), 0);
	assert_false(acl_has(in("/acls/without")));
	assert_int_equal(unlink(in("/acls/with it")), 0);
	if (!getuid()) {
		put_dir("/acls/with it", 0700);
		assert_int_equal(chown(in("/acls/with it"), 12345, 0), 0);
		assert_int_equal(acls_restore(text, temp_dir), 0);
		assert_false(acl_has(in("/acls/with it")));
	}

	/* A file has its own list, and not that of the directory in which it is made again. */
	assert_int_equal(tree_remove(in("/acls")), 0);
	put("/acls/dir/none", "x");
	put("/acls/dir/own", "x");
	assert_int_equal(setxattr(in("/acls/dir/own"), ACCESS, list, sizeof(list), 0), 0);
	assert_int_equal(runfiles_save(temp_dir, "/acls/dir/none\n/acls/dir/own\n", NULL, 0,
				       in("/acls/data")), 0);
	assert_int_equal(tree_remove(in("/acls/dir")), 0);
	put_dir("/acls/dir", 0755);
	assert_int_equal(setxattr(in("/acls/dir"), DEFAULT, list, sizeof(list), 0), 0);
	assert_int_equal(runfiles_restore(in("/acls/data"), temp_dir), 0);
	assert_false(acl_has(in("/acls/dir/none")));
	assert_int_equal(getxattr(in("/acls/dir/own"), ACCESS, value, sizeof(value)),
			 sizeof(list));
	assert_memory_equal(value, list, sizeof(list));

	assert_int_equal(acls_restore("0 0 - -\n", temp_dir), -EBADMSG);
	assert_int_equal(acls_restore("0 0 - - acls\n", temp_dir), -EBADMSG);
}

/* --- all of it, there and back --------------------------------------------------- */

/*
 * In a machine of its own, as far as PID 1 and what is mounted on /run go. A check that fails
 * ends that, and with it the test.
 */
#define check(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "# line %d: %s (%s)\n", __LINE__, #what, strerror(errno)); \
			_exit(EXIT_FAILURE); \
		} \
	} while (0)

static void bind_to(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	check(!path_format(addr.sun_path, sizeof(addr.sun_path), "%s", name));
	check(!bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
}

static void map_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	check(!ftruncate(fd, 4096));
	check(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	close(fd);
}

/* What the program does, each thing in a directory of its own. <link> leads to /run from a disk. */
static void use_all(const char *link)
{
	int fd = inotify_init();
	char text[128];

	check(!path_format(text, sizeof(text), "%s/bound/socket", link));
	bind_to(text);
	bind_to("/run/near/socket");
	map_file("/run/mapped/file");
	check(inotify_add_watch(fd, "/run/watched", IN_CREATE) >= 0);
	check(inotify_add_watch(fd, "/run/other/file", IN_MODIFY) >= 0);
	check(open("/run/piped/fifo", O_RDWR) >= 0);
	check(!chdir("/run/works-in/deep"));
	bind_to("../socket");
	snprintf(text, sizeof(text), "%d\n", getpid());
	check(!file_write("/run/known/pid", text, strlen(text), 0600));
	check(!chroot("/run/root"));
}

static pid_t start_user(const char *link)
{
	int pipe_fds[2];
	pid_t pid;
	char byte;

	check(!pipe(pipe_fds));
	pid = fork();
	if (!pid) {
		use_all(link);
		check(write(pipe_fds[1], "", 1) == 1);
		pause();
	}
	close(pipe_fds[1]);
	check(read(pipe_fds[0], &byte, 1) == 1);
	close(pipe_fds[0]);

	return pid;
}

static const char *const dirs[] = {
	"bound", "far", "known", "mapped", "other", "piped", "root", "watched", "works-in",
	"works-in/deep",
};

static void make_all(void)
{
	char path[64];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "/run/%s", dirs[i]);
		check(!mkdir(path, 0710));
	}
	check(!mkdir("/run/unused", 0710));
	check(!chown("/run/watched", 12345, 54321));
	check(!symlink("far", "/run/near"));
	check(!mkfifo("/run/piped/fifo", 0620));
	check(!file_write("/run/other/file", "not its own", 11, 0644));
}

static void holds_in_run(const char *path, const char *text)
{
	_cleanup_free_ char *data = NULL;

	check(!file_read(path, &data, NULL));
	check(!strcmp(data, text));
}

static void look_at_all(pid_t pid)
{
	char text[64];
	struct stat st;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(text, sizeof(text), "/run/%s", dirs[i]);
		if (stat(text, &st))
			fprintf(stderr, "# %s is not there\n", text);
		check(st.st_mode == (S_IFDIR | 0710));
	}
	check(access("/run/unused", F_OK));
	check(!stat("/run/watched", &st) && st.st_uid == 12345 && st.st_gid == 54321);
	check(!lstat("/run/near", &st) && S_ISLNK(st.st_mode));
	check(!stat("/run/piped/fifo", &st) && st.st_mode == (S_IFIFO | 0620));
	snprintf(text, sizeof(text), "%d\n", pid);
	holds_in_run("/run/known/pid", text);
	holds_in_run("/run/other/file", "not its own");
}

static void there_and_back(const char *dir)
{
	const struct app_meta meta = { 0 };
	struct app app = { .kind = APP_PROGRAM, .name = (char *)"test", .nr_pids = 1 };
	struct error err = { "" };
	char link[128];

	check(!mount("tmpfs", "/run", "tmpfs", 0, NULL));
	umask(0);
	make_all();
	check(!path_format(link, sizeof(link), "%s/link", dir) && !symlink("/run", link));
	app.pid = start_user(link);
	app.pids = &app.pid;
	check(!places_save(&app, &meta, dir, &err));
	check(!places_save_files(&app, dir, &err));

	/* The next kernel: the memory is empty. */
	check(!mount("tmpfs", "/run", "tmpfs", 0, NULL));
	check(!places_make(dir, &err));
	look_at_all(app.pid);
	/* It is not the only one to make things there. */
	check(!places_make(dir, &err));
}

/* In a child. 77: nobody lets us. */
static int in_own_machine(const char *dir)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWNS | CLONE_NEWPID))
		return 77;
	pid = fork();
	if (!pid) {
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("proc", "/proc", "proc", 0, NULL))
			_exit(77);
		there_and_back(dir);
		_exit(EXIT_SUCCESS);
	}

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void test_there_and_back(void **state)
{
	char dir[64];
	int status;
	pid_t pid;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/there-and-back", temp_dir);
	assert_int_equal(dir_make(dir), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(in_own_machine(dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();		/* not root */
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_parse_watch),
		cmocka_unit_test(test_find_watch),
		cmocka_unit_test(test_pid_files),
		cmocka_unit_test(test_own_directories),
		cmocka_unit_test(test_of_user),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_damaged_copies),
		cmocka_unit_test(test_acls),
		cmocka_unit_test(test_there_and_back),
	};

	return cmocka_run_group_tests_name("places", tests, make_temp_dir, remove_temp_dir);
}
