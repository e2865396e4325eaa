// SPDX-License-Identifier: GPL-2.0-only
/*
 * A system call in another process: its registers are set so that it goes on at
 * a syscall instruction of its vdso, which lets us leave its code alone. It is stopped
 * at the entry to the call and at the exit from it, without a signal.
 */
#include "lib/apps/preload/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Selector of 64-bit code: __USER_CS, arch/x86/include/asm/segment.h. */
#define CS_64		0x33
/* A stop at a system call, with PTRACE_O_TRACESYSGOOD, which criu 4 has set. */
#define SYSCALL_STOP	(SIGTRAP | 0x80)
/* Without, as with criu 3.17: a trap that is no event. Signals are blocked then. */
#define PLAIN_STOP(status)	((status) >> 8 == SIGTRAP)
/* The kernel's signal set has 64 bits. */
#define SIGSET_SIZE	8

static bool find_vdso(pid_t pid, unsigned long *start, unsigned long *end)
{
	char path[32], line[512];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = strstr(line, " [vdso]\n") && sscanf(line, "%lx-%lx", start, end) == 2;
	if (maps)
		fclose(maps);

	return found;
}

/* Where in a process there is a syscall instruction; 0 if nowhere. */
static unsigned long find_instruction(pid_t pid)
{
	static const uint8_t syscall_insn[] = { 0x0f, 0x05 };
	unsigned long start, end, found = 0;
	static uint8_t code[32768];
	char path[32];
	ssize_t len;
	void *at;
	int fd;

	if (!find_vdso(pid, &start, &end))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = pread(fd, code, end - start < sizeof(code) ? end - start : sizeof(code), start);
	at = len > 0 ? memmem(code, len, syscall_insn, sizeof(syscall_insn)) : NULL;
	if (at)
		found = start + ((uint8_t *)at - code);
	close(fd);

	return found;
}

/*
 * Let it go on to the next stop at a system call. What cannot be blocked,
 * SIGSTOP, comes first if it is pending; it is sent again afterwards.
 */
static bool step(pid_t pid, bool *stopped)
{
	int status;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) ||
		    waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
			return false;
		if (WSTOPSIG(status) == SYSCALL_STOP || PLAIN_STOP(status))
			return true;
		if (WSTOPSIG(status) != SIGSTOP)
			return false;
		*stopped = true;
	}
}

long remote_syscall(pid_t pid, long nr, const unsigned long args[6])
{
	struct user_regs_struct saved, regs;
	uint64_t blocked, all = ~0ULL;
	bool made, stopped = false;
	unsigned long instruction;
	long result;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &saved) || saved.cs != CS_64 ||
	    ptrace(PTRACE_GETSIGMASK, pid, SIGSET_SIZE, &blocked))
		return -ENOTRECOVERABLE;
	instruction = find_instruction(pid);
	if (!instruction)
		return -ENOTRECOVERABLE;

	regs = saved;
	regs.rip = instruction;
	regs.rax = nr;
	regs.orig_rax = -1;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	made = !ptrace(PTRACE_SETSIGMASK, pid, SIGSET_SIZE, &all) &&
	       !ptrace(PTRACE_SETREGS, pid, NULL, &regs) &&
	       step(pid, &stopped) && step(pid, &stopped) &&
	       !ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	result = made ? (long)regs.rax : -ENOTRECOVERABLE;
	if (ptrace(PTRACE_SETREGS, pid, NULL, &saved) ||
	    ptrace(PTRACE_SETSIGMASK, pid, SIGSET_SIZE, &blocked))
		result = -ENOTRECOVERABLE;
	if (stopped)
		kill(pid, SIGSTOP);

	return result;
}
