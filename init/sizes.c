// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel derives at boot from its RAM, put to what it derives from all
 * of the machine's: this one has found the scratch only. Runs before anything
 * reads or sets these values, so that sysctl.d has the last word, as ever. What
 * cannot be set at run time is on the command line (lib/kexec/tables.c).
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/hugepages.h"
#include "lib/kexec/memmap.h"
#include "lib/kexec/zones.h"

#define MIB		(1ULL << 20)

/* fork_init() in kernel/fork.c: an eighth of RAM for stacks of THREAD_SIZE. */
#define BYTES_A_THREAD	(8 * 16384ULL)

/* memory_hotplug: struct page, 64 bytes for each page of RAM. */
#define MAP_SHARE	64

struct ram {
	uint64_t found;		/* when the values were derived, bytes */
	uint64_t all;		/* what a boot with all of RAM has at that point */
	uint64_t buffers;	/* of that, what buffers of sockets are shares of; in pages */
};

static uint64_t grow(const struct ram *ram, uint64_t value)
{
	return (unsigned __int128)value * ram->all / ram->found;
}

static int read_number(const char *path, uint64_t *value)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(path, &text, NULL);

	if (!r)
		*value = strtoull(text, NULL, 10);
	return r;
}

static void write_text(const char *path, const char *text)
{
	int r = file_write(path, text, strlen(text), 0644);

	if (r && r != -ENOENT)
		log_error("%s cannot be set: %s", path, strerror(-r));
}

static void write_number(const char *path, uint64_t value)
{
	char text[32];

	path_format(text, sizeof(text), "%" PRIu64, value);
	write_text(path, text);
}

static bool has_hugepages(void)
{
	_cleanup_free_ char *choice = NULL;

	return file_read(NVWA_STATE_DIR "/" HUGEPAGES_CHOICE, &choice, NULL) ||
	       strncmp(choice, "never", strlen("never"));
}

static int measure_buffers(struct ram *ram)
{
	_cleanup_free_ char *text = NULL;
	struct memmap map = { 0 };
	int r;

	r = file_read("/nvwa/ram", &text, NULL);
	if (!r)
		r = memmap_parse(text, &map);
	if (r)
		return r;
	ram->buffers = zones_buffer_pages(&map, ram->all / NVWA_PAGE_SIZE, has_hugepages());
	memmap_free(&map);
	return 0;
}

/*
 * The kernel prints nowhere how much RAM it had when it derived its values,
 * which is a little less than it has now; but the limit of threads tells.
 */
static int measure(struct ram *ram)
{
	_cleanup_free_ char *text = NULL;
	struct memmap hidden = { 0 };
	struct sysinfo now;
	uint64_t threads = 0;
	int r;

	r = file_read("/nvwa/hidden", &text, NULL);
	if (!r)
		r = memmap_parse(text, &hidden);
	if (!r)
		r = sysinfo(&now) ? -errno : read_number("/proc/sys/kernel/threads-max", &threads);
	if (r)
		return r;
	ram->found = threads * BYTES_A_THREAD;
	if (ram->found > now.totalram * now.mem_unit ||
	    ram->found < now.totalram * now.mem_unit / 2)
		ram->found = now.totalram * now.mem_unit;
	ram->all = ram->found + memmap_ram(&hidden) / MAP_SHARE * (MAP_SHARE - 1);
	memmap_free(&hidden);
	return ram->found ? measure_buffers(ram) : -ERANGE;
}

/* Shares of RAM, each up to a limit of its own. */
static void grow_shares(const struct ram *ram)
{
	static const struct {
		const char *path;
		uint64_t max;
	} shares[] = {
		{ "/proc/sys/fs/file-max", INT64_MAX },
		{ "/proc/sys/fs/epoll/max_user_watches", INT64_MAX },
		{ "/proc/sys/net/ipv4/inet_peer_threshold", 65536 + 128 },
		{ "/sys/power/image_size", INT64_MAX },
	};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		uint64_t value;

		if (read_number(shares[i].path, &value))
			continue;
		value = grow(ram, value);
		write_number(shares[i].path, value < shares[i].max ? value : shares[i].max);
	}
}

/* What a user may have of each kind of namespace and the like: half the number of threads. */
static void grow_user_limits(uint64_t old, uint64_t new)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/sys/user");
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		uint64_t limit;
		char path[300];

		/* Those that have another default are somebody else's. */
		if (!path_format(path, sizeof(path), "/proc/sys/user/%s", d->d_name) &&
		    !read_number(path, &limit) && limit == old)
			write_number(path, new);
	}
}

