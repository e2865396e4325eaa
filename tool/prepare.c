// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvwa prepare: the slow part of loading a kernel, done beforehand. What it
 * makes stays on disk, and nothing is loaded: Debian 13's systemctl reboots
 * into whatever is.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/json.h"
#include "lib/kexec/kept.h"
#include "lib/kexec/target.h"
#include "tool/check.h"
#include "tool/common.h"
#include "tool/config.h"
#include "tool/prepared.h"
#include "tool/verbs.h"

/* In local time; "at an unknown time" if there is none. */
static const char *when(int64_t seconds, char *buf, size_t size)
{
	time_t t = seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, size, "on %F at %T %Z", &tm))
		snprintf(buf, size, "at an unknown time");
	return buf;
}

void prepared_use(const struct target *target, const char *release)
{
	const struct kept *kept;
	struct error err = { 0 };
	const char *why;
	char date[64];

	switch (target_kept(target, &kept, &why)) {
	case TARGET_KEPT_NOTHING:
		break;
	case TARGET_KEPT_USED:
		printf("nvwa: %s was prepared %s, which is used\n", release,
		       when(kept->prepared, date, sizeof(date)));
		break;
	case TARGET_KEPT_UNFIT:
		printf("nvwa: what was prepared of %s is made anew: %s\n", release, why);
		if (target_keep(release, &err) < 0)
			complain("%s", err.text);
	}
	fflush(stdout);
}

void prepared_done(void)
{
	struct utsname uts;
	struct kept kept;
	int r = kept_look(KEPT_DIR, &kept, NULL);

	uname(&uts);
	if ((r == 0 || r == -ESTALE) && !strcmp(kept.release, uts.release) &&
	    kept_remove(KEPT_DIR) < 0)
		complain("%s cannot be removed", KEPT_DIR);
}

struct json_object *prepared_json(void)
{
	struct json_object *o;
	struct error err = { 0 };
	struct kept kept;
	int r;

	/* Others are not let in, and would find it out of order. */
	r = geteuid() == 0 ? kept_look(KEPT_DIR, &kept, &err) : -EACCES;
	if (r != 0 && r != -ESTALE)
		return NULL;
	o = json_object_new_object();
	json_put_text(o, "release", *kept.release ? kept.release : NULL);
	json_put_number(o, "prepared", kept.prepared);
	json_put_number(o, "bytes", kept.bytes);
	json_put_bool(o, "fits", r == 0);
	json_put_text(o, "why", r == 0 ? NULL : err.text);
	return o;
}

void prepared_print(struct json_object *o)
{
	char date[64];

	if (!o)
		return;
	if (json_object_get_boolean(json_get(o, "fits")))
		printf("prepared     %s, %s (%lld MiB)\n", json_text(o, "release"),
		       when(json_number(o, "prepared"), date, sizeof(date)),
		       json_number(o, "bytes") >> 20);
	else
		printf("prepared     %s, but it is of no use any more: %s\n",
		       json_get(o, "release") ? json_text(o, "release") : "something",
		       json_text(o, "why"));
}

static int prepare_remove(void)
{
	_cleanup_close_ int lock = -1;
	struct error err = { 0 };
	struct kept kept;
	bool nothing;
	int r;

	if (geteuid() != 0) {
		complain("what was prepared belongs to root. Run nvwa through sudo");
		return EXIT_ROOT;
	}
	lock = lock_take(&err);
	if (lock < 0) {
		complain("%s", err.text);
		return EXIT_BUSY;
	}
	nothing = kept_look(KEPT_DIR, &kept, NULL) == -ENOENT;
	r = kept_remove(KEPT_DIR);
	if (r < 0) {
		complain("%s cannot be removed: %s", KEPT_DIR, strerror(-r));
		return EXIT_FAILURE;
	}
	printf("nvwa: %s\n", nothing ? "nothing was prepared" : "what was prepared is removed");
	return EXIT_OK;
}

static int prepare_keep(const struct check_result *check)
{
	_cleanup_close_ int lock = -1;
	const struct kept *kept;
	struct error err = { 0 };
	struct kept now;
	const char *why;
	char date[64];

	lock = lock_take(&err);
	if (lock < 0) {
		complain("%s", err.text);
		return EXIT_BUSY;
	}
	if (target_kept(check->target, &kept, &why) == TARGET_KEPT_USED) {
		printf("nvwa: %s is prepared already, %s\n", check->release,
		       when(kept->prepared, date, sizeof(date)));
		return EXIT_OK;
	}
	if (target_keep(check->release, &err) < 0 || kept_look(KEPT_DIR, &now, &err) < 0) {
		complain("%s", err.text);
		return EXIT_FAILURE;
	}
	printf("nvwa: %s is prepared: %llu MiB in %s. To change to it: nvwa update %s\n",
	       check->release, (unsigned long long)now.bytes >> 20, KEPT_DIR, check->release);
	return EXIT_OK;
}

static const struct option options[] = {
	{ "force", no_argument, NULL, 'f' },
	{ "remove", no_argument, NULL, 'r' },
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ },
};

int verb_prepare(int argc, char **argv)
{
	struct check_result check = { 0 };
	struct release_args args = { 0 };
	struct config config = { 0 };
	struct error err = { 0 };
	int code;

	code = release_args_parse("prepare", argc, argv, options, "h", &args);
	if (code >= 0)
		return code;
	if (args.remove && args.release) {
		complain("--remove takes no release, as only one is kept");
		return EXIT_USAGE;
	}
	if (args.remove)
		return prepare_remove();
	if (config_load(args.config, &config, &err) < 0) {
		complain("%s", err.text);
		return EXIT_CONFIG;
	}
	code = check_run(&config, args.release, args.force, &check);
	check_print(&check, stdout);
	fflush(stdout);
	if (code == EXIT_OK)
		code = prepare_keep(&check);
	check_free(&check);
	config_free(&config);
	return code;
}
