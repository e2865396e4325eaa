// SPDX-License-Identifier: GPL-2.0-only
/*
 * The unpacked kernel that "nvwa prepare" keeps on disk. Who could change it
 * would choose what runs next, so only a file and a directory that are ours
 * alone are taken.
 */
#include "lib/kexec/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/checksum.h"

#define KEPT_FILE	"kernel"
#define KEPT_NEW	"kernel.new"
#define KEPT_MAGIC	"nvwakept"
#define KEPT_FORMAT	1
#define ROOM_LEFT	(UINT64_C(64) << 20)	/* that others find on the disk afterwards */

/* At the start of the file, as this machine has its numbers; the kernel follows. */
struct kept_header {
	char magic[8];
	uint32_t format;
	uint32_t header_len;
	char version[32];		/* of nvwa */
	char release[KEPT_RELEASE];
	char path[256];			/* of the image */
	uint64_t size, inode;
	int64_t mtime, ctime;		/* ns */
	int64_t prepared;		/* seconds since 1970 */
	uint64_t bytes;			/* that follow */
	uint8_t sum[CHECKSUM_LEN];	/* of what follows, SHA-256 */
	uint8_t header_sum[CHECKSUM_LEN]; /* of all above */
};

static int64_t nanoseconds(struct timespec t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int kept_source(const char *release, const char *path, struct kept_source *source)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	*source = (struct kept_source){
		.release = release, .path = path, .size = st.st_size, .inode = st.st_ino,
		.mtime = nanoseconds(st.st_mtim), .ctime = nanoseconds(st.st_ctim),
	};
	return 0;
}

/* --- writing ------------------------------------------------------------- */

static int make_dir(const char *dir)
{
	int r = dir_make(dir);

	if (!r && (chown(dir, geteuid(), getegid()) || chmod(dir, 0700)))
		r = -errno;
	return r;
}

static int check_room(const char *dir, size_t len, struct error *err)
{
	struct statvfs st;
	uint64_t free;

	if (statvfs(dir, &st))
		return -errno;
	free = (uint64_t)st.f_bavail * st.f_frsize;
	if (free < len + ROOM_LEFT)
		return error_set(err, ENOSPC, "The file system of %s has %" PRIu64 " MiB free, and "
				 "%" PRIu64 " MiB are needed: the unpacked kernel, and room for "
				 "others. Make room there, or update without preparing.", dir,
				 free >> 20, (len + ROOM_LEFT) >> 20);
	return 0;
}

/* Under another name until it is on the disk. */
static int write_file(int dir, const struct kept_header *h, const char *data)
{
	_cleanup_close_ int fd = openat(dir, KEPT_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
					0600);
	int r;

	if (fd < 0)
		return -errno;
	r = file_write_fd(fd, h, sizeof(*h));
	if (!r)
		r = file_write_fd(fd, data, h->bytes);
	if (!r && (fsync(fd) || renameat(dir, KEPT_NEW, dir, KEPT_FILE) || fsync(dir)))
		r = -errno;
	if (r)
		unlinkat(dir, KEPT_NEW, 0);
	return r;
}

int kept_write(const char *dir, const struct kept_source *source, const char *data, size_t len,
	       struct error *err)
{
	struct kept_header h = {
		.format = KEPT_FORMAT, .header_len = sizeof(h),
		.size = source->size, .inode = source->inode,
		.mtime = source->mtime, .ctime = source->ctime,
		.prepared = time(NULL), .bytes = len,
	};
	_cleanup_close_ int fd = -1;
	int r;

	memcpy(h.magic, KEPT_MAGIC, sizeof(h.magic));
	r = path_format(h.version, sizeof(h.version), "%s", NVWA_VERSION);
	if (!r)
		r = path_format(h.release, sizeof(h.release), "%s", source->release);
	if (!r)
		r = path_format(h.path, sizeof(h.path), "%s", source->path);
	checksum_sha256(data, len, h.sum);
	checksum_sha256(&h, offsetof(struct kept_header, header_sum), h.header_sum);
	/* First of all, so that there is never need of room for two. */
	if (!r)
		r = kept_remove(dir);
	if (!r)
		r = make_dir(dir);
	if (!r)
		r = check_room(dir, len, err);
	if (!r) {
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = fd < 0 ? -errno : write_file(fd, &h, data);
	}
	if (r)
		return error_set(err, -r, "The unpacked kernel cannot be kept in %s (%s).", dir,
				 strerror(-r));
	return 0;
}

/* --- reading ------------------------------------------------------------- */

