// SPDX-License-Identifier: GPL-2.0-only
/*
 * The init of the small initramfs that kexec-tools loads: it says when it ran, and goes
 * on to the machine's own init like nvwa-init does, without anything of nvwa's. Without
 * a file /modules that is all, and the machine starts again.
 *
 * /modules has the files to insert, one a line, in their order; /root-device and /root-type
 * tell what to mount.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>

static __attribute__((noreturn)) void give_up(const char *what)
{
	perror(what);
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void insert_modules(FILE *list)
{
	char path[256];

	while (fgets(path, sizeof(path), list)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		/* One that this machine has no use for says so. */
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			perror(path);
		if (fd >= 0)
			close(fd);
	}
	fclose(list);
}

static void read_word(const char *path, char *word, int size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(word, size, file))
		give_up(path);
	word[strcspn(word, "\n")] = '\0';
	fclose(file);
}

static void mount_root(void)
{
	static const char *const moved[] = { "/proc", "/sys", "/dev", "/run" };
	char device[64], type[32], to[80];
	struct stat st;

	read_word("/root-device", device, sizeof(device));
	read_word("/root-type", type, sizeof(type));
	for (int i = 0; stat(device, &st) && i < 30000; i++)
		poll(NULL, 0, 1);
	if (mount(device, "/root", type, 0, NULL))
		give_up(device);
	for (int i = 0; i < 4; i++) {
		snprintf(to, sizeof(to), "/root%s", moved[i]);
		if (mount(moved[i], to, NULL, MS_MOVE, NULL))
			give_up(to);
	}
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		give_up("/root");
}

int main(int argc, char **argv)
{
	uint64_t tsc = __rdtsc();
	FILE *list = fopen("/modules", "re");
	FILE *log;

	(void)argc;
	if (!list) {
		printf("bench-first %" PRIu64 "\n", tsc);
		fflush(stdout);
		tcdrain(STDOUT_FILENO);
		reboot(RB_AUTOBOOT);
	}
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ||
	    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ||
	    mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_STRICTATIME, "mode=0755") ||
	    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=0755"))
		give_up("mount");
	insert_modules(list);
	log = fopen("/run/bench-first", "we");
	if (log) {
		fprintf(log, "init %" PRIu64 "\n", tsc);
		fclose(log);
	}
	mount_root();
	argv[0] = (char *)"/sbin/init";
	execv(argv[0], argv);
	give_up(argv[0]);
}
