// SPDX-License-Identifier: GPL-2.0-only
/* How systemd takes over services that run when it starts. */
#include "lib/apps/takeover.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/bus.h"
#include "lib/apps/cgroup.h"
#include "lib/apps/devfilter.h"
#include "lib/apps/journal.h"
#include "lib/apps/proc.h"
#include "lib/apps/tmpfiles.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/param.h"
#include "lib/base/pass-fd.h"

/* Versions of systemd whose words were read. */
#define OLDEST	252
#define NEWEST	257

#define UNIT_FILE	"unit"		/* what systemd is told of the unit */

/* Where systemd tells journald what it has to know of units. */
#define UNITS_DIR	"/run/systemd/units"

/* --- which services ------------------------------------------------------------- */

/* What only systemd can bring about, or would undo. */
static const struct {
	const char *interface, *property, *type;
} needs_systemd[] = {
	{ "Service", "IPAddressAllow", "a(iayu)" }, { "Service", "IPAddressDeny", "a(iayu)" },
	{ "Service", "IPIngressFilterPath", "as" }, { "Service", "IPEgressFilterPath", "as" },
	{ "Service", "BPFProgram", "a(ss)" },
	{ "Service", "SocketBindAllow", "a(iiqq)" }, { "Service", "SocketBindDeny", "a(iiqq)" },
	{ "Service", "RestrictNetworkInterfaces", "(bas)" },
	{ "Service", "RestrictFileSystems", "(bas)" },
	{ "Unit", "JoinsNamespaceOf", "as" }, { "Unit", "BindsTo", "as" },
};

/* What nvwa-init will start; see bootparam(7). */
static int allows_init(struct error *err)
{
	_cleanup_free_ char *cmdline = NULL, *init = NULL;
	int r;

	r = file_read("/proc/cmdline", &cmdline, NULL);
	if (!r)
		r = param_value(cmdline, "init", &init);
	if (!r && !takeover_understood(init ?: "/sbin/init"))
		return error_set(err, ENOTSUP, "%s is not systemd itself", init ?: "/sbin/init");

	return r;
}

static int allows_version(sd_bus *bus, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	int r, version;

	r = bus_string(bus, BUS_MANAGER, "Manager", "Version", &text);
	if (r < 0)
		return r;
	version = atoi(text);
	r = allows_init(err);
	if (r < 0)
		return r;

	return version >= OLDEST && version <= NEWEST ? 0 :
		error_set(err, ENOTSUP, "nvwa knows how systemd takes over services that run in "
			  "its versions %d to %d, and this is %d", OLDEST, NEWEST, version);
}

static int allows_unit(sd_bus *bus, const char *path, const char *unit, struct error *err)
{
	_cleanup_free_ char *state = NULL, *session = NULL;
	char credentials[400];
	bool unneeded = false, delegated = false, private_tmp = false;
	int r;

	r = bus_string(bus, path, "Unit", "SubState", &state);
	if (r >= 0)
		r = bus_string(bus, path, "Service", "PAMName", &session);
	if (r >= 0)
		r = bus_bool(bus, path, "Unit", "StopWhenUnneeded", &unneeded);
	if (r >= 0)
		r = bus_bool(bus, path, "Service", "Delegate", &delegated);
	if (r >= 0)
		r = bus_bool(bus, path, "Service", "PrivateTmp", &private_tmp);
	if (r >= 0)
		r = path_format(credentials, sizeof(credentials), "/run/credentials/%s", unit);
	if (r < 0)
		return r;
	if (!journal_is_there())
		return error_set(err, ENOTSUP, "systemd does not listen for the journal");
	if (strcmp(state, "running"))
		return error_set(err, ENOTSUP, "it is %s", state);
	if (*session)
		return error_set(err, ENOTSUP, "it has a session of PAM (PAMName=)");
	if (unneeded)
		return error_set(err, ENOTSUP, "systemd stops it when nothing needs it "
				 "(StopWhenUnneeded=)");
	if (delegated)
		return error_set(err, ENOTSUP, "its control group is its own (Delegate=)");
	if (private_tmp && !access(TMPFILES_OWN, F_OK))
		return error_set(err, ENOTSUP, TMPFILES_OWN " says when private directories are "
				 "removed");
	if (!access(credentials, F_OK))
		return error_set(err, ENOTSUP, "systemd gives it credentials");
	for (size_t i = 0; i < sizeof(needs_systemd) / sizeof(needs_systemd[0]); i++) {
		if (bus_has_entries(bus, path, needs_systemd[i].interface,
				    needs_systemd[i].property, needs_systemd[i].type))
			return error_set(err, ENOTSUP, "only systemd can bring about what its unit "
					 "says of %s=", needs_systemd[i].property);
	}

	return 0;
}

