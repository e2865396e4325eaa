// SPDX-License-Identifier: GPL-2.0-only
/* Adding the RAM that was hidden from this kernel. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define AUTO_ONLINE	"/sys/devices/system/memory/auto_online_blocks"

int memory_add(int keeper, uint64_t start, uint64_t len, int nid)
{
	struct nvwa_add_memory add = {
		.size = sizeof(add), .nid = nid, .start = start, .len = len,
	};
	static bool online;
	int r;

	if (!online) {
		r = file_write(AUTO_ONLINE, "online", strlen("online"), 0644);
		if (r)
			return r;
		online = true;
	}
	return ioctl(keeper, NVWA_IOC_ADD_MEMORY, &add) ? -errno : 0;
}

int memory_add_all(int keeper)
{
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;
	int failed = 0, r;

	r = file_read("/nvwa/hidden", &text, NULL);
	if (r < 0) {
		log_error("the initramfs has no /nvwa/hidden");
		return 1;
	}
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t start, len;
		int nid;

		/* memmap_format()'s lines: start, length, type, node. */
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %*u %d", &start, &len, &nid) != 3)
			r = -EBADMSG;
		else
			r = memory_add(keeper, start, len, nid);
		if (r) {
			log_error("the memory \"%s\" cannot be added: %s", line, strerror(-r));
			failed++;
		}
	}

	return failed;
}

void memory_release(int keeper)
{
	struct nvwa_release release = { .size = sizeof(release) };

	/* Fails when no record was adopted, and then there is nothing held back. */
	ioctl(keeper, NVWA_IOC_RELEASE, &release);
}
