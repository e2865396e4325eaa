// SPDX-License-Identifier: GPL-2.0-only
/* The device filter of a service. */
#include "lib/apps/devfilter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* A file: one head, then each program's head and instructions; all of this machine's order. */
#define MAGIC		"nvwadev"
#define VERSION		1

struct file_head {
	char magic[sizeof(MAGIC)];	/* with its NUL */
	__u32 version;
	__u32 nr;			/* of programs, 1 to DEVFILTER_MAX */
};

struct program_head {
	char name[BPF_OBJ_NAME_LEN];	/* ends in a NUL */
	__u32 nr_insns;
	__u32 zero;
};

/* The verifier gives up with -EAGAIN while a signal is pending. */
#define LOAD_TRIES	5

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int r = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : r;
}

bool devfilter_carriable(const struct bpf_insn *insns, size_t nr)
{
	if (!nr || nr > DEVFILTER_INSNS_MAX)
		return false;
	for (size_t i = 0; i < nr; i++) {
		if (BPF_CLASS(insns[i].code) == BPF_JMP && BPF_OP(insns[i].code) == BPF_CALL)
			return false;
		/* A constant takes the place of two; with a source it is a reference. */
		if (insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    (insns[i].src_reg || ++i == nr))
			return false;
	}

	return true;
}

int devfilter_parse(const void *data, size_t len, struct devfilter *list, size_t *nr)
{
	const struct file_head *head = data;
	const char *at = data, *end = at + len;

	if (len < sizeof(*head) || memcmp(head->magic, MAGIC, sizeof(head->magic)) ||
	    head->version != VERSION || !head->nr || head->nr > DEVFILTER_MAX)
		return -EBADMSG;
	at += sizeof(*head);
	for (size_t i = 0; i < head->nr; i++) {
		const struct program_head *program = (const void *)at;
		size_t size;

		if ((size_t)(end - at) < sizeof(*program))
			return -EBADMSG;
		at += sizeof(*program);
		if (program->zero || program->nr_insns > DEVFILTER_INSNS_MAX ||
		    !memchr(program->name, '\0', sizeof(program->name)))
			return -EBADMSG;
		size = program->nr_insns * sizeof(struct bpf_insn);
		if ((size_t)(end - at) < size ||
		    !devfilter_carriable((const void *)at, program->nr_insns))
			return -EBADMSG;
		memcpy(list[i].name, program->name, sizeof(list[i].name));
		list[i].insns = (const void *)at;
		list[i].nr_insns = program->nr_insns;
		at += size;
	}
	if (at != end)
		return -EBADMSG;
	*nr = head->nr;

	return 0;
}

/* A descriptor of the loaded program. */
static int load(const struct devfilter *filter)
{
	union bpf_attr attr;
	int r, tries = LOAD_TRIES;

	do {
		memset(&attr, 0, sizeof(attr));
		attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
		attr.insns = (uintptr_t)filter->insns;
		attr.insn_cnt = filter->nr_insns;
		/* As systemd declares it; only calls would depend on it. */
		attr.license = (uintptr_t)"GPL";
		memcpy(attr.prog_name, filter->name, sizeof(attr.prog_name));
		r = bpf(BPF_PROG_LOAD, &attr);
	} while (r == -EAGAIN && --tries);

	return r;
}

/* BPF_PROG_ATTACH with its flags, or BPF_PROG_DETACH, which older kernels want without. */
static int attach(enum bpf_cmd cmd, int cgroup, int program, __u32 flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = cgroup;
	attr.attach_bpf_fd = program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = flags;

	return bpf(cmd, &attr);
}

/* How many programs are attached to the control group itself, and in which way. */
static int query(int cgroup, __u32 *ids, __u32 *flags)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = cgroup;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = DEVFILTER_MAX;
	r = bpf(BPF_PROG_QUERY, &attr);
	/* A kernel built without such programs has none. */
	if (r == -EINVAL || r == -ENOSYS)
		return 0;
	*flags = attr.query.attach_flags;

	return r < 0 ? r : (int)attr.query.prog_cnt;
}

/* What the kernel tells of a program, and up to size bytes of its instructions. */
static int get_info(int program, struct bpf_prog_info *info, void *insns, size_t size)
{
	union bpf_attr attr;

	memset(info, 0, sizeof(*info));
	info->xlated_prog_insns = (uintptr_t)insns;
	info->xlated_prog_len = size;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = program;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uintptr_t)info;

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