static int open_unit(const char *unit, sd_bus **bus, char **path, struct error *err)
{
	int r = bus_open(bus, err);

	return r < 0 ? r : bus_unit(*bus, unit, path, err);
}

bool takeover_has_journal(void)
{
	_cleanup_bus_ sd_bus *bus = NULL;

	return journal_is_there() && !bus_open(&bus, NULL) && !allows_version(bus, NULL);
}

int takeover_allows(const struct app *app, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_bus_ sd_bus *bus = NULL;
	int r;

	r = open_unit(app->name, &bus, &path, err);
	if (!r)
		r = allows_version(bus, err);
	if (!r)
		r = allows_unit(bus, path, app->name, err);
	if (!r)
		r = sandbox_plan(app->pid, app->name, NULL, err);

	return r < 0 ? error_set(err, -r, "systemd does not tell about it: %s", strerror(-r)) : 0;
}

/* --- the old kernel ---------------------------------------------------------------- */

/* As in a string of C, so that it stays on its line. */
static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || strchr("\\\"'\x7f", *text))
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
}

/*
 * When something happened. The monotonic clock begins anew with a kernel, so that of the old
 * one would be in the future; what happened in it was at the very beginning.
 */
static void put_time(FILE *out, sd_bus *bus, const char *path, const char *interface,
		     const char *property, const char *key)
{
	uint64_t usec = 0;

	if (bus_u64(bus, path, interface, property, &usec) >= 0 && usec)
		fprintf(out, "%s=%" PRIu64 " 1\n", key, usec);
}

static void put_id(FILE *out, sd_bus *bus, const char *path, const char *property,
		   const char *key)
{
	uint32_t id = UINT32_MAX;

	if (bus_u32(bus, path, "Service", property, &id) >= 0 && id != UINT32_MAX)
		fprintf(out, "%s=%" PRIu32 "\n", key, id);
}

