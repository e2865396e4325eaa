// SPDX-License-Identifier: GPL-2.0-only
/* The few things that are asked of systemd. */
#include "lib/apps/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define PRIVATE_SOCKET	"unix:path=/run/systemd/private"
#define DESTINATION	"org.freedesktop.systemd1"
#define MANAGER		"org.freedesktop.systemd1.Manager"

static inline void cleanup_bus_error(sd_bus_error *e)
{
	sd_bus_error_free(e);
}

static inline void cleanup_message(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}

#define _cleanup_bus_error_	__attribute__((cleanup(cleanup_bus_error)))
#define _cleanup_message_	__attribute__((cleanup(cleanup_message)))

int bus_open(sd_bus **bus, struct error *err)
{
	_cleanup_bus_ sd_bus *b = NULL;
	int r;

	r = sd_bus_new(&b);
	if (r >= 0)
		r = sd_bus_set_address(b, PRIVATE_SOCKET);
	if (r >= 0)
		r = sd_bus_start(b);
	if (r < 0)
		return error_set(err, -r, "cannot talk to systemd: %s", strerror(-r));

	*bus = steal_ptr(b);
	return 0;
}

int bus_unit(sd_bus *bus, const char *unit, char **path, struct error *err)
{
	_cleanup_bus_error_ sd_bus_error e = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *object;
	int r;

	r = sd_bus_call_method(bus, DESTINATION, BUS_MANAGER, MANAGER, "LoadUnit", &e, &reply,
			       "s", unit);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &object);
	if (r < 0)
		return error_set(err, -r, "systemd does not load unit %s: %s", unit,
				 e.message ? e.message : strerror(-r));
	*path = strdup(object);

	return *path ? 0 : -ENOMEM;
}

#define INTERFACE(name)	(!strcmp(name, "Unit") ? DESTINATION ".Unit" : \
			 !strcmp(name, "Manager") ? MANAGER : DESTINATION ".Service")

int bus_string(sd_bus *bus, const char *path, const char *interface, const char *property,
	       char **value)
{
	return sd_bus_get_property_string(bus, DESTINATION, path, INTERFACE(interface), property,
					  NULL, value);
}

int bus_strings(sd_bus *bus, const char *path, const char *interface, const char *property,
		char ***value)
{
	return sd_bus_get_property_strv(bus, DESTINATION, path, INTERFACE(interface), property,
					NULL, value);
}

int bus_u32(sd_bus *bus, const char *path, const char *interface, const char *property,
	    uint32_t *value)
{
	return sd_bus_get_property_trivial(bus, DESTINATION, path, INTERFACE(interface), property,
					   NULL, 'u', value);
}

int bus_u64(sd_bus *bus, const char *path, const char *interface, const char *property,
	    uint64_t *value)
{
	return sd_bus_get_property_trivial(bus, DESTINATION, path, INTERFACE(interface), property,
					   NULL, 't', value);
}

int bus_bool(sd_bus *bus, const char *path, const char *interface, const char *property,
	     bool *value)
{
	int flag, r;

	r = sd_bus_get_property_trivial(bus, DESTINATION, path, INTERFACE(interface), property,
					NULL, 'b', &flag);
	if (r >= 0)
		*value = flag;

	return r;
}

bool bus_has_entries(sd_bus *bus, const char *path, const char *interface, const char *property,
		     const char *type)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = sd_bus_get_property(bus, DESTINATION, path, INTERFACE(interface), property, NULL, &m,
				type);
	if (r >= 0 && *type == '(') {
		r = sd_bus_message_enter_container(m, 'r', "bas");
		if (r >= 0)
			r = sd_bus_message_skip(m, "b");
		type = "as";
	}
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', type + 1);

	return r >= 0 && sd_bus_message_at_end(m, false) == 0;
}

int bus_reload(sd_bus *bus, struct error *err)
{
	_cleanup_bus_error_ sd_bus_error e = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(bus, &m, DESTINATION, BUS_MANAGER, MANAGER, "Reload");
	/* Generators run during a reload: it may take its time. */
	if (r >= 0)
		r = sd_bus_call(bus, m, 180 * 1000000ULL, &e, NULL);
	if (r < 0)
		return error_set(err, -r, "systemd did not reload its units: %s",
				 e.message ? e.message : strerror(-r));

	return 0;
}

int bus_job(sd_bus *bus, const char *verb, const char *unit, struct error *err)
{
	_cleanup_bus_error_ sd_bus_error e = SD_BUS_ERROR_NULL;
	int r;

	r = sd_bus_call_method(bus, DESTINATION, BUS_MANAGER, MANAGER, verb, &e, NULL, "ss",
			       unit, "replace");
	if (r < 0)
		return error_set(err, -r, "systemd refuses %s of %s: %s", verb, unit,
				 e.message ? e.message : strerror(-r));

	return 0;
}

static int scope_message(sd_bus *bus, const char *name, const char *description,
			 const pid_t *pids, size_t nr, sd_bus_message **message)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(bus, &m, DESTINATION, BUS_MANAGER, MANAGER,
					   "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", name, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "Description", "s", description);
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "TasksMax", "t", UINT64_MAX);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", "PIDs");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "au");
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'u', pids, nr * sizeof(pid_t));
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r < 0)
		return r;

	*message = steal_ptr(m);
	return 0;
}

/* A busy machine may take its time. */
#define SCOPE_DEADLINE_MS	30000

int bus_start_scope(sd_bus *bus, const char *name, const char *description, const pid_t *pids,
		    size_t nr, struct error *err)
{
	_cleanup_bus_error_ sd_bus_error e = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	_Static_assert(sizeof(pid_t) == sizeof(uint32_t), "process ids are sent as uint32");

	r = scope_message(bus, name, description, pids, nr, &m);
	if (r >= 0)
		r = sd_bus_call(bus, m, 0, &e, NULL);
	if (r < 0)
		return error_set(err, -r, "systemd does not make the scope %s: %s", name,
				 e.message ? e.message : strerror(-r));

	/* The call returns when the job is queued; the cgroup tells when it ran. */
	for (int i = 0; i < SCOPE_DEADLINE_MS / 10; i++) {
		_cleanup_free_ char *cgroup = NULL;
		const char *last;

		r = proc_cgroup(pids[0], &cgroup);
		if (r < 0)
			return error_set(err, -r, "process %d is gone", pids[0]);
		last = strrchr(cgroup, '/');
		if (last && !strcmp(last + 1, name))
			return 0;
		usleep(10000);
	}

	return error_set(err, ETIMEDOUT, "process %d did not arrive in the scope %s", pids[0],
			 name);
}
