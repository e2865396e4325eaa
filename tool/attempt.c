// SPDX-License-Identifier: GPL-2.0-only
/* The note of an update that has not ended yet, and what the boot loader is told for its time. */
#include "tool/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/kexec/boot-once.h"
#include "lib/kexec/target.h"
#include "tool/carry.h"

#define ATTEMPT_DIR	"/var/lib/nvwa"
#define ATTEMPT		ATTEMPT_DIR "/attempt.json"
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"

static bool is_this_boot(struct json_object *attempt)
{
	_cleanup_free_ char *id = NULL;

	if (file_read(BOOT_ID, &id, NULL) < 0)
		return false;
	id[strcspn(id, "\n")] = '\0';
	return strcmp(id, json_text(attempt, "boot_id")) == 0;
}

/* On the disk before the machine can die. */
static int write_note(struct json_object *attempt)
{
	const char *text = json_format(attempt);
	_cleanup_close_ int fd = -1;
	int r = file_write(ATTEMPT ".new", text, strlen(text), 0600);

	if (r == 0)
		fd = open(ATTEMPT ".new", O_RDONLY | O_CLOEXEC);
	if (r == 0 && (fd < 0 || fsync(fd) < 0 || rename(ATTEMPT ".new", ATTEMPT) < 0))
		r = -errno;
	return r;
}

/* What is going to be chosen, and what was before: noted first, so that it can be taken back. */
static void note_entry(struct json_object *attempt, const char *release)
{
	_cleanup_free_ char *entry = NULL, *before = boot_once_chosen();

	if (boot_once_find("", release, &entry, NULL) == 0) {
		json_put_text(attempt, "entry", entry);
		json_put_text(attempt, "entry_before", before);
	}
}

int attempt_begin(const char *id, const char *from, const char *to, struct error *err)
{
	_cleanup_json_ struct json_object *attempt = json_object_new_object();
	_cleanup_free_ char *boot = NULL, *image = NULL;
	int r;

	r = file_read(BOOT_ID, &boot, NULL);
	if (r == 0)
		r = target_image_id(to, &image);
	if (r < 0)
		return r;
	boot[strcspn(boot, "\n")] = '\0';
	json_put_text(attempt, "id", id);
	json_put_text(attempt, "from", from);
	json_put_text(attempt, "to", to);
	json_put_text(attempt, "image", image);
	json_put_text(attempt, "boot_id", boot);
	json_put_number(attempt, "started", time(NULL));
	note_entry(attempt, from);
	r = write_note(attempt);
	if (r < 0)
		return error_set(err, -r, "cannot write " ATTEMPT ": %s", strerror(-r));
	if (json_word(attempt, "entry"))
		boot_once_choose(json_word(attempt, "entry"), NULL);
	return 0;
}

int attempt_end(struct error *err)
{
	_cleanup_json_ struct json_object *attempt = json_object_from_file(ATTEMPT);
	_cleanup_free_ char *chosen = NULL;
	int r = 0;

	if (!attempt)
		return 0;
	/* Somebody may have chosen another one meanwhile, or the boot loader have taken it. */
	chosen = json_word(attempt, "entry") ? boot_once_chosen() : NULL;
	if (chosen && strcmp(chosen, json_word(attempt, "entry")) == 0)
		r = boot_once_choose(json_word(attempt, "entry_before"), err);
	if (unlink(ATTEMPT) < 0 && errno != ENOENT)
		r = error_set(err, errno, "cannot remove " ATTEMPT ": %s", strerror(errno));
	return r;
}

struct json_object *attempt_failed(void)
{
	struct json_object *attempt = json_object_from_file(ATTEMPT);

	if (!attempt)
		return NULL;
	/* In the new kernel it is under way until it has settled. */
	if (!is_this_boot(attempt) && (access(NVWA_STATE_DIR "/" CARRY_UPDATE, F_OK) < 0 ||
				       access(NVWA_STATE_DIR "/" CARRY_SETTLED, F_OK) == 0))
		return attempt;
	json_object_put(attempt);
	return NULL;
}

int attempt_check(const char *release, struct error *err)
{
	_cleanup_json_ struct json_object *attempt = attempt_failed();
	_cleanup_free_ char *image = NULL;
	time_t started;
	char when[64];
	struct tm tm;

	if (!attempt || strcmp(json_text(attempt, "to"), release) != 0 ||
	    target_image_id(release, &image) < 0 ||
	    strcmp(json_text(attempt, "image"), image) != 0)
		return 0;
	started = json_number(attempt, "started");
	if (!localtime_r(&started, &tm) || !strftime(when, sizeof(when), "%F %T %Z", &tm))
		when[0] = '\0';
	return error_set(err, ENOTRECOVERABLE, "the update to %s that was begun at %s never came "
			 "to its end: that kernel died, could not take the programs over, or "
			 "the machine was reset meanwhile. Look for the reason (console, serial "
			 "line) before you try it again with --force", release, when);
}
