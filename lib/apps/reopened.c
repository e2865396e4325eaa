// SPDX-License-Identifier: GPL-2.0-only
/* Files that CRIU opens again by name are the same as before. */
#include "lib/apps/reopened.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/apps/identity.h"
#include "lib/apps/mountinfo.h"
#include "lib/apps/proc.h"
#include "lib/apps/unixsock.h"
#include "lib/base/beneath.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/*
 * In an app's directory, a line each:
 *   file IDENTITY	a file; the first has the number 0
 *   use PID WHAT NUMBER FILE	which process has it, and as what, see below
 *   socket FILE NAME	the directory of a socket, and what the socket's name calls it
 */
#define REOPENED_FILE	"files"

enum what {
	AS_FD = 'f',		/* NUMBER: the descriptor */
	AS_MAPPING = 'm',	/* NUMBER: where it starts */
	AS_CWD = 'c', AS_ROOT = 'r', AS_EXE = 'x',
};

struct use {
	pid_t pid;
	char what;
	uint64_t number;
	size_t file;
};

struct socket_dir {
	size_t file;
	char *name;
};

/* To find a file that was seen before; the device as /proc/PID/maps or stat(2) tells it. */
struct key {
	dev_t dev;
	unsigned long long ino;
	char *path;
	size_t file;
};

struct reopened {
	struct identity *files;
	size_t nr_files;
	struct use *uses;	/* of a process together, and of those mappings in order */
	size_t nr_uses;
	struct socket_dir *sockets;
	size_t nr_sockets;
	void *keys;		/* tsearch(3) */
};

/* Room grows in powers of two. */
#define grow(list, nr) ({						\
	__typeof__(list) bigger_ = (list);				\
	if (!((nr) & ((nr) - 1)))					\
		bigger_ = reallocarray(list, (nr) ? (nr) * 2 : 1, sizeof(*(list)));	\
	if (bigger_)							\
		(list) = bigger_;					\
	bigger_ ? 0 : -ENOMEM;						\
})

static void free_key(void *p)
{
	struct key *key = p;

	free(key->path);
	free(key);
}

void reopened_free(struct reopened *r)
{
	if (!r)
		return;
	tdestroy(r->keys, free_key);
	for (size_t i = 0; i < r->nr_files; i++)
		free(r->files[i].path);
	for (size_t i = 0; i < r->nr_sockets; i++)
		free(r->sockets[i].name);
	free(r->files);
	free(r->uses);
	free(r->sockets);
	free(r);
}

/* --- files ---------------------------------------------------------------------- */

/* Whoever calls it owns the path no more. */
static int add_file(struct reopened *r, struct identity *id, size_t *file)
{
	if (grow(r->files, r->nr_files)) {
		free(id->path);
		return -ENOMEM;
	}
	*file = r->nr_files;
	r->files[r->nr_files++] = *id;

	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;

	return strcmp(x->path, y->path);
}

/* The file behind a link of /proc; only what was not seen before is looked at. */
static int find_file(struct reopened *r, dev_t dev, unsigned long long ino, const char *path,
		     const char *link, size_t *file)
{
	const struct key wanted = { .dev = dev, .ino = ino, .path = (char *)path };
	struct key **found = tfind(&wanted, &r->keys, compare_keys), *key;
	struct identity id;
	int err;

	if (found) {
		*file = (*found)->file;
		return 0;
	}
	err = identity_take(link, &id);
	if (err < 0)
		return err;
	err = add_file(r, &id, file);
	key = err < 0 ? NULL : malloc(sizeof(*key));
	if (!key)
		return -ENOMEM;
	*key = (struct key){ .dev = dev, .ino = ino, .path = strdup(path), .file = *file };
	if (!key->path || !tsearch(key, &r->keys, compare_keys)) {
		free_key(key);
		return -ENOMEM;
	}

	return 0;
}

static int add_use(struct reopened *r, pid_t pid, enum what what, uint64_t number, size_t file)
{
	if (grow(r->uses, r->nr_uses))
		return -ENOMEM;
	r->uses[r->nr_uses++] = (struct use){ pid, what, number, file };

	return 0;
}

