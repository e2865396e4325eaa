// SPDX-License-Identifier: GPL-2.0-only
/* TAP, SHA-256 after FIPS 180-4, patterns, and reading /proc. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool quiet;
uint64_t keeper_ns;
static int nr_tests, nr_failed;

static bool report(bool condition, const char *fmt, va_list args)
{
	printf("%sok %d - ", condition ? "" : "not ", ++nr_tests);
	vprintf(fmt, args);
	printf("\n");
	fflush(stdout);
	nr_failed += !condition;
	return condition;
}

bool ok(bool condition, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report(condition, fmt, args);
	va_end(args);
	return condition;
}

bool same(long long got, long long want, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report(got == want, fmt, args);
	va_end(args);
	if (got != want)
		printf("# got %lld, want %lld\n", got, want);
	return got == want;
}

int done(void)
{
	printf("1..%d\n", nr_tests);
	return nr_failed ? 1 : 0;
}

void bail(const char *fmt, ...)
{
	va_list args;

	printf("Bail out! ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf(": %s\n", strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* --- SHA-256 --- */

static const uint32_t round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void sha256_block(struct sha256 *s, const uint8_t *p)
{
	uint32_t w[64], v[8], t1, t2;
	int i;

	for (i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 |
		       p[4 * i + 3];
	for (; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] +
		       (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, s->state, sizeof(v));
	for (i = 0; i < 64; i++) {
		t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
		     ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[i] + w[i];
		t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
		     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (i = 0; i < 8; i++)
		s->state[i] += v[i];
}

void sha256_init(struct sha256 *s)
{
	static const uint32_t start[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memcpy(s->state, start, sizeof(start));
	s->len = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--) {
		s->buf[s->len++ % 64] = *p++;
		if (s->len % 64 == 0)
			sha256_block(s, s->buf);
	}
}

void sha256_final(struct sha256 *s, uint8_t out[32])
{
	uint64_t bits = s->len * 8;
	uint8_t end[8];
	int i;

	sha256_update(s, "\x80", 1);
	while (s->len % 64 != 56)
		sha256_update(s, "", 1);
	for (i = 0; i < 8; i++)
		end[i] = bits >> (56 - 8 * i);
	sha256_update(s, end, 8);
	for (i = 0; i < 32; i++)
		out[i] = s->state[i / 4] >> (24 - 8 * (i % 4));
}

/* --- patterns --- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x7fb5d329728ea185ULL;
	return x ^ x >> 27;
}

void pattern_fill(void *page, uint64_t addr, uint32_t seed)
{
	uint64_t *p = page;
	size_t i;

	for (i = 0; i < PAGE / 8; i++)
		p[i] = mix(addr + i + ((uint64_t)seed << 48));
}

bool pattern_holds(const void *page, uint64_t addr, uint32_t seed)
{
	const uint64_t *p = page;
	size_t i;

	for (i = 0; i < PAGE / 8; i++) {
		if (p[i] != mix(addr + i + ((uint64_t)seed << 48)))
			return false;
	}
	return true;
}

/* --- the module and /proc --- */

int keeper_call(int fd, unsigned long cmd, void *arg)
{
	struct timespec from, to;
	int err;

	*(uint32_t *)arg = _IOC_SIZE(cmd);
	clock_gettime(CLOCK_MONOTONIC, &from);
	err = ioctl(fd, cmd, arg) ? -errno : 0;
	clock_gettime(CLOCK_MONOTONIC, &to);
	keeper_ns = (to.tv_sec - from.tv_sec) * 1000000000ULL + to.tv_nsec - from.tv_nsec;
	if (keeper_ns >= 5000000 && !quiet)
		printf("# call %lu took %.1f ms\n", (unsigned long)_IOC_NR(cmd), keeper_ns / 1e6);
	return err;
}

int keeper_open(void)
{
	int fd = open(NVWA_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		bail("cannot open %s", NVWA_DEVICE);
	return fd;
}

uint32_t keeper_state(int fd)
{
	struct nvwa_info info = { 0 };

	return keeper_call(fd, NVWA_IOC_INFO, &info) ? ~0U : info.state;
}

uint64_t frame_of(pid_t pid, uint64_t addr)
{
	char path[64];
	uint64_t entry = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &entry, 8, addr / PAGE * 8) != 8)
		bail("cannot read %s", path);
	close(fd);
	/* Documentation/admin-guide/mm/pagemap.rst: bit 63 present, bits 0-54 the frame. */
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

long long proc_kib(const char *path, const char *name)
{
	size_t len = strlen(name);
	long long value = -1;
	char line[256];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, len) && line[len] == ':')
			value = atoll(line + len + 1);
	}
	if (f)
		fclose(f);
	return value;
}

/* The kernel's taint, less that of loading a module from outside the tree (bits 12, 13). */
long long tainted(void)
{
	long long value = -1;
	FILE *f = fopen("/proc/sys/kernel/tainted", "re");

	if (f && fscanf(f, "%lld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value & ~0x3000;
}

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		bail("cannot write %s", path);
	close(fd);
}

void stop_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		bail("process %d did not stop but ended with status %#x", pid, status);
}

int end_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static long long one_try(void (*f)(void *ctx), void *ctx, int *err)
{
	long long before = 0;
	pid_t pid;
	int i;

	fflush(stdout);
	for (i = 0; i < 50; i++) {
		pid = fork();
		if (pid == 0) {
			quiet = true;
			f(ctx);
			raise(SIGKILL);
		}
		*err |= end_wait(pid) != 128 + SIGKILL;
		if (i == 1) {
			write_text("/proc/sys/vm/drop_caches", "3");
			before = proc_kib("/proc/meminfo", "MemFree");
		}
	}
	write_text("/proc/sys/vm/drop_caches", "3");
	return before - proc_kib("/proc/meminfo", "MemFree");
}

long long lost_in_rounds(void (*f)(void *ctx), void *ctx, int *err)
{
	long long lost = 0;
	int tries;

	*err = 0;
	for (tries = 0; tries < 3; tries++) {
		lost = one_try(f, ctx, err);
		if (lost < LOST_MOST)
			break;
	}
	return lost;
}
