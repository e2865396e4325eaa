/* SPDX-License-Identifier: GPL-2.0-only */
/* Between our side and libnvwa-criu.so inside the criu command. */
#ifndef NVWA_APPS_PRELOAD_PROTOCOL_H
#define NVWA_APPS_PRELOAD_PROTOCOL_H

/* Colon-separated descriptors of namespaces to join before main(). */
#define CRIU_ENV_NAMESPACES	"NVWA_CRIU_NAMESPACES"
/* If set: every task seems to be in criu's own user namespace. */
#define CRIU_ENV_HIDE_USERNS	"NVWA_CRIU_HIDE_USERNS"
/* If set: no process but criu itself seems to have a page of memory of its own. */
#define CRIU_ENV_HIDE_MEMORY	"NVWA_CRIU_HIDE_MEMORY"
/* If set: shared memory that has no name in a file system seems to be all holes. */
#define CRIU_ENV_HIDE_SHARED	"NVWA_CRIU_HIDE_SHARED"
/*
 * If set: criu itself seems to be in another IPC namespace than all others, so
 * that it carries System V IPC; but nothing is rebuilt in a new namespace.
 */
#define CRIU_ENV_SYSV		"NVWA_CRIU_SYSV"
/* If set: criu's own packet rules (nftables) come to nothing; we hold the lock. */
#define CRIU_ENV_NO_FIREWALL	"NVWA_CRIU_NO_FIREWALL"
/* /dev/nvwa, opened, if mappings are to be asked of it rather than of /proc/PID/smaps. */
#define CRIU_ENV_KEEPER		"NVWA_CRIU_KEEPER"
/* A SOCK_SEQPACKET descriptor to ask on before a restored process runs. */
#define CRIU_ENV_HOOK		"NVWA_CRIU_HOOK"

/* A line of standard error that begins so is the reason why criu is about to fail. */
#define CRIU_PRELOAD_SAYS	"nvwa: "

/* Exit status when the namespaces could not be joined. */
#define CRIU_PRELOAD_FAILED	119

/*
 * The library asks (CRIU_HOOK_RESUME) whether the rebuilt process pid may run
 * and waits. Our side may first have that process make system calls, one at a time
 * (CRIU_HOOK_SYSCALL, answered by the same message with the result), and then
 * answers the question (CRIU_HOOK_RESUME; result: 0, or it must not run).
 */
#define CRIU_HOOK_RESUME	1
#define CRIU_HOOK_SYSCALL	2
/*
 * When criu ends, without an answer: args[0] is the TSC at which it first stopped a
 * process, args[1] that at which it last let one go; 0, never.
 */
#define CRIU_HOOK_TIMES		3

struct criu_hook_message {
	int kind;		/* CRIU_HOOK_* */
	int pid;
	long result;		/* of a system call: what the kernel returns, or -ENOTRECOVERABLE */
	long nr;
	unsigned long args[6];
};

#endif