/* The link of /proc that leads to what a process has. A mapping's is of its bounds. */
static void link_of(pid_t pid, enum what what, uint64_t number, uint64_t end, char *path,
		    size_t size)
{
	switch (what) {
	case AS_FD:
		snprintf(path, size, "/proc/%d/fd/%" PRIu64, pid, number);
		break;
	case AS_MAPPING:
		snprintf(path, size, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, number, end);
		break;
	default:
		snprintf(path, size, "/proc/%d/%s", pid, what == AS_CWD ? "cwd" :
			 what == AS_ROOT ? "root" : "exe");
	}
}

/* A descriptor, or a directory. */
static int find_opened(struct reopened *r, pid_t pid, enum what what, uint64_t number,
		       size_t *file)
{
	char link[96], path[4200];
	struct stat st;
	int err;

	link_of(pid, what, number, 0, link, sizeof(link));
	err = proc_readlink(link, path, sizeof(path));
	if (err < 0)
		return err;
	if (identity_is_memory(path))
		return -ENODATA;
	if (stat(link, &st))
		return -errno;

	return find_file(r, st.st_dev, st.st_ino, path, link, file);
}

struct mapping {
	uint64_t start, end;
	dev_t dev;
	unsigned long long ino;
	const char *path;	/* as it is there */
};

/* The next mapping of a file in the text of /proc/PID/maps, which is cut up. */
static bool next_mapping(char **text, struct mapping *m)
{
	char *line;

	while ((line = strsep(text, "\n"))) {
		unsigned int major, minor;
		int name = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %x:%x %llu %n", &m->start,
			   &m->end, &major, &minor, &m->ino, &name) != 5 || !name ||
		    identity_is_memory(line + name))
			continue;
		m->dev = makedev(major, minor);
		m->path = line + name;
		return true;
	}

	return false;
}

static int find_mapped(struct reopened *r, pid_t pid, const struct mapping *m, size_t *file)
{
	char link[96];

	link_of(pid, AS_MAPPING, m->start, m->end, link, sizeof(link));

	return find_file(r, m->dev, m->ino, m->path, link, file);
}

static int read_maps(pid_t pid, char **text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);

	return file_read(path, text, NULL);
}

/* --- the old kernel --------------------------------------------------------------- */

static int note_mappings(struct reopened *r, pid_t pid)
{
	_cleanup_free_ char *maps = NULL;
	char *rest;
	struct mapping m;
	int err = read_maps(pid, &maps);

	rest = maps;
	while (!err && next_mapping(&rest, &m)) {
		size_t file;

		err = find_mapped(r, pid, &m, &file);
		if (!err)
			err = add_use(r, pid, AS_MAPPING, m.start, file);
		else if (err == -ENODATA)
			err = 0;
	}

	return err;
}

/* Walk a name as CRIU will, which follows links but stays in that root directory. */
static int open_dir(int root, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = syscall(SYS_openat2, root, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int take_descriptor(int fd, struct identity *id)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);

	return identity_take(link, id);
}

/*
 * The directory of a socket that has a name; a relative one begins in the working directory, and
 * that of a process that has changed its root directory leads elsewhere for others.
 */
static int note_socket(struct reopened *r, pid_t pid, const char *name)
{
	_cleanup_free_ char *dir = strdup(name);
	const bool whole = *name == '/' && !proc_is_chrooted(pid);
	_cleanup_close_ int from = -1, fd = -1;
	char *slash = dir ? strrchr(dir, '/') : NULL, path[64];
	struct identity id;
	size_t file;
	int err;

	if (!dir || grow(r->sockets, r->nr_sockets))
		return -ENOMEM;
	if (slash)
		slash[1] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, *name == '/' ? "root" : "cwd");
	from = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (from >= 0 && *name == '/')
		fd = open_dir(from, dir);
	else if (from >= 0)
		fd = openat(from, slash ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* It was removed since. */
	if (fd < 0)
		return 0;
	err = take_descriptor(fd, &id);
	if (!err)
		err = add_file(r, &id, &file);
	if (err < 0)
		return err;
	r->sockets[r->nr_sockets].file = file;
	r->sockets[r->nr_sockets].name = strdup(whole ? dir : id.path);

	return r->sockets[r->nr_sockets].name ? r->nr_sockets++, 0 : -ENOMEM;
}