static int put_invocation(FILE *out, const char *unit)
{
	char path[400], id[64];
	int r;

	r = path_format(path, sizeof(path), UNITS_DIR "/invocation:%s", unit);
	if (!r)
		r = proc_readlink(path, id, sizeof(id));
	if (!r)
		fprintf(out, "invocation-id=%s\nexported-invocation-id=yes\n", id);

	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static int put_unit(FILE *out, sd_bus *bus, const char *path, const struct app *app,
		    const char *cgroup)
{
	_cleanup_free_ char *status = NULL;
	uint64_t watchdog;
	uint32_t restarts = 0;
	int r;

	r = bus_string(bus, path, "Service", "StatusText", &status);
	if (r < 0)
		return r;
	/* Of the unit ... */
	put_time(out, bus, path, "Unit", "StateChangeTimestamp", "state-change-timestamp");
	put_time(out, bus, path, "Unit", "InactiveExitTimestamp", "inactive-exit-timestamp");
	put_time(out, bus, path, "Unit", "ActiveEnterTimestamp", "active-enter-timestamp");
	put_time(out, bus, path, "Unit", "ConditionTimestamp", "condition-timestamp");
	fputs("condition-result=yes\nassert-result=yes\n", out);
	/* Its name has characters that other lines would have to escape; this one is as it is. */
	fprintf(out, "cgroup=%s\ncgroup-realized=yes\n", cgroup);
	put_id(out, bus, path, "UID", "ref-uid");
	put_id(out, bus, path, "GID", "ref-gid");
	r = put_invocation(out, app->name);
	/* ... and of the service. */
	fprintf(out, "state=running\nresult=success\nmain-pid=%d\nmain-pid-known=yes\n"
		"main-exec-status-pid=%d\n", app->pid, app->pid);
	put_time(out, bus, path, "Service", "ExecMainStartTimestamp", "main-exec-status-start");
	if (bus_u64(bus, path, "Service", "WatchdogUSec", &watchdog) >= 0)
		fprintf(out, "watchdog-original-usec=%" PRIu64 "\n", watchdog);
	if (bus_u32(bus, path, "Service", "NRestarts", &restarts) >= 0 && restarts)
		fprintf(out, "n-restarts=%" PRIu32 "\n", restarts);
	if (*status) {
		fputs("status-text=", out);
		put_escaped(out, status);
		fputc('\n', out);
	}

	return r;
}

/* What journald knows of the unit. */
static int put_known(FILE *out, const struct app *app, struct error *err)
{
	_cleanup_closedir_ DIR *units = opendir(UNITS_DIR);
	struct dirent *d;
	char path[400];
	int r = 0;

	while (!r && units && (d = readdir(units))) {
		const char *of = strchr(d->d_name, ':');

		if (of && !strcmp(of + 1, app->name) &&
		    !path_format(path, sizeof(path), UNITS_DIR "/%s", d->d_name))
			r = sandbox_plan_path(path, out, err);
	}

	return r;
}

static int put_directories(FILE *out, sd_bus *bus, const char *path, struct error *err)
{
	_cleanup_strv_ char **names = NULL;
	char dir[4200];
	int r;

	r = bus_strings(bus, path, "Service", "RuntimeDirectory", &names);
	for (char **name = names; r >= 0 && name && *name; name++) {
		r = path_format(dir, sizeof(dir), "/run/%s", *name);
		if (!r)
			r = sandbox_plan_path(dir, out, err);
	}

	return r < 0 ? r : 0;
}

static int write_text(const char *dir, const char *name, const char *text)
{
	char path[4200];
	int r = path_format(path, sizeof(path), "%s/%s", dir, name);

	return r < 0 ? r : file_write(path, text, strlen(text), 0600);
}

/* Both texts end when their streams are flushed. */
static int collect(const struct app *app, const char *cgroup, FILE *unit, FILE *plan,
		   struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_bus_ sd_bus *bus = NULL;
	int r;

	r = open_unit(app->name, &bus, &path, err);
	if (!r)
		r = put_unit(unit, bus, path, app, cgroup);
	if (!r)
		r = put_directories(plan, bus, path, err);
	if (!r)
		r = put_known(plan, app, err);
	if (!r)
		r = sandbox_plan(app->pid, app->name, plan, err);

	return !r && (fflush(unit) || fflush(plan)) ? -ENOMEM : r;
}

static int save(const struct app *app, const char *dir, struct error *err)
{
	_cleanup_free_ char *unit_text = NULL, *plan_text = NULL, *limits = NULL, *cgroup = NULL;
	_cleanup_fclose_ FILE *unit = NULL, *plan = NULL;
	char path[4200], group[4200];
	size_t unit_len, plan_len;
	int r;

	unit = open_memstream(&unit_text, &unit_len);
	plan = open_memstream(&plan_text, &plan_len);
	if (!unit || !plan)
		return -ENOMEM;
	r = proc_cgroup(app->pid, &cgroup);
	if (!r)
		r = collect(app, cgroup, unit, plan, err);
	if (!r)
		r = cgroup_read_limits(cgroup, &limits);
	if (!r)
		r = dir_make_private(dir);
	if (!r)
		r = write_text(dir, STAND_IN_SANDBOX, plan_text);
	if (!r)
		r = write_text(dir, STAND_IN_LIMITS, limits);
	if (!r)
		r = path_format(path, sizeof(path), "%s/" TAKEOVER_STREAMS, dir);
	if (!r)
		r = streams_save(app, path, err);
	if (!r)
		r = path_format(path, sizeof(path), "%s/" STAND_IN_DEVICES, dir);
	if (!r)
		r = path_format(group, sizeof(group), CGROUP_ROOT "%s", cgroup);
	if (!r)
		r = devfilter_save(group, path, err);

	return r < 0 ? r : write_text(dir, UNIT_FILE, unit_text);
}

int takeover_save(const struct app *app, const char *dir, struct error *err)
{
	char path[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/" TAKEOVER_DIR, dir);
	if (!r)
		r = takeover_allows(app, err);
	if (r < 0)
		return r;
	r = save(app, path, err);
	if (r < 0) {
		tree_remove(path);
		error_set(err, -r, "cannot record what systemd has made for %s: %s", app->name,
			  strerror(-r));
	}

	return r;
}

/* --- the new kernel -------------------------------------------------------------- */

static int append(char **text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int append(char **text, const char *fmt, ...)
{
	char *more = NULL, *both = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&more, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	n = asprintf(&both, "%s%s", *text ?: "", more);
	free(more);
	if (n < 0)
		return -ENOMEM;
	free(*text);
	*text = both;

	return 0;
}

/* The number that it will have in systemd; the descriptor is closed if it gets none. */
static int add_fd(struct takeover *t, int fd)
{
	if (t->nr_fds == TAKEOVER_MAX_FDS) {
		close(fd);
		return -E2BIG;
	}
	t->fds[t->nr_fds] = fd;

	return t->first_fd + t->nr_fds++;
}

int takeover_add_journal(struct takeover *t, struct error *err)
{
	const char *unit = "";
	int r = 0;

	for (size_t i = 0; !r && i < NR_JOURNAL_SOCKETS; i++) {
		const struct journal_socket *s = &journal_sockets[i];
		int fd = journal_listen(s), number;

		number = fd < 0 ? fd : add_fd(t, fd);
		if (number < 0)
			return error_set(err, -number, "cannot make %s: %s", s->path,
					 strerror(-number));
		if (strcmp(unit, s->unit))
			r = append(&t->units, "%s%s\nstate=listening\nresult=success\n",
				   *unit ? "\n" : "", s->unit);
		if (!r)
			r = append(&t->units, "socket=%d %d %s\n", number, s->type, s->path);
		unit = s->unit;
	}

	return r < 0 ? r : append(&t->units, "\n");
}

static int add_filters(struct takeover *t, const char *cgroup, struct stand_in *stand_in)
{
	int r = 0;

	for (size_t i = 0; i < stand_in->nr_filters; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;
		FILE *f;
		int number = add_fd(t, stand_in->filters[i]);

		f = open_memstream(&text, &len);
		if (!f)
			return -ENOMEM;
		fprintf(f, "bpf-device-control-installed=%d device ", number);
		put_escaped(f, CGROUP_ROOT);
		put_escaped(f, cgroup);
		fclose(f);
		if (!r)
			r = number < 0 ? number : append(&t->units, "%s\n", text);
	}
	stand_in->nr_filters = 0;

	return r;
}

int takeover_add_service(struct takeover *t, const char *dir, const char *unit,
			 const char *cgroup, struct stand_in *stand_in)
{
	const struct sandbox_tmp *tmp = &stand_in->tmp;
	_cleanup_free_ char *text = NULL;
	char path[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/" TAKEOVER_DIR "/" UNIT_FILE, dir);
	if (!r)
		r = file_read(path, &text, NULL);
	if (!r && (tmp->tmp[0] || tmp->var_tmp[0]))
		r = append(&t->manager, "exec-runtime=%s%s%s%s%s\n", unit,
			   tmp->tmp[0] ? " tmp-dir=" : "", tmp->tmp,
			   tmp->var_tmp[0] ? " var-tmp-dir=" : "", tmp->var_tmp);
	if (!r)
		r = append(&t->units, "%s\n%s", unit, text);
	/* It has not been silent for as long as systemd was not there. */
	if (!r)
		r = append(&t->units, "watchdog-timestamp=%" PRIu64 " %" PRIu64 "\n",
			   clock_ns(CLOCK_REALTIME) / 1000, clock_ns(CLOCK_MONOTONIC) / 1000);
	if (!r)
		r = add_filters(t, cgroup, stand_in);

	return r < 0 ? r : append(&t->units, "\n");
}

int takeover_leave(const struct takeover *t, const char *dir)
{
	char path[4200];
	int r = 0;

	/* The text tells of nothing that is not there. */
	for (size_t i = 0; !r && i < t->nr_fds; i++)
		r = pass_fd(TAKEOVER_SOCKET, t->fds[i], t->first_fd + i);
	if (!r)
		r = path_format(path, sizeof(path), "%s/" TAKEOVER_DIR, dir);
	if (!r)
		r = dir_make_private(path);
	if (!r)
		r = write_text(path, TAKEOVER_MANAGER, t->manager ?: "");

	return r < 0 ? r : write_text(path, TAKEOVER_UNITS, t->units ?: "");
}

int takeover_verify(const char *unit, pid_t pid, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_bus_ sd_bus *bus = NULL;
	uint32_t known = 0;
	int r;

	r = open_unit(unit, &bus, &path, err);
	if (!r)
		r = bus_u32(bus, path, "Service", "MainPID", &known);
	if (r < 0)
		return error_set(err, -r, "systemd does not tell about %s: %s", unit,
				 strerror(-r));
	/* It may have come to its end, or systemd have started it again. */
	if (known == (uint32_t)pid || kill(pid, 0))
		return 0;

	error_set(err, ENOENT, "systemd has not taken over %s (process %d; it knows process %u)",
		  unit, pid, known);

	return 1;
}

void takeover_free(struct takeover *t)
{
	for (size_t i = 0; i < t->nr_fds; i++)
		close(t->fds[i]);
	free(t->manager);
	free(t->units);
	memset(t, 0, sizeof(*t));
}
