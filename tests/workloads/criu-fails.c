// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the place of criu: it restores nothing that has namespaces of its own. Being static it does
 * not load what is preloaded into criu, and so sees what that has in its environment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *namespaces = getenv("NVWA_CRIU_NAMESPACES");

	if (argc > 1 && !strcmp(argv[1], "restore") && namespaces && *namespaces) {
		fputs("criu-fails: not this one\n", stderr);
		return 1;
	}
	execv("/usr/sbin/criu", argv);
	perror("criu-fails: /usr/sbin/criu");
	return 127;
}