/* The name of a unix socket of the file system that a descriptor is; NULL: it is none. */
static const char *socket_name(const struct unix_sockets *all, const char *target)
{
	const struct unix_socket *s;
	unsigned int ino;

	s = sscanf(target, "socket:[%u]", &ino) == 1 ? unix_socket_find(all, ino) : NULL;

	return s && *s->name && *s->name != '@' ? s->name : NULL;
}

static int note_opened(struct reopened *r, const struct unix_sockets *sockets, pid_t pid,
		       enum what what, uint64_t number)
{
	char link[96], target[4200];
	const char *name;
	size_t file;
	int err;

	err = find_opened(r, pid, what, number, &file);
	if (!err)
		return add_use(r, pid, what, number, file);
	if (err != -ENODATA)
		return err;
	link_of(pid, what, number, 0, link, sizeof(link));
	err = proc_readlink(link, target, sizeof(target));
	name = err < 0 ? NULL : socket_name(sockets, target);

	return name ? note_socket(r, pid, name) : err;
}

static int note_process(struct reopened *r, const struct unix_sockets *sockets, pid_t pid)
{
	static const enum what dirs[] = { AS_CWD, AS_ROOT, AS_EXE };
	_cleanup_free_ int *fds = NULL;
	char path[64];
	size_t nr = 0;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	err = proc_numbers(path, &fds, &nr);
	for (size_t i = 0; !err && i < nr; i++)
		err = note_opened(r, sockets, pid, AS_FD, fds[i]);
	for (size_t i = 0; !err && i < sizeof(dirs) / sizeof(dirs[0]); i++)
		err = note_opened(r, sockets, pid, dirs[i], 0);

	return err < 0 ? err : note_mappings(r, pid);
}

/* What of them is not there as it is now, or is there for another reason than the others. */
static void mark_files(struct reopened *r, const struct app_meta *meta,
		       const struct externals *externals)
{
	for (size_t i = 0; i < r->nr_files; i++) {
		struct identity *id = &r->files[i];

		for (size_t j = 0; j < meta->nr_trees; j++)
			id->copied |= path_is_below(id->path, meta->trees[j].path);
		for (size_t j = 0; j < externals->nr; j++)
			id->outside |= externals->list[j].kind == EXTERNAL_FILE &&
				       externals->list[j].ino == id->ino &&
				       !strcmp(externals->list[j].path, id->path);
	}
}

static int write_noted(const struct reopened *r, const char *dir)
{
	_cleanup_free_ char *text = NULL;
	FILE *out;
	char path[4200];
	size_t len;
	int err = 0;

	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; !err && i < r->nr_files; i++) {
		fputs("file ", out);
		err = identity_put(out, &r->files[i]);
		fputc('\n', out);
	}
	for (size_t i = 0; i < r->nr_uses; i++)
		fprintf(out, "use %d %c %" PRIx64 " %zu\n", r->uses[i].pid, r->uses[i].what,
			r->uses[i].number, r->uses[i].file);
	for (size_t i = 0; !err && i < r->nr_sockets; i++) {
		_cleanup_free_ char *name = mountinfo_escape(r->sockets[i].name);

		err = name ? 0 : -ENOMEM;
		fprintf(out, "socket %zu %s\n", r->sockets[i].file, name ?: "");
	}
	if (fclose(out) && !err)
		err = -ENOMEM;
	if (!err)
		err = path_format(path, sizeof(path), "%s/" REOPENED_FILE, dir);

	return err < 0 ? err : file_write(path, text, len, 0600);
}

