// SPDX-License-Identifier: GPL-2.0-only
/* In the new kernel: the sandbox of a service, built by its plan. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/apps/mountinfo.h"
#include "lib/apps/proc.h"
#include "lib/apps/sandbox.h"
#include "lib/base/beneath.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "uapi/record.h"

/* Where the new root is put together. */
#define NEW_ROOT	NVWA_STATE_DIR "/root"

#define MAX_MOUNTS	512
#define MAX_WORDS	7

struct built {
	int fd;			/* of the mount */
	const char *options, *spread;
	char *dir;
	bool closed;		/* what the machine mounts below it later stays outside */
};

struct build {
	const char *unit;
	struct mountinfos host;
	struct built *list;
	size_t nr;
	struct error *err;
};

static bool has_word(const char *list, const char *word)
{
	const char *at = strstr(list, word);

	return at && strchr(",", at[strlen(word)]) && (at == list || at[-1] == ',');
}

/* --- files ------------------------------------------------------------------- */

/* node MODE UID GID RDEV PATH TARGET, below a root directory */
static int make_node(char *const *words, int root)
{
	struct beneath_node node = {
		.mode = strtoul(words[1], NULL, 8),
		.uid = strtoul(words[2], NULL, 10),
		.gid = strtoul(words[3], NULL, 10),
		.rdev = strtoull(words[4], NULL, 10),
		.target = words[6],
	};
	_cleanup_close_ int dir = -1;
	char name[NAME_MAX + 1];
	int r;

	dir = root < 0 ? root : beneath_parent(root, words[5], name);
	if (dir < 0)
		return dir;
	r = beneath_make(dir, name, &node);

	/* Who made it before us knew why it is as it is. */
	return r == -EEXIST ? 0 : r;
}

/* --- mounts ------------------------------------------------------------------ */

/* What is at a path below a root directory, which the call closes. */
static int clone_mount(int root, const char *path)
{
	_cleanup_close_ int dir = root, at = root < 0 ? root : beneath_open(root, path);
	int fd;

	if (at < 0)
		return at;
	fd = syscall(SYS_open_tree, at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
		     AT_NO_AUTOMOUNT);

	return fd < 0 ? -errno : fd;
}

