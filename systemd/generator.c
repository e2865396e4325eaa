// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvwa-generator: in the first boot after an update, carried services start as
 * stand-ins around a placeholder. Any other boot has no record, and this does
 * nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/apps/units.h"
#include "uapi/record.h"

int main(int argc, char **argv)
{
	struct error err = { "" };
	int r;

	/* See systemd.generator(7): normal, early, late. */
	if (argc != 4) {
		fputs("nvwa-generator: systemd runs this\n", stderr);
		return 1;
	}
	if (!access(APPS_FORGOTTEN, F_OK))
		return 0;

	r = apps_generate_units(NVWA_STATE_DIR, argv[2], &err);
	/* A generator's words go to the kernel log, as nothing else listens yet. */
	if (err.text[0]) {
		FILE *log = fopen("/dev/kmsg", "we");

		fprintf(log ? log : stderr, "nvwa-generator: %s\n", err.text);
		if (log)
			fclose(log);
	}

	return r < 0;
}
