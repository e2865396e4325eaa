// SPDX-License-Identifier: GPL-2.0-only
/* The module, called "keeper" in user space: typed wrappers for uapi/nvwa.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/record/keeper.h"

static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int keeper_open(struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct nvwa_info info;
	int r;

	fd = open(NVWA_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "cannot open " NVWA_DEVICE ": %s. "
				 "Load the module with: modprobe nvwa", strerror(errno));
	r = keeper_info(fd, &info);
	if (r < 0 || info.abi_version != NVWA_ABI_VERSION)
		return error_set(err, EPROTO, "the loaded nvwa module is of another version than "
				 "this command. Unload it (rmmod nvwa) and load the one of this "
				 "package: modprobe nvwa");
	return steal_fd(fd);
}

int keeper_info(int fd, struct nvwa_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return call(fd, NVWA_IOC_INFO, info);
}

int keeper_begin(int fd, struct nvwa_begin *b)
{
	b->size = sizeof(*b);
	return call(fd, NVWA_IOC_BEGIN, b);
}

int keeper_capture(int fd, struct nvwa_capture *c)
{
	c->size = sizeof(*c);
	return call(fd, NVWA_IOC_CAPTURE, c);
}

int keeper_capture_shmem(int fd, struct nvwa_capture_shmem *c)
{
	c->size = sizeof(*c);
	return call(fd, NVWA_IOC_CAPTURE_SHMEM, c);
}

int keeper_put(int fd, const char *name, const void *data, size_t len)
{
	struct nvwa_put p = {
		.size = sizeof(p),
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.data = (uintptr_t)data,
		.data_len = len,
	};

	return call(fd, NVWA_IOC_PUT, &p);
}

int keeper_seal(int fd, struct nvwa_seal *s)
{
	s->size = sizeof(*s);
	return call(fd, NVWA_IOC_SEAL, s);
}

int keeper_park(int fd, struct nvwa_park *p)
{
	p->size = sizeof(*p);
	return call(fd, NVWA_IOC_PARK, p);
}

int keeper_add_memory(int fd, struct nvwa_add_memory *m)
{
	m->size = sizeof(*m);
	return call(fd, NVWA_IOC_ADD_MEMORY, m);
}

int keeper_insert(int fd, struct nvwa_insert *i)
{
	i->size = sizeof(*i);
	return call(fd, NVWA_IOC_INSERT, i);
}

int keeper_insert_shmem(int fd, struct nvwa_insert_shmem *i)
{
	i->size = sizeof(*i);
	return call(fd, NVWA_IOC_INSERT_SHMEM, i);
}

int keeper_release(int fd, struct nvwa_release *r)
{
	r->size = sizeof(*r);
	return call(fd, NVWA_IOC_RELEASE, r);
}

int keeper_firmware(int fd, uint64_t phys, void *to, size_t len)
{
	struct nvwa_firmware f = {
		.size = sizeof(f), .phys = phys, .data = (uintptr_t)to, .len = len,
	};

	return call(fd, NVWA_IOC_FIRMWARE, &f);
}

int keeper_aio(int fd, pid_t pid, uint32_t *nr)
{
	struct nvwa_aio a = { .size = sizeof(a), .pid = pid };
	int r = call(fd, NVWA_IOC_AIO, &a);

	*nr = a.nr;
	return r;
}

int keeper_quiet(int fd, const char (*drivers)[NVWA_DRIVER_NAME_LEN], size_t nr)
{
	struct nvwa_quiet q = {
		.size = sizeof(q),
		.drivers = (uintptr_t)drivers,
		.nr_drivers = nr,
	};

	return call(fd, NVWA_IOC_QUIET, &q);
}

int keeper_vmas(int fd, pid_t pid, struct nvwa_vma **vmas, size_t *nr, uint32_t *mm_flags)
{
	struct nvwa_vmas v = { .size = sizeof(v), .pid = pid };
	struct nvwa_vma *list = NULL, *more;
	uint32_t room;
	int r;

	/* There may be more the second time, if it runs. */
	do {
		room = v.nr + 16;
		more = reallocarray(list, room, sizeof(*list));
		if (!more) {
			free(list);
			return -ENOMEM;
		}
		list = more;
		v.nr = room;
		v.vmas = (uintptr_t)list;
		r = call(fd, NVWA_IOC_VMAS, &v);
	} while (!r && v.nr > room);
	if (r < 0) {
		free(list);
		return r;
	}
	*vmas = list;
	*nr = v.nr;
	*mm_flags = v.mm_flags;

	return 0;
}
