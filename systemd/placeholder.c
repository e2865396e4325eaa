// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvwa-placeholder: stands in for a service while its sandbox is built around
 * it, until the service itself is restored into that sandbox.
 */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