static int unfit(struct error *err, const char *why)
{
	return error_set(err, ESTALE, "%s", why);
}

/* Open the file, if nobody else can have written it. */
static int open_file(const char *dir, off_t *len, struct error *err)
{
	_cleanup_close_ int at = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	struct stat st, st_dir;

	if (at < 0 && errno == ENOENT)
		return -ENOENT;
	if (at >= 0)
		fd = openat(at, KEPT_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && at >= 0 && errno == ENOENT)
		return -ENOENT;
	if (at < 0 || fd < 0 || fstat(at, &st_dir) || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return unfit(err, "it is no file that could be read");
	if (st.st_uid != geteuid() || st_dir.st_uid != geteuid())
		return unfit(err, "it belongs to another user");
	if ((st.st_mode | st_dir.st_mode) & 077)
		return unfit(err, "other users had access to it");
	*len = st.st_size;
	return steal_fd(fd);
}

static int read_all(int fd, void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, (char *)data + done, len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return -ENODATA;
		if (n > 0)
			done += n;
	}
	return 0;
}

/* The header, of a file of len bytes. */
static int read_header(int fd, off_t len, struct kept_header *h, struct kept *kept,
		       struct error *err)
{
	uint8_t sum[CHECKSUM_LEN];

	if (read_all(fd, h, sizeof(*h)) || memcmp(h->magic, KEPT_MAGIC, sizeof(h->magic)))
		return unfit(err, "it is damaged");
	if (h->format != KEPT_FORMAT || h->header_len != sizeof(*h))
		return unfit(err, "another version of nvwa has made it");
	checksum_sha256(h, offsetof(struct kept_header, header_sum), sum);
	if (memcmp(sum, h->header_sum, sizeof(sum)))
		return unfit(err, "it is damaged");

	/* By its sum the strings are ours, and end. */
	memcpy(kept->release, h->release, sizeof(kept->release));
	kept->prepared = h->prepared;
	kept->bytes = h->bytes;
	if (strcmp(h->version, NVWA_VERSION))
		return unfit(err, "another version of nvwa has made it");
	if ((uint64_t)len - sizeof(*h) != h->bytes)
		return unfit(err, "its length is wrong");
	return 0;
}

static int open_kept(const char *dir, struct kept_header *h, struct kept *kept, struct error *err)
{
	_cleanup_close_ int fd = -1;
	off_t len;
	int r;

	*kept = (struct kept){ 0 };
	fd = open_file(dir, &len, err);
	if (fd < 0)
		return fd;
	r = read_header(fd, len, h, kept, err);
	return r ? r : steal_fd(fd);
}

static int check_source(const struct kept_header *h, const struct kept_source *now,
			struct error *err)
{
	if (strcmp(h->release, now->release))
		return error_set(err, ESTALE, "it is of %s", h->release);
	if (strcmp(h->path, now->path) || h->size != now->size || h->inode != now->inode ||
	    h->mtime != now->mtime || h->ctime != now->ctime)
		return error_set(err, ESTALE, "%s has changed since", now->path);
	return 0;
}

int kept_look(const char *dir, struct kept *kept, struct error *err)
{
	struct kept_source now;
	struct kept_header h;
	_cleanup_close_ int fd = open_kept(dir, &h, kept, err);

	if (fd < 0)
		return fd;
	if (kept_source(h.release, h.path, &now))
		return error_set(err, ESTALE, "%s is not there any more", h.path);
	return check_source(&h, &now, err);
}

int kept_read(const char *dir, const struct kept_source *source, struct kept *kept, char **data,
	      size_t *len, struct error *err)
{
	_cleanup_free_ char *read = NULL;
	_cleanup_close_ int fd = -1;
	uint8_t sum[CHECKSUM_LEN];
	struct kept_header h;
	int r;

	fd = open_kept(dir, &h, kept, err);
	r = fd < 0 ? fd : check_source(&h, source, err);
	if (r)
		return r;
	read = malloc(h.bytes);
	if (!read)
		return -ENOMEM;
	if (read_all(fd, read, h.bytes))
		return unfit(err, "it cannot be read");
	/* Of the copy that is used: the file may be written to meanwhile. */
	checksum_sha256(read, h.bytes, sum);
	if (memcmp(sum, h.sum, sizeof(sum)))
		return unfit(err, "it is damaged");

	*data = steal_ptr(read);
	*len = h.bytes;
	return 0;
}

int kept_remove(const char *dir)
{
	return tree_remove(dir);
}
