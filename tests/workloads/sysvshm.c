// SPDX-License-Identifier: GPL-2.0-only
/*
 * System V shared memory: attached by parent and child, attached and marked to
 * be removed, and attached by nobody.
 */
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "workload.h"

static struct segment {
	struct area area;
	int id;
} attached = { { .name = "attached", .seed = 141, .len = 8 * MIB }, -1 },
  removed = { { .name = "removed", .seed = 142, .len = 2 * MIB }, -1 },
  detached = { { .name = "detached", .seed = 143, .len = 2 * MIB }, -1 };

static void attach(struct segment *s)
{
	s->area.mem = shmat(s->id, NULL, 0);
	if (s->area.mem == (void *)-1)
		die("shmat");
}

static void make(struct segment *s)
{
	s->id = shmget(IPC_PRIVATE, s->area.len, IPC_CREAT | 0640);
	if (s->id < 0)
		die("shmget");
	attach(s);
	area_fill(&s->area);
}

static void check_info(const struct segment *s)
{
	struct shmid_ds info;

	if (shmctl(s->id, IPC_STAT, &info) < 0)
		wrong("%s: there is no segment %d any more", s->area.name, s->id);
	else if (info.shm_segsz != s->area.len || (info.shm_perm.mode & 0777) != 0640)
		wrong("%s: length or mode has changed", s->area.name);
}

static void child_prepare(void *arg)
{
	(void)arg;
}

static void child_verify(void *arg)
{
	(void)arg;
	area_check(&attached.area);
}

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	make(&attached);
	make(&removed);
	make(&detached);
	if (shmctl(removed.id, IPC_RMID, NULL) < 0 || shmdt(detached.area.mem) < 0)
		die("shmctl");
	child_start(child_prepare, child_verify, NULL);
}

static void verify(void)
{
	check_info(&attached);
	check_info(&detached);
	area_check(&attached.area);
	area_check(&removed.area);
	attach(&detached);
	area_check(&detached.area);
	shmdt(detached.area.mem);
}

const struct workload workload = { "sysvshm", prepare, verify };