int reopened_note(const struct app *app, const struct app_meta *meta,
		  const struct externals *externals, const char *dir, struct error *err)
{
	struct reopened *noted = calloc(1, sizeof(*noted));
	struct unix_sockets sockets = { 0 };
	int r = noted ? unix_sockets_read(&sockets) : -ENOMEM;

	for (size_t i = 0; !r && i < app->nr_pids; i++) {
		r = note_process(noted, &sockets, app->pids[i]);
		/* A zombie has nothing. */
		if (r == -ENOENT || r == -ESRCH)
			r = 0;
	}
	if (!r) {
		mark_files(noted, meta, externals);
		r = write_noted(noted, dir);
	}
	unix_sockets_free(&sockets);
	reopened_free(noted);

	return r < 0 ? error_set(err, -r, "cannot note which files %s has open: %s", app->name,
				 strerror(-r)) : 0;
}

/* --- the new kernel ------------------------------------------------------------------ */

static int take_use(struct reopened *r, const char *line)
{
	struct use use;

	if (sscanf(line, "%d %c %" SCNx64 " %zu", &use.pid, &use.what, &use.number,
		   &use.file) != 4 || use.file >= r->nr_files)
		return -EBADMSG;

	return add_use(r, use.pid, use.what, use.number, use.file);
}

static int take_socket(struct reopened *r, char *line)
{
	struct socket_dir s;
	int at = 0;

	if (sscanf(line, "%zu %n", &s.file, &at) != 1 || !at || s.file >= r->nr_files ||
	    grow(r->sockets, r->nr_sockets))
		return -EBADMSG;
	mountinfo_unescape(line + at);
	s.name = strdup(line + at);
	if (!s.name)
		return -ENOMEM;
	r->sockets[r->nr_sockets++] = s;

	return 0;
}

static int take_line(struct reopened *r, char *line)
{
	char *rest = line;
	const char *verb = strsep(&rest, " ");
	struct identity id;
	size_t file;
	int err;

	if (!rest)
		return *line ? -EBADMSG : 0;
	if (!strcmp(verb, "use"))
		return take_use(r, rest);
	if (!strcmp(verb, "socket"))
		return take_socket(r, rest);
	if (strcmp(verb, "file"))
		return -EBADMSG;
	err = identity_parse(rest, &id);

	return err < 0 ? err : add_file(r, &id, &file);
}

int reopened_read(const char *dir, struct reopened **noted, struct error *err)
{
	struct reopened *read = calloc(1, sizeof(*read));
	_cleanup_free_ char *text = NULL;
	char path[4200], *rest, *line;
	int r = read ? 0 : -ENOMEM;

	if (!r)
		r = path_format(path, sizeof(path), "%s/" REOPENED_FILE, dir);
	if (!r)
		r = file_read(path, &text, NULL);
	rest = text;
	while (!r && (line = strsep(&rest, "\n")))
		r = take_line(read, line);
	if (r < 0) {
		reopened_free(read);
		return error_set(err, -r, "cannot read which files were open: %s", strerror(-r));
	}
	*noted = read;

	return 0;
}

#define EXCHANGED	"Somebody has exchanged what is there while its programs did not run"

/* What an open descriptor leads to is what it was; the descriptor is consumed. */
static int compare_opened(int fd, const struct identity *was, const char *name, struct error *err)
{
	_cleanup_close_ int at = fd;
	const char *differs;
	struct identity is;
	int r;

	/* CRIU knows best what it needs. */
	if (at == -ENOENT || at == -ENOTDIR)
		return 0;
	if (at == -ELOOP || at == -EXDEV)
		return error_set(err, ESTALE, "%s is reached by a link that was not there. "
				 EXCHANGED, name);
	r = at < 0 ? at : take_descriptor(at, &is);
	if (r < 0)
		return error_set(err, -r, "cannot see %s: %s", name, strerror(-r));
	differs = identity_differs(was, &is);
	r = differs ? error_set(err, ESTALE, "%s is not what it was: %s. " EXCHANGED, name,
				differs) : 0;
	free(is.path);

	return r;
}

