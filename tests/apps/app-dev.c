// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives lib/apps by hand, without the rest of an update:
 *   app-dev check UNIT|PID           the reasons against carrying it
 *   app-dev save UNIT|PID DIR        app_save()
 *   app-dev dump UNIT|PID DIR        app_dump() and app_save_files(); the memory
 *                                    that is left to us goes to DIR/NAME/mem-PID
 *   app-dev continue UNIT|PID        app_continue()
 *   app-dev restore DIR/NAME PLACEHOLDER   app_restore() with that memory
 *   app-dev forget -                 apps_forget_units()
 *   app-dev fresh UNIT               apps_start_fresh()
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "lib/apps/app.h"
#include "lib/apps/restore.h"
#include "lib/apps/units.h"
#include "lib/base/cleanup.h"
#include "lib/record/keeper.h"

static int find(const char *what, struct app *app, struct error *err)
{
	return isdigit((unsigned char)what[0]) ? app_find_program(atoi(what), app, err) :
						 app_find_service(what, app, err);
}

/* A file of ranges, each followed by its pages. */
static int save_memory(const char *dir, const struct app_memory *m)
{
	char path[4096], page[NVWA_PAGE_SIZE];
	_cleanup_close_ int mem = -1;
	_cleanup_fclose_ FILE *out = NULL;

	snprintf(path, sizeof(path), "/proc/%d/mem", m->pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/mem-%d", dir, m->pid);
	out = fopen(path, "we");
	if (mem < 0 || !out)
		return -errno;
	for (size_t i = 0; i < m->nr_ranges; i++) {
		const struct nvwa_range *range = &m->ranges[i];

		fwrite(range, sizeof(*range), 1, out);
		for (unsigned long long at = 0; at < range->len; at += sizeof(page)) {
			if (pread(mem, page, sizeof(page), range->start + at) != sizeof(page))
				return -EIO;
			fwrite(page, sizeof(page), 1, out);
		}
	}

	return ferror(out) ? -EIO : 0;
}

static int insert_memory(void *ctx, pid_t pid, struct app_restored *done, struct error *err)
{
	char path[4096], page[NVWA_PAGE_SIZE];
	_cleanup_close_ int mem = -1;
	_cleanup_fclose_ FILE *in = NULL;
	struct nvwa_range range;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/mem-%d", (const char *)ctx, pid);
	in = fopen(path, "re");
	if (mem < 0 || !in)
		return error_set(err, errno, "cannot open the memory of %d", pid);
	while (fread(&range, sizeof(range), 1, in) == 1) {
		for (unsigned long long at = 0; at < range.len; at += sizeof(page)) {
			if (fread(page, sizeof(page), 1, in) != 1 ||
			    pwrite(mem, page, sizeof(page), range.start + at) != sizeof(page))
				return error_set(err, EIO, "cannot fill in %#llx",
						 (unsigned long long)(range.start + at));
			done->nr_copied++;
		}
	}

	return 0;
}

/* Shared memory, as a file with the same holes. */
static int save_shared(const char *dir, const struct shmem *s)
{
	_cleanup_close_ int in = shmem_open(s), out = -1;
	char path[4096], page[NVWA_PAGE_SIZE];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/shm-%llx", dir, (unsigned long long)s->id);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		return -EIO;
	for (off_t at = 0; (at = lseek(in, at, SEEK_DATA)) >= 0; at += n) {
		n = pread(in, page, sizeof(page), at);
		if (n <= 0 || pwrite(out, page, n, at) != n)
			return -EIO;
	}

	return 0;
}

static int insert_shared(void *ctx, pid_t pid, int fd, uint64_t id, struct app_restored *done,
			 struct error *err)
{
	char path[4096], page[NVWA_PAGE_SIZE];
	_cleanup_close_ int in = -1, to = -1;
	ssize_t n;

	(void)pid;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	to = open(path, O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/shm-%llx", (const char *)ctx, (unsigned long long)id);
	in = open(path, O_RDONLY | O_CLOEXEC);
	if (in < 0 || to < 0)
		return error_set(err, errno, "cannot open shared memory %llx",
				 (unsigned long long)id);
	for (off_t at = 0; (at = lseek(in, at, SEEK_DATA)) >= 0; at += n) {
		n = pread(in, page, sizeof(page), at);
		if (n <= 0 || pwrite(to, page, n, at) != n)
			return error_set(err, EIO, "cannot fill in shared memory at %#llx",
					 (unsigned long long)at);
		done->nr_copied++;
	}

	return 0;
}

static const struct app_insert insert_saved = { insert_memory, insert_shared };

static int dump(struct app *app, const char *dir, struct error *err)
{
	_cleanup_close_ int keeper = keeper_open(err);
	struct app_memory *memory;
	size_t nr;
	int r;

	if (keeper < 0)
		return keeper;
	r = app_save(app, dir, err);
	if (!r)
		r = app_dump(app, dir, keeper, &memory, &nr, err);
	if (r < 0)
		return r;
	for (size_t i = 0; !r && i < nr; i++) {
		unsigned long long bytes = 0;

		for (size_t k = 0; k < memory[i].nr_ranges; k++)
			bytes += memory[i].ranges[k].len;
		printf("%d: %zu ranges, %llu pages\n", memory[i].pid, memory[i].nr_ranges,
		       bytes / NVWA_PAGE_SIZE);
		r = save_memory(app->dir, &memory[i]);
	}
	for (size_t i = 0; !r && i < app->nr_shmem; i++)
		r = save_shared(app->dir, &app->shmem[i]);
	app_memory_free(memory, nr);

	return r < 0 ? r : app_save_files(app, dir, err);
}

static void print_reason(void *ctx, const struct app *app, bool fatal, const char *text)
{
	(void)ctx;
	printf("%s: %s: %s\n", app->name, fatal ? "fatal" : "note", text);
}

static int on_app(char **argv, struct error *err)
{
	struct app app = { 0 };
	struct utsname uts;
	int r;

	uname(&uts);
	r = find(argv[2], &app, err);
	if (r < 0)
		return r;
	if (!strcmp(argv[1], "dump") && argv[3])
		r = dump(&app, argv[3], err);
	else if (!strcmp(argv[1], "save") && argv[3])
		r = app_save(&app, argv[3], err);
	else if (!strcmp(argv[1], "continue"))
		r = app_continue(&app);
	else if (!strcmp(argv[1], "check"))
		r = app_check(&app, uts.release, print_reason, NULL) ? -ENOTSUP : 0;
	else
		r = -EINVAL;
	app_free(&app);

	return r;
}

int main(int argc, char **argv)
{
	struct app_restored done = { 0 };
	struct error err = { "" };
	int r;

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "restore") && argc == 4) {
		r = app_restore_with(argv[2], atoi(argv[3]), NULL, &insert_saved, argv[2],
				     &done, &err);
		printf("%d: %llu inserted, %llu copied\n", done.pid, done.nr_inserted,
		       done.nr_copied);
	} else if (!strcmp(argv[1], "forget")) {
		r = apps_forget_units(&err);
	} else if (!strcmp(argv[1], "fresh")) {
		r = apps_start_fresh(argv[2], &err);
	} else {
		r = on_app(argv, &err);
	}
	if (r < 0)
		fprintf(stderr, "%s: %s\n", strerror(-r), err.text);

	return r < 0;
}
