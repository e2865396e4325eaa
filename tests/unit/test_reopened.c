// SPDX-License-Identifier: GPL-2.0-only
/* Whether processes have the files that they had: a child of ours is looked at twice. */
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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/identity.h"
#include "lib/apps/reopened.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

#define FD	50		/* the child's */
#define ADDR	((void *)0x10000000)

static char path[4200];
static struct error err;

static const char *in(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", temp_dir, name);

	return path;
}

static void write_text(const char *name, const char *text)
{
	assert_int_equal(file_write(in(name), text, strlen(text), 0644), 0);
}

/* A process with a file, a mapping, a working directory, a socket, and more that has no name. */
static void have(const char *opened, const char *mapped, const char *dir, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = open(in(opened), O_RDWR), map = open(in(mapped), O_RDONLY);
	int s = socket(AF_UNIX, SOCK_STREAM, 0), pair[2];

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", temp_dir, name);
	unlink(address.sun_path);
	if (fd < 0 || map < 0 || dup2(fd, FD) != FD || chdir(in(dir)) || pipe(pair) ||
	    bind(s, (struct sockaddr *)&address, sizeof(address)) ||
	    mmap(ADDR, 8192, PROT_READ, MAP_PRIVATE | MAP_FIXED, map, 0) != ADDR ||
	    memfd_create("memory", 0) < 0)
		_exit(1);
	close(fd);
	close(map);
}

static pid_t start(void (*then)(void))
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		have("d/data", "d/mapped", "d", "s/socket");
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		/* If the test fails it is not there to end us. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise(SIGSTOP);
		then();
		raise(SIGSTOP);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);

	return pid;
}

static struct reopened *note(pid_t pid)
{
	const struct app app = { .name = (char *)"app", .pids = &pid, .nr_pids = 1 };
	const struct externals externals = { 0 };
	const struct app_meta meta = { 0 };
	struct reopened *noted = NULL;

	memset(&err, 0, sizeof(err));
	assert_int_equal(reopened_note(&app, &meta, &externals, temp_dir, &err), 0);
	assert_int_equal(reopened_read(temp_dir, &noted, &err), 0);

	return noted;
}

static void end(pid_t pid, struct reopened *noted)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	reopened_free(noted);
}

static int make_files(void **state)
{
	(void)state;
	tree_remove(in("d"));
	tree_remove(in("s"));
	tree_remove(in("e"));
	mkdir(in("d"), 0755);
	mkdir(in("s"), 0755);
	mkdir(in("e"), 0755);
	write_text("d/data", "data");
	write_text("d/mapped", "mapped");
	write_text("e/data", "data");
	write_text("e/mapped", "mapped");

	return 0;
}

static void nothing(void)
{
}

static void other_file(void)
{
	int fd = open(in("e/data"), O_RDWR);

	dup2(fd, FD);
	close(fd);
}

static void no_file(void)
{
	close(FD);
}

static void other_mapping(void)
{
	int fd = open(in("e/mapped"), O_RDONLY);

	mmap(ADDR, 8192, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	close(fd);
}

static void other_parts(void)
{
	mprotect(ADDR, 4096, PROT_READ | PROT_WRITE);
}

static void other_dir(void)
{
	if (chdir(in("e")))
		_exit(1);
}

/* The kernel shows what a process maps to root only. */
static void need_root(void)
{
	if (geteuid())
		skip();
}

static void test_processes(void **state)
{
	static const struct {
		void (*then)(void);
		const char *said;	/* NULL: all is as it was */
	} cases[] = {
		{ nothing, NULL }, { other_parts, NULL }, { other_file, "descriptor 50" },
		{ no_file, "descriptor 50" }, { other_mapping, "mapped at 0x10000000" },
		{ other_dir, "working directory" },
	};

	(void)state;
	need_root();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid_t pid = start(cases[i].then);
		struct reopened *noted = note(pid);

		assert_int_equal(reopened_check(noted, &err), 0);
		kill(pid, SIGCONT);
		assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
		assert_int_equal(reopened_check(noted, &err), cases[i].said ? -ESTALE : 0);
		if (cases[i].said)
			assert_non_null(strstr(err.text, cases[i].said));
		end(pid, noted);
	}
}

