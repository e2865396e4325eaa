// SPDX-License-Identifier: GPL-2.0-only
/* The two ways out: the machine's own init, or its firmware. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/apps/takeover.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/param.h"

/* Time to read the message on the console. */
#define PAUSE_MS	5000

/* Those that the kernel tries itself, init/main.c. */
static const char *const inits[] = { "/sbin/init", "/etc/init", "/bin/init", "/bin/sh" };

void boot_again(const char *why)
{
	log_error("%s; rebooting the machine", why);
	poll(NULL, 0, PAUSE_MS);
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/*
 * An init is started with the arguments that the kernel gave us. If services run by now systemd
 * is told as by the systemd of an initramfs, from which it would get some.
 */
static void try_init(const char *init, char **argv)
{
	_cleanup_free_ char **more = NULL;
	char state[40];
	size_t nr = 0;
	int fd = takeover_understood(init) ? open(TAKEOVER_FILE, O_RDONLY) : -1;

	while (argv[nr])
		nr++;
	more = calloc(nr + 4, sizeof(*more));
	argv[0] = (char *)init;
	if (fd >= 0 && more) {
		snprintf(state, sizeof(state), "--deserialize=%d", fd);
		memcpy(more, argv, nr * sizeof(*argv));
		more[nr++] = (char *)"--system";
		more[nr++] = (char *)"--switched-root";
		more[nr++] = state;
		argv = more;
	}
	execv(init, argv);
	if (fd >= 0)
		close(fd);
}

void boot_init(char **argv)
{
	_cleanup_free_ char *cmdline = NULL, *chosen = NULL;
	int console = open("/dev/console", O_RDWR | O_NOCTTY);

	/* The console that the kernel opened lies in the initramfs. */
	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
	if (console > 2)
		close(console);
	unsetenv("nvwa");

	if (!file_read("/proc/cmdline", &cmdline, NULL) &&
	    !param_value(cmdline, "init", &chosen) && chosen) {
		try_init(chosen, argv);
		log_error("%s from the command line cannot be started", chosen);
	}
	for (size_t i = 0; i < sizeof(inits) / sizeof(inits[0]); i++)
		try_init(inits[i], argv);
	boot_again("the root file system holds no init that can be started");
}