/* Append one program to what will be the file; *why says what -ENOTSUP means. */
static int save_program(FILE *out, __u32 id, const char **why)
{
	_cleanup_close_ int program = -1, again = -1;
	_cleanup_free_ struct bpf_insn *insns = NULL;
	struct program_head head = { 0 };
	struct devfilter filter = { 0 };
	struct bpf_prog_info info;
	union bpf_attr attr;
	size_t size;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	program = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	if (program < 0)
		return program;
	r = get_info(program, &info, NULL, 0);
	if (r < 0)
		return r;
	*why = "it uses maps or calls, or is too long";
	size = info.xlated_prog_len;
	if (info.nr_map_ids || size > DEVFILTER_INSNS_MAX * sizeof(*insns))
		return -ENOTSUP;
	insns = malloc(size + 1);
	if (!insns)
		return -ENOMEM;
	r = get_info(program, &info, insns, size);
	if (r < 0)
		return r;
	/* The kernel takes the address out if it does not show them. */
	if (!size || !info.xlated_prog_insns || info.xlated_prog_len != size)
		return -EPERM;
	filter.insns = insns;
	filter.nr_insns = head.nr_insns = size / sizeof(*insns);
	memcpy(filter.name, info.name, sizeof(filter.name) - 1);
	memcpy(head.name, filter.name, sizeof(head.name));
	if (!devfilter_carriable(insns, filter.nr_insns))
		return -ENOTSUP;
	/* Better known now than in the next kernel. */
	*why = "the kernel does not take back what it made of it (net.core.bpf_jit_harden?)";
	again = load(&filter);
	if (again < 0)
		return -ENOTSUP;
	fwrite(&head, sizeof(head), 1, out);
	fwrite(insns, sizeof(*insns), filter.nr_insns, out);

	return 0;
}

/* What will be the file (malloc()ed); *len stays 0 if there is no filter. */
static int collect(const char *cgroup_dir, char **data, size_t *len, const char **why)
{
	_cleanup_close_ int cgroup = open(cgroup_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_head head = { .magic = MAGIC, .version = VERSION };
	__u32 ids[DEVFILTER_MAX], flags = 0;
	int r = 0, nr = cgroup < 0 ? -errno : query(cgroup, ids, &flags);
	FILE *out;

	if (nr <= 0)
		return nr;
	*why = "it is attached in a way that systemd does not use";
	if (flags && flags != BPF_F_ALLOW_MULTI)
		return -ENOTSUP;
	out = open_memstream(data, len);
	if (!out)
		return -ENOMEM;
	head.nr = nr;
	fwrite(&head, sizeof(head), 1, out);
	for (int i = 0; i < nr && !r; i++)
		r = save_program(out, ids[i], why);
	if (ferror(out) && !r)
		r = -ENOMEM;
	if (fclose(out) && !r)
		r = -ENOMEM;

	return r;
}

int devfilter_save(const char *cgroup_dir, const char *file, struct error *err)
{
	_cleanup_free_ char *data = NULL;
	const char *why = NULL;
	size_t len = 0;
	int r;

	r = unlink(file) && errno != ENOENT ? -errno : 0;
	if (!r)
		r = collect(cgroup_dir, &data, &len, &why);
	if (!r && len) {
		r = file_write(file, data, len, 0600);
		if (r < 0)
			unlink(file);
	}

	return r < 0 ? error_set(err, -r, "cannot save the device filter of %s: %s", cgroup_dir,
				 r == -ENOTSUP && why ? why : strerror(-r)) : 0;
}

/* All of them or none; opened has room for nr descriptors. */
static int install(int cgroup, const struct devfilter *list, size_t nr, int *opened)
{
	size_t have = 0, attached = 0;
	int r = 0;

	for (; have < nr && r >= 0; have += r >= 0) {
		r = load(&list[have]);
		opened[have] = r;
	}
	for (; attached < nr && r >= 0; attached += r >= 0)
		r = attach(BPF_PROG_ATTACH, cgroup, opened[attached], BPF_F_ALLOW_MULTI);
	if (r >= 0)
		return 0;
	while (attached)
		attach(BPF_PROG_DETACH, cgroup, opened[--attached], 0);
	while (have)
		close(opened[--have]);

	return r;
}

int devfilter_restore(const char *cgroup_dir, const char *file, int **fds, size_t *nr,
		      struct error *err)
{
	struct devfilter list[DEVFILTER_MAX];
	_cleanup_close_ int cgroup = -1;
	_cleanup_free_ char *data = NULL;
	_cleanup_free_ int *opened = NULL;
	size_t len, count = 0;
	int r;

	*fds = NULL;
	*nr = 0;
	r = file_read(file, &data, &len);
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = devfilter_parse(data, len, list, &count);
	if (r < 0)
		return error_set(err, -r, "cannot use %s: %s", file,
				 r == -EBADMSG ? "it is not what nvwa wrote" : strerror(-r));
	opened = calloc(count, sizeof(*opened));
	cgroup = open(cgroup_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!opened)
		r = -ENOMEM;
	else
		r = cgroup < 0 ? -errno : install(cgroup, list, count, opened);
	if (r < 0)
		return error_set(err, -r, "cannot give %s its device filter: %s", cgroup_dir,
				 strerror(-r));
	*fds = steal_ptr(opened);
	*nr = count;

	return 0;
}