/* CRIU makes a file again where it was removed: the directory must be no other. */
static int check_dir_of(int root, const char *path, struct error *err)
{
	_cleanup_close_ int fd = -1;
	char name[NAME_MAX + 1];

	fd = beneath_parent(root, path, name);

	return fd != -ELOOP && fd != -EXDEV ? 0 :
		error_set(err, ESTALE, "%s is reached by a link that was not there. " EXCHANGED,
			  path);
}

int reopened_check_names(const struct reopened *noted, pid_t inside, struct error *err)
{
	_cleanup_close_ int ours = beneath_root(0), theirs = beneath_root(inside);
	int r = 0;

	if (ours < 0 || theirs < 0)
		return error_set(err, ESRCH, "cannot see the root directory of process %d", inside);
	for (size_t i = 0; !r && i < noted->nr_files; i++) {
		const struct identity *was = &noted->files[i];
		int root = was->outside ? ours : theirs;

		if (was->gone)
			r = check_dir_of(root, was->path, err);
		else if (identity_has_owner(was))
			r = compare_opened(beneath_open(root, was->path), was, was->path, err);
	}
	for (size_t i = 0; !r && i < noted->nr_sockets; i++)
		r = compare_opened(open_dir(theirs, noted->sockets[i].name),
				   &noted->files[noted->sockets[i].file], noted->sockets[i].name,
				   err);

	return r;
}

static void name_use(const struct use *use, char *text, size_t size)
{
	switch (use->what) {
	case AS_FD:
		snprintf(text, size, "descriptor %" PRIu64, use->number);
		break;
	case AS_MAPPING:
		snprintf(text, size, "the file that is mapped at %#" PRIx64, use->number);
		break;
	default:
		snprintf(text, size, "its %s", use->what == AS_CWD ? "working directory" :
			 use->what == AS_ROOT ? "root directory" : "program");
	}
}

/* r: of finding the file, in now, that a process has there. */
static int compare_use(const struct reopened *noted, const struct use *use, int r,
		       const struct reopened *now, size_t file, struct error *err)
{
	const struct identity *was = &noted->files[use->file];
	const char *differs = r < 0 ? "it is not there" : identity_differs(was, &now->files[file]);
	char text[64];

	if (!differs)
		return 0;
	name_use(use, text, sizeof(text));

	return error_set(err, ESTALE, "%s of process %d, %s, is not what it was: %s (%s). "
			 EXCHANGED, text, use->pid, was->path, differs,
			 r < 0 ? strerror(-r) : now->files[file].path);
}

/* The mappings of one process, from the use i on, which is moved behind them. */
static int check_mappings(const struct reopened *noted, size_t *i, struct reopened *now,
			  struct error *err)
{
	const pid_t pid = noted->uses[*i].pid;
	_cleanup_free_ char *maps = NULL;
	struct mapping m = { 0 };
	int r = read_maps(pid, &maps);
	char *rest = maps;
	size_t file = 0;

	for (; *i < noted->nr_uses; ++*i) {
		const struct use *use = &noted->uses[*i];

		if (use->pid != pid || use->what != AS_MAPPING)
			break;
		/* The areas of a process that was rebuilt need not be divided as they were. */
		while (!r && m.end <= use->number)
			r = next_mapping(&rest, &m) ? 0 : -ENOENT;
		if (!r && m.start > use->number)
			r = -ENOENT;
		if (!r)
			r = find_mapped(now, pid, &m, &file);
		r = compare_use(noted, use, r, now, file, err);
		if (r < 0)
			return r;
	}

	return 0;
}

int reopened_check(const struct reopened *noted, struct error *err)
{
	struct reopened *now = calloc(1, sizeof(*now));
	int r = now ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < noted->nr_uses;) {
		const struct use *use = &noted->uses[i];
		size_t file = 0;
		int found;

		if (use->what == AS_MAPPING) {
			r = check_mappings(noted, &i, now, err);
			continue;
		}
		found = find_opened(now, use->pid, use->what, use->number, &file);
		r = compare_use(noted, use, found, now, file, err);
		i++;
	}
	reopened_free(now);

	return r;
}
