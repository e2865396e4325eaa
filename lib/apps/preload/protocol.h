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
/* If set: criu's own packet rules (nftables) come to nothing; we hold the lock. */
#define CRIU_ENV_NO_FIREWALL	"NVWA_CRIU_NO_FIREWALL"
/* A SOCK_SEQPACKET descriptor to ask on before a restored process runs. */
#define CRIU_ENV_HOOK		"NVWA_CRIU_HOOK"

/* Exit status when the namespaces could not be joined. */
#define CRIU_PRELOAD_FAILED	119

/* Question (pid) and answer (result: 0, or it must not run). */
struct criu_hook_message {
	int pid;
	int result;
};

#endif