/* fork_init(): the number of threads, and what it makes of it. */
static void grow_threads(const struct ram *ram)
{
	/* FUTEX_TID_MASK, the kernel's own limit of thread numbers. */
	uint64_t old, new, max = 0x3fffffff;
	struct rlimit half;

	if (read_number("/proc/sys/kernel/threads-max", &old))
		return;
	new = old + (ram->all - ram->found) / BYTES_A_THREAD;
	if (new > max)
		new = max;
	write_number("/proc/sys/kernel/threads-max", new);
	grow_user_limits(old / 2, new / 2);

	/* Of PID 1, from which every program has them. */
	half.rlim_cur = half.rlim_max = new / 2;
	if (setrlimit(RLIMIT_NPROC, &half) || setrlimit(RLIMIT_SIGPENDING, &half))
		log_error("the limits of tasks cannot be set: %s", strerror(errno));
}

/* inotify and fanotify: a hundredth of RAM for marks, each with two inodes, within limits. */
static void grow_watches(const struct ram *ram)
{
	static const struct {
		const char *path, *mark;
	} watches[] = {
		{ "/proc/sys/fs/inotify/max_user_watches",
		  "/sys/kernel/slab/inotify_inode_mark/object_size" },
		{ "/proc/sys/fs/fanotify/max_user_marks", NULL },
	};
	uint64_t inode;

	if (read_number("/sys/kernel/slab/inode_cache/object_size", &inode))
		return;
	for (size_t i = 0; i < sizeof(watches) / sizeof(watches[0]); i++) {
		uint64_t mark = 0, nr;

		if (watches[i].mark && read_number(watches[i].mark, &mark))
			continue;
		nr = ram->all / 100 / (mark + 2 * inode);
		if (nr < 8192)
			nr = 8192;
		if (nr > 1048576)
			nr = 1048576;
		write_number(watches[i].path, nr);
	}
}

/* TCP's receive buffer may grow to 6 MiB, from 6.18 on to 32 (net/ipv4/tcp.c). */
static uint64_t largest_receive_buffer(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname uts;

	if (uname(&uts) || sscanf(uts.release, "%u.%u", &major, &minor) != 2)
		return 0;
	return (major > 6 || (major == 6 && minor >= 18) ? 32 : 6) * MIB;
}

/* tcp_init_mem(), udp_init(): three quarters of a share, all of it, twice the first. */
static void set_socket_memory(const struct ram *ram, const char *path, unsigned int share)
{
	uint64_t limit = ram->buffers / share;
	char out[80];

	path_format(out, sizeof(out), "%" PRIu64 " %" PRIu64 " %" PRIu64, limit / 4 * 3, limit,
		    limit / 4 * 3 * 2);
	write_text(path, out);
}

/* tcp_init(): a socket's buffer may grow to a 128th, up to a limit. */
static void grow_buffer(const struct ram *ram, const char *path, uint64_t max)
{
	uint64_t least, normal, most, share = ram->buffers * NVWA_PAGE_SIZE / 128;
	_cleanup_free_ char *text = NULL;
	char out[80];

	if (file_read(path, &text, NULL) ||
	    sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &least, &normal, &most) != 3)
		return;
	if (share > max)
		share = max;
	path_format(out, sizeof(out), "%" PRIu64 " %" PRIu64 " %" PRIu64, least, normal,
		    most > share ? most : share);
	write_text(path, out);
}

void sizes_grow(void)
{
	struct ram ram;
	int r = measure(&ram);

	if (r) {
		log_error("the kernel's limits stay those of a small machine: %s", strerror(-r));
		return;
	}
	if (ram.all == ram.found)
		return;
	grow_threads(&ram);
	grow_shares(&ram);
	grow_watches(&ram);
	set_socket_memory(&ram, "/proc/sys/net/ipv4/tcp_mem", 16);
	set_socket_memory(&ram, "/proc/sys/net/ipv4/udp_mem", 8);
	grow_buffer(&ram, "/proc/sys/net/ipv4/tcp_wmem", 4 * MIB);
	grow_buffer(&ram, "/proc/sys/net/ipv4/tcp_rmem", largest_receive_buffer());
}
