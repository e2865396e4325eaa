/* SPDX-License-Identifier: GPL-2.0-only */
/* What a kernel does with memory that is added: for an update it must put it to use at once. */
#ifndef NVWA_KEXEC_ONLINE_H
#define NVWA_KEXEC_ONLINE_H

/* Where nvwa-init leaves the kernel's own choice: "offline", "online" and so on. */
#define ONLINE_CHOICE	"auto_online"

/* Both return 0 or a negative errno. The file holds the kernel's own choice. */

/* Note the choice in the file, and have all memory put to use that is added from now on. */
int online_all(const char *choice_path);
/* Leave later memory to the kernel's own choice again. Without the file there is nothing to do. */
int online_as_before(const char *choice_path);

#endif
