/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both sides of an update agree on: the names of the files that one
 * writes into the record and the other finds below NVWA_STATE_DIR.
 */
#ifndef NVWA_TOOL_CARRY_H
#define NVWA_TOOL_CARRY_H

#include "uapi/record.h"

/* Built here in the old kernel (a tmpfs); every file below it goes into the record. */
#define CARRY_OUT_DIR		NVWA_STATE_DIR "/out"

#define CARRY_UPDATE		"update.json"	/* struct carry_update below, as JSON */
#define CARRY_ADOPT		"adopt"		/* orders to nvwa-init, see init/ */
#define CARRY_RAM		"ram"		/* the machine's RAM map, memmap_format() */
#define CARRY_HIDDEN		"hidden"	/* memory blocks added after the boot */
#define CARRY_TIMELINE_OLD	"timeline.old"	/* "<step> <tsc>" lines of the old kernel */
#define CARRY_TIMELINE_INIT	"timeline.init"	/* the same, of nvwa-init */
#define CARRY_TIMELINE_NEW	"timeline.new"	/* the same, of what systemd starts */
#define CARRY_APPS		"apps"		/* a directory for each app */
#define CARRY_TMP		"tmp.tar"	/* /tmp where it is a tmpfs */
#define CARRY_STOPPED		"stopped"	/* services to start again, here or there */
#define CARRY_AHEAD		"ahead"		/* programs that go ahead, see tool/ahead.h */
#define CARRY_PORTS		"ports"		/* of TCP, of those that do not */
#define CARRY_FILTER		"filter"	/* of packets, see tool/filter.c */
#define CARRY_SCOPES		"scopes"	/* names of those that were tried, for systemd */
#define CARRY_SETTLED		"settled"	/* made when the update is over */
#define CARRY_FAILED		"failed"	/* nvwa-init's reason for not taking the record */

/* enable_debug_mode: CRIU writes its logs in full (lib/apps/criu.c). */
#define CARRY_DEBUG_ENV		"NVWA_CRIU_VERBOSITY"
#define CARRY_DEBUG_LEVEL	"4"

/* Where the report of the last update stays. */
#define CARRY_LAST		"/var/lib/nvwa/last.json"

#endif