static void expect(const struct reopened *noted, const char *said)
{
	memset(&err, 0, sizeof(err));
	assert_int_equal(reopened_check_names(noted, getpid(), &err), said ? -ESTALE : 0);
	if (said && !strstr(err.text, said))
		fail_msg("\"%s\" does not say \"%s\"", err.text, said);
}

/* From one file to another name, and a link to another directory in its place. */
static void exchange(const char *name, const char *with)
{
	char away[4200], here[4200], target[4200];

	snprintf(away, sizeof(away), "%s/away", temp_dir);
	snprintf(here, sizeof(here), "%s/%s", temp_dir, name);
	snprintf(target, sizeof(target), "%s/%s", temp_dir, with);
	assert_int_equal(rename(here, away), 0);
	assert_int_equal(symlink(target, here), 0);
}

static void put_back(const char *name)
{
	char away[4200];

	snprintf(away, sizeof(away), "%s/away", temp_dir);
	unlink(in(name));
	assert_int_equal(rename(away, in(name)), 0);
}

static void test_names(void **state)
{
	struct reopened *noted;
	pid_t pid;

	(void)state;
	need_root();
	pid = start(nothing);
	noted = note(pid);
	expect(noted, NULL);
	exchange("d", "e");
	expect(noted, "d/data is not what it was");
	put_back("d");
	expect(noted, NULL);
	/* Not even to the very same file. */
	exchange("d/data", "away");
	expect(noted, "d/data is not what it was");
	put_back("d/data");
	exchange("d/mapped", "e/mapped");
	expect(noted, "d/mapped is not what it was");
	put_back("d/mapped");
	exchange("s", "e");
	expect(noted, "/s is not what it was");
	put_back("s");
	/* Nothing may be opened that would block. */
	assert_int_equal(unlink(in("d/data")), 0);
	assert_int_equal(mkfifo(in("d/data"), 0644), 0);
	expect(noted, "of another kind");
	/* Another file of that name, as long and of the same owner and mode. */
	assert_int_equal(unlink(in("d/data")), 0);
	write_text("e/new", "data");
	write_text("d/data", "data");
	expect(noted, "another file of that name");
	/* What is not there is CRIU's matter. */
	assert_int_equal(unlink(in("d/data")), 0);
	expect(noted, NULL);
	end(pid, noted);
}

static void test_identities(void **state)
{
	const struct identity on_disk = {
		.mode = S_IFREG | 0640, .uid = 1, .gid = 2, .ino = 3, .fs = 0xef53, .fsid = 4,
		.linked = true, .path = (char *)"/a b\nc",
	};
	struct identity id = on_disk;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(identity_put(out, &on_disk), 0);
	fclose(out);
	assert_null(strchr(text, '\n'));
	assert_int_equal(identity_parse(text, &id), 0);
	assert_null(identity_differs(&on_disk, &id));
	free(id.path);
	free(text);

	id = on_disk;
	id.uid = 0;
	assert_non_null(identity_differs(&on_disk, &id));
	id = on_disk;
	id.mode |= S_ISUID;
	assert_non_null(identity_differs(&on_disk, &id));
	id = on_disk;
	id.ino++;
	assert_non_null(identity_differs(&on_disk, &id));
	id = on_disk;
	id.fsid++;
	assert_non_null(identity_differs(&on_disk, &id));
	/* In memory a file is made again: by its name and owner. */
	id = on_disk;
	id.fs = 0x01021994;
	assert_non_null(identity_differs(&on_disk, &id));
	{
		struct identity was = id;

		id.ino++;
		id.fsid++;
		assert_null(identity_differs(&was, &id));
		id.uid = 0;
		assert_non_null(identity_differs(&was, &id));
	}
	/* One that was removed comes back under another name; of those with others it is known. */
	{
		struct identity was = on_disk;

		was.gone = true;
		id = on_disk;
		id.path = (char *)"/a.cr.1.ghost (deleted)";
		assert_null(identity_differs(&was, &id));
		id.ino++;
		assert_non_null(identity_differs(&was, &id));
		was.linked = false;
		assert_null(identity_differs(&was, &id));
	}
	assert_int_equal(identity_parse((char[]){ "1 2 3" }, &id), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_processes, make_files),
		cmocka_unit_test_setup(test_names, make_files),
		cmocka_unit_test(test_identities),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