/* The root of the sandbox, as far as it is built: what is mounted on it covers it. */
static int open_new_root(void)
{
	int fd = open(NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A file system of its own, with the options that it has to be told. */
static int new_mount(const char *type, const char *data)
{
	_cleanup_close_ int fs = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	_cleanup_free_ char *copy = strdup(data);
	char *rest = copy, *option;
	int fd;

	if (fs < 0 || !copy)
		return -errno;
	while ((option = strsep(&rest, ","))) {
		char *value = strchr(option, '=');

		/* How the kernel shows that it may be written, and what is not to be told. */
		if (!strcmp(option, "rw") || !strcmp(option, "ro") || !strcmp(option, "seclabel"))
			continue;
		if (value)
			*value++ = '\0';
		if (syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			    option, value, 0))
			return -errno;
	}
	/* For those who read mountinfo: what is mounted is called as its type. */
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", type, 0) ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* words are those of a step that mounts: its second and third are options and spread. */
static int attach(struct build *b, int fd, char *const *words, char *dir)
{
	_cleanup_close_ int root = -1, at = -1;

	if (b->nr == MAX_MOUNTS) {
		close(fd);
		return -E2BIG;
	}
	b->list[b->nr++] = (struct built){ .fd = fd, .options = words[1], .spread = words[2],
					   .dir = dir };
	root = open_new_root();
	at = root < 0 ? root : beneath_open(root, dir);
	if (at < 0)
		return at;

	return syscall(SYS_move_mount, fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH |
		       MOVE_MOUNT_T_EMPTY_PATH) ? -errno : 0;
}

static struct built *built_at(struct build *b, const char *dir)
{
	struct built *found = NULL;

	for (size_t i = 0; i < b->nr; i++) {
		if (path_is_below(dir, b->list[i].dir) &&
		    (!found || strlen(b->list[i].dir) >= strlen(found->dir)))
			found = &b->list[i];
	}

	return found;
}

/* Is at this place what was there in the old kernel? */
static bool is_there(const struct build *b, const char *type, const char *path)
{
	const struct mountinfo *m = mountinfo_of_path(&b->host, path);
	struct stat st;

	return m && !strcmp(m->type, type) && !lstat(path, &st);
}

/* File systems of the kernel's that systemd mounts later, some of them when they are used. */
static bool comes_later(const char *path)
{
	static const char *const dirs[] = { "/proc", "/sys", "/dev", "/run" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (path_is_below(path, dirs[i]) && strcmp(path, dirs[i]))
			return true;
	}

	return false;
}

/* bind OPTIONS SPREAD TYPE SOURCE DIR */
static int bind_mount(struct build *b, char **words)
{
	struct built *parent;
	int fd;

	if (is_there(b, words[3], words[4])) {
		fd = clone_mount(beneath_root(0), words[4]);
		return fd < 0 ? fd : attach(b, fd, words, words[5]);
	}
	/* What hides something, or is at another place, has to be there. */
	if (!comes_later(words[4]) || strcmp(words[4], words[5]))
		return -ENOENT;
	/* It comes of itself, as on the machine; but not with more rights than it had here. */
	parent = built_at(b, words[5]);
	if (parent && has_word(words[1], "ro"))
		parent->closed = true;

	return 0;
}

/* again OPTIONS SPREAD SOURCE DIR */
static int bind_again(struct build *b, char **words)
{
	int fd = clone_mount(open_new_root(), words[3]);

	/* A file of /proc that this kernel has not: there is nothing to protect. */
	if (fd == -ENOENT && !strcmp(words[3], words[4]))
		return 0;

	return fd < 0 ? fd : attach(b, fd, words, words[4]);
}

static int tmp_name(const char *unit, const char *base, const char *name, char *path, size_t size)
{
	char id[40];
	int r = proc_boot_id(id, sizeof(id));

	return r < 0 ? r : path_format(path, size, "%s/systemd-private-%s-%s-%s", base, id, unit,
				       name);
}

/* Everybody can make directories in /tmp: one that is there already must be root's own. */
static int make_private(const char *path, mode_t mode)
{
	struct stat st;

	if (!mkdir(path, mode))
		return chmod(path, mode) ? -errno : 0;
	if (errno != EEXIST || lstat(path, &st))
		return -errno;

	return S_ISDIR(st.st_mode) && !st.st_uid && (st.st_mode & 07777) == mode ? 0 : -EPERM;
}

/* tmp OPTIONS SPREAD BASE NAME DIR; the modes are those that systemd gives it. */
static int bind_tmp(struct build *b, char **words)
{
	char path[512], inner[520];
	int fd, r;

	r = tmp_name(b->unit, words[3], words[4], path, sizeof(path));
	if (!r)
		r = path_format(inner, sizeof(inner), "%s/tmp", path);
	if (!r)
		r = make_private(path, 0700);
	if (!r)
		r = make_private(inner, 01777);
	if (r < 0)
		return r;
	fd = clone_mount(beneath_root(0), inner);

	return fd < 0 ? fd : attach(b, fd, words, words[5]);
}

/* new OPTIONS SPREAD TYPE DATA DIR */
static int mount_new(struct build *b, char **words)
{
	int fd = new_mount(words[3], words[4]);

	return fd < 0 ? fd : attach(b, fd, words, words[5]);
}

static int set_attributes(const struct built *m, struct mount_attr *attr)
{
	return syscall(SYS_mount_setattr, m->fd, "", AT_EMPTY_PATH, attr, sizeof(*attr)) ?
		-errno : 0;
}

/* When nothing is to be made in them any more. */
static int finish_mount(const struct built *m)
{
	static const struct {
		const char *option;
		uint64_t attr;
	} known[] = {
		{ "ro", MOUNT_ATTR_RDONLY }, { "nosuid", MOUNT_ATTR_NOSUID },
		{ "nodev", MOUNT_ATTR_NODEV }, { "noexec", MOUNT_ATTR_NOEXEC },
		{ "nodiratime", MOUNT_ATTR_NODIRATIME }, { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
	};
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR__ATIME };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (has_word(m->options, known[i].option))
			attr.attr_set |= known[i].attr;
		else
			attr.attr_clr |= known[i].attr;
	}
	attr.attr_set |= has_word(m->options, "noatime") ? MOUNT_ATTR_NOATIME :
		has_word(m->options, "relatime") ? MOUNT_ATTR_RELATIME : MOUNT_ATTR_STRICTATIME;
	if (m->closed || !has_word(m->spread, "slave"))
		attr.propagation = MS_PRIVATE;

	return set_attributes(m, &attr);
}

/* The root is not shared when it becomes one. */
static int share_mount(const struct built *m)
{
	struct mount_attr attr = { .propagation = MS_SHARED };

	return has_word(m->spread, "shared") ? set_attributes(m, &attr) : 0;
}

static int enter_root(void)
{
	/* With one directory for both, the old root ends up on top of the new one. */
	if (chdir(NEW_ROOT) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) ||
	    chdir("/"))
		return -errno;

	return 0;
}

/* --- the plan ------------------------------------------------------------------ */

static const struct step {
	const char *verb;
	size_t nr_words;
	int (*mount)(struct build *b, char **words);
} steps[] = {
	{ "bind", 6, bind_mount },
	{ "again", 5, bind_again },
	{ "tmp", 6, bind_tmp },
	{ "new", 6, mount_new },
	{ "node", 7, NULL },
	{ "fill", 7, NULL },
	{ "uts", 1, NULL },
};

