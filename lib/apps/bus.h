/* SPDX-License-Identifier: GPL-2.0-only */
/* The few things that are asked of systemd. */
#ifndef NVWA_APPS_BUS_H
#define NVWA_APPS_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>
#include "lib/base/error.h"
#include "lib/base/strv.h"

static inline void cleanup_bus(sd_bus **bus)
{
	sd_bus_flush_close_unref(*bus);
}

#define _cleanup_bus_	__attribute__((cleanup(cleanup_bus)))

/* systemd's own socket, which works without and before a bus daemon. */
int bus_open(sd_bus **bus, struct error *err);

/* The path of systemd itself. */
#define BUS_MANAGER	"/org/freedesktop/systemd1"

/* Load a unit: its object path, malloc()ed. */
int bus_unit(sd_bus *bus, const char *unit, char **path, struct error *err);

/* Properties of a unit; interface is "Unit" or "Service". Of systemd itself: "Manager". */
int bus_string(sd_bus *bus, const char *path, const char *interface, const char *property,
	       char **value);
int bus_strings(sd_bus *bus, const char *path, const char *interface, const char *property,
		char ***value);
int bus_u32(sd_bus *bus, const char *path, const char *interface, const char *property,
	    uint32_t *value);
int bus_u64(sd_bus *bus, const char *path, const char *interface, const char *property,
	    uint64_t *value);
int bus_bool(sd_bus *bus, const char *path, const char *interface, const char *property,
	     bool *value);

/*
 * Whether a list has entries; type is the property's, "as", "a(ss)", or "(bas)" where the list
 * is the second of two. A property that this systemd does not have has none.
 */
bool bus_has_entries(sd_bus *bus, const char *path, const char *interface, const char *property,
		     const char *type);

/* systemctl daemon-reload; returns when it is done. */
int bus_reload(sd_bus *bus, struct error *err);

/* Queue a start or stop: verb is "StartUnit", "StopUnit"... */
int bus_job(sd_bus *bus, const char *verb, const char *unit, struct error *err);

/*
 * Put processes into a new scope of the given name, and wait until they are there. It limits
 * nothing: there may be more of them than systemd's defaults allow.
 */
int bus_start_scope(sd_bus *bus, const char *name, const char *description, const pid_t *pids,
		    size_t nr, struct error *err);

#endif
