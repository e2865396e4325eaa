// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of kernel parameters. What is not in it passes: it was right for
 * the kernel that runs on this very machine. lint compares doc/cmdline.md.
 */
#include "lib/kexec/fate.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/param.h"

#define COMMAND_LINE_SIZE 2048	/* arch/x86/include/asm/setup.h */

/*
 * The first that matches counts. A pattern with "=" is one of fnmatch(3) for
 * the whole word, one without is the name of a parameter, whatever its value.
 */
static const struct {
	const char *pattern;
	enum fate fate;
	const char *why;
} rules[] = {
	/* What describes one boot only is said anew. */
	{ "BOOT_IMAGE", FATE_STRIP, "the boot loader's note of the old kernel" },
	{ "initrd", FATE_STRIP, "names the old initramfs" },
	{ "noinitrd", FATE_STRIP, "the next kernel starts from nvwa's initramfs" },
	{ "rdinit", FATE_STRIP, "nvwa's initramfs has its own" },
	{ "bootconfig", FATE_STRIP, "what it said is in the command line already" },
	{ "acpi_rsdp", FATE_STRIP, "goes through the boot parameters" },
	{ "elfcorehdr", FATE_STRIP, "belongs to a crash kernel" },
	{ "kexec_jump_back_entry", FATE_STRIP, "belongs to another kexec" },
	{ "lpj", FATE_STRIP, "depends on the kernel's HZ" },
	{ "memtest", FATE_STRIP, "tests memory for a long time while programs stand still" },
	{ "nvwa", FATE_STRIP, "nvwa's own mark" },

	/* The memory map that goes on is what these left of it. */
	{ "mem", FATE_STRIP, "the memory map that goes on is what it left" },
	{ "memmap=*!*", FATE_REFUSE,
	  "the persistent memory that it makes would not be there in the next kernel" },
	{ "memmap", FATE_STRIP, "the memory map that goes on is what it left" },
	{ "add_efi_memmap", FATE_REFUSE,
	  "it adds memory that nvwa's map of the machine does not have" },
	{ "efi_fake_mem", FATE_REFUSE,
	  "it changes memory in a way that nvwa's map of the machine does not have" },
	{ "numa=fake*", FATE_REFUSE,
	  "the next kernel would number its nodes differently, and memory would change its node" },
	{ "numa", FATE_SAME, "programs have memory on these nodes" },
	{ "mem_encrypt=off", FATE_PASS, NULL },
	{ "mem_encrypt", FATE_REFUSE,
	  "one of two kernels would read the memory of programs as noise" },

	/* Sizes chosen for all of RAM, which the scratch has not. */
	{ "crashkernel", FATE_KEEP, "would be reserved from the scratch" },
	{ "hugepages", FATE_KEEP, "would be taken from the scratch; made again at settle" },
	{ "hugepagesz", FATE_KEEP, "goes with hugepages=" },
	{ "hugetlb_cma", FATE_KEEP, "would be reserved from the scratch" },
	{ "cma", FATE_KEEP, "would be reserved from the scratch" },
	{ "cma_pernuma", FATE_KEEP, "would be reserved from the scratch" },
	{ "numa_cma", FATE_KEEP, "would be reserved from the scratch" },
	{ "reserve_mem", FATE_KEEP, "would be reserved from the scratch" },
	{ "trace_buf_size", FATE_KEEP, "would be taken from the scratch" },
	{ "swiotlb=force", FATE_PASS, NULL },
	{ "swiotlb=noforce", FATE_PASS, NULL },
	{ "swiotlb", FATE_KEEP, "would be taken from the scratch" },
	{ "kernelcore", FATE_KEEP, "would make movable what the scratch has" },
	{ "movablecore", FATE_KEEP, "would make movable what the scratch has" },
	{ "movable_node", FATE_KEEP, "would make movable all memory that is added" },
	{ "memory_hotplug.online_policy", FATE_KEEP,
	  "would make movable much of the memory that is added" },

	/* The next boot would not end where programs are resumed. */
	{ "init=/sbin/init", FATE_SAME, "is what starts the machine" },
	{ "init=*/systemd", FATE_SAME, "is what starts the machine" },
	{ "init", FATE_REFUSE, "the next kernel would start that instead of systemd" },
	{ "single", FATE_REFUSE, "the next boot would end in a rescue shell" },
	{ "s", FATE_REFUSE, "the next boot would end in a rescue shell" },
	{ "S", FATE_REFUSE, "the next boot would end in a rescue shell" },
	{ "1", FATE_REFUSE, "the next boot would end in a rescue shell" },
	{ "rescue", FATE_REFUSE, "the next boot would end in a rescue shell" },
	{ "emergency", FATE_REFUSE, "the next boot would end in a rescue shell" },
	{ "-b", FATE_REFUSE, "the next boot would end in a rescue shell" },
	{ "systemd.unit=rescue.target", FATE_REFUSE, "the next boot would end in a rescue shell" },
	{ "systemd.unit=emergency.target", FATE_REFUSE,
	  "the next boot would end in a rescue shell" },
	{ "systemd.volatile=no", FATE_PASS, NULL },
	{ "systemd.volatile", FATE_REFUSE, "the files in /var would not be there after it" },
	{ "root", FATE_SAME, "the root is found by what is mounted now" },
	{ "rootflags", FATE_SAME, "the root is mounted as it is now" },
	{ "rootfstype", FATE_SAME, "the root is mounted as it is now" },

	/* nvwa.ko could not be loaded, or the next update not be done. */
	{ "module.sig_enforce=0", FATE_PASS, NULL },
	{ "module.sig_enforce", FATE_REFUSE,
	  "a module nvwa.ko that this kernel trusts may be refused by the next one" },
	{ "sysctl.kernel.modules_disabled=0", FATE_PASS, NULL },
	{ "sysctl.kernel.modules_disabled", FATE_REFUSE, "nvwa.ko could not be loaded" },
	{ "sysctl.kernel.kexec_load_disabled", FATE_SAME, "no update after it could be done" },
	{ "lockdown=none", FATE_PASS, NULL },
	{ "lockdown", FATE_REFUSE, "nvwa.ko could not be loaded" },

	/* Programs were begun under these, and would not be resumed under others. */
	{ "apparmor", FATE_SAME, "programs are confined, or not" },
	{ "selinux", FATE_SAME, "programs are confined, or not" },
	{ "security", FATE_SAME, "programs are confined, or not" },
	{ "lsm", FATE_SAME, "programs are confined, or not" },
	{ "cgroup_disable", FATE_SAME, "programs are in control groups with these controllers" },
	{ "cgroup_no_v1", FATE_SAME, "programs are in control groups with these controllers" },
	{ "systemd.unified_cgroup_hierarchy", FATE_SAME,
	  "programs are in control groups of this kind" },
	{ "ipv6.disable", FATE_SAME, "programs hold sockets" },
	{ "net.ifnames", FATE_SAME, "addresses are put back by the names of links" },
	{ "nosmp", FATE_SAME, "programs are bound to processors by their numbers" },
	{ "nosmt", FATE_SAME, "programs are bound to processors by their numbers" },
	{ "maxcpus", FATE_SAME, "programs are bound to processors by their numbers" },
	{ "nr_cpus", FATE_SAME, "programs are bound to processors by their numbers" },
	{ "possible_cpus", FATE_SAME, "programs are bound to processors by their numbers" },
	{ "clearcpuid", FATE_SAME, "programs have found these features of the processor" },
	{ "setcpuid", FATE_SAME, "programs have found these features of the processor" },
	{ "nopku", FATE_SAME, "programs have found these features of the processor" },
	{ "noxsave", FATE_SAME, "programs have found these features of the processor" },
	{ "no5lvl", FATE_SAME, "programs have memory at addresses of this width" },
	{ "vsyscall", FATE_SAME, "programs may call it" },
	{ "ia32_emulation", FATE_SAME, "programs may be of 32 bits" },
	{ "module_blacklist", FATE_SAME, "the next kernel needs the same modules" },
	{ "modprobe.blacklist", FATE_SAME, "the next kernel needs the same modules" },
	{ "initcall_blacklist", FATE_SAME, "the next kernel needs the same drivers" },
};

/* The kernel takes off quotes around a word: next_arg() in lib/cmdline.c. */
static void unquote(const char **token, size_t *len)
{
	if (*len && **token == '"') {
		(*token)++;
		(*len)--;
		if (*len && (*token)[*len - 1] == '"')
			(*len)--;
	}
}

static bool matches(const char *pattern, const char *token, size_t len, const char *word)
{
	return strchr(pattern, '=') ? fnmatch(pattern, word, 0) == 0 :
				      param_has_name(token, len, pattern);
}

enum fate fate_of(const char *token, size_t len, const char **why)
{
	char word[COMMAND_LINE_SIZE];

	unquote(&token, &len);
	snprintf(word, sizeof(word), "%.*s", (int)len, token);
	for (char *c = word; *c && *c != '='; c++) {
		if (*c == '-' && c != word)
			*c = '_';
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (matches(rules[i].pattern, token, len, word)) {
			*why = rules[i].why;
			return rules[i].fate;
		}
	}
	return FATE_PASS;
}
