// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvwa-placeholder: systemd builds the sandbox, cgroup and descriptors of a
 * carried service around this program, which only waits. It is static, so that
 * nothing else has to be executable inside the sandbox.
 */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