/* The words of a line, in place; NULL if it is no step of a plan. */
static const struct step *parse_step(char *line, char **words)
{
	size_t nr = 0;
	char *word;

	while ((word = strsep(&line, " ")) && nr < MAX_WORDS) {
		mountinfo_unescape(word);
		words[nr++] = word;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!word && nr == steps[i].nr_words && !strcmp(words[0], steps[i].verb))
			return &steps[i];
	}

	return NULL;
}

typedef int (*step_fn)(void *ctx, const struct step *step, char **words);

/* *text is cut up, and what the words point to lives as long. */
static int for_each_step(char *text, step_fn fn, void *ctx)
{
	char *words[MAX_WORDS], *line;
	int r = 0;

	while (!r && (line = strsep(&text, "\n"))) {
		const struct step *step = *line ? parse_step(line, words) : NULL;

		if (*line)
			r = step ? fn(ctx, step, words) : -EBADMSG;
	}

	return r;
}

/* What is to be there before, outside of the sandbox; and, if ctx is not NULL, what it needs. */
static int prepare_step(void *ctx, const struct step *step, char **words)
{
	int *flags = ctx;

	if (!strcmp(step->verb, "node")) {
		_cleanup_close_ int root = beneath_root(0);

		return make_node(words, root);
	}
	if (flags)
		*flags |= strcmp(step->verb, "uts") ? CLONE_NEWNS : CLONE_NEWUTS;

	return 0;
}

int sandbox_make_nodes(const char *plan)
{
	_cleanup_free_ char *copy = strdup(plan);

	return copy ? for_each_step(copy, prepare_step, NULL) : -ENOMEM;
}

static int carry_out(void *ctx, const struct step *step, char **words)
{
	struct build *b = ctx;
	int r = 0;

	if (step->mount) {
		r = step->mount(b, words);
	} else if (!strcmp(step->verb, "fill")) {
		_cleanup_close_ int root = open_new_root();

		r = make_node(words, root);
	}

	return r < 0 ? error_set(b->err, -r, "%s %s: %s", step->verb,
				 step->nr_words > 1 ? words[step->nr_words - 1] : "",
				 strerror(-r)) : 0;
}

static int build_mounts(struct build *b, char *text)
{
	int r;

	r = mountinfo_read(getpid(), &b->host);
	if (!r && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		r = -errno;
	if (!r)
		r = dir_make_private(NEW_ROOT);
	if (!r)
		r = for_each_step(text, carry_out, b);
	for (size_t i = 0; !r && i < b->nr; i++) {
		r = finish_mount(&b->list[i]);
		if (r < 0)
			error_set(b->err, -r, "%s: %s", b->list[i].dir, strerror(-r));
	}

	if (!r)
		r = enter_root();
	for (size_t i = 0; !r && i < b->nr; i++)
		r = share_mount(&b->list[i]);

	return r;
}

int sandbox_build(const char *plan, const char *unit, struct error *err)
{
	_cleanup_free_ char *first = strdup(plan), *second = strdup(plan);
	struct error why = { "" };
	struct build b = { .unit = unit, .err = &why };
	int flags = 0, r;

	b.list = calloc(MAX_MOUNTS, sizeof(*b.list));
	if (!first || !second || !b.list) {
		free(b.list);
		return -ENOMEM;
	}
	/* Modes are as they are given. */
	umask(0);
	r = for_each_step(first, prepare_step, &flags);
	if (!r && flags && unshare(flags))
		r = -errno;
	if (!r && flags & CLONE_NEWNS)
		r = build_mounts(&b, second);
	for (size_t i = 0; i < b.nr; i++)
		close(b.list[i].fd);
	free(b.list);
	mountinfo_free(&b.host);

	return r < 0 ? error_set(err, -r, "the sandbox of %s cannot be built: %s", unit,
				 why.text[0] ? why.text : strerror(-r)) : 0;
}

struct namer {
	const char *unit;
	struct sandbox_tmp *names;
};

static int name_tmp(void *ctx, const struct step *step, char **words)
{
	struct namer *n = ctx;

	if (strcmp(step->verb, "tmp"))
		return 0;
	if (!strcmp(words[5], "/tmp"))
		return tmp_name(n->unit, words[3], words[4], n->names->tmp, sizeof(n->names->tmp));
	return tmp_name(n->unit, words[3], words[4], n->names->var_tmp,
			sizeof(n->names->var_tmp));
}

int sandbox_tmp_names(const char *plan, const char *unit, struct sandbox_tmp *names)
{
	_cleanup_free_ char *copy = strdup(plan);
	struct namer n = { unit, names };

	memset(names, 0, sizeof(*names));

	return copy ? for_each_step(copy, name_tmp, &n) : -ENOMEM;
}
