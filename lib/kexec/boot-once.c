// SPDX-License-Identifier: GPL-2.0-only
/*
 * GRUB's one-shot entry. Its configuration as Debian makes it heeds the variable next_entry of
 * its environment block, and empties it when it has read it (/etc/grub.d/00_header).
 */
#include "lib/kexec/boot-once.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define GRUB_DIR	"/boot/grub"
#define GRUB_CONFIG	GRUB_DIR "/grub.cfg"
#define GRUB_ENV	GRUB_DIR "/grubenv"
#define NEXT_ENTRY	"next_entry"

/* Menus in menus; each line that ends in a brace opens a block. */
#define DEPTH		16
#define ID_LEN		192

struct blocks {
	char ids[DEPTH][ID_LEN];	/* "" for what is no menu and no entry, or has no id */
	size_t depth;
};

/* The word in quotes that follows $menuentry_id_option. */
static void read_id(const char *line, char *id)
{
	const char *word = strstr(line, "$menuentry_id_option");
	size_t len;

	id[0] = '\0';
	word = word ? strchr(word, '\'') : NULL;
	len = word ? strcspn(word + 1, "'") : 0;
	/* A menu's path has ">" between its parts. */
	if (len && len < ID_LEN && !memchr(word + 1, '>', len))
		snprintf(id, ID_LEN, "%.*s", (int)len, word + 1);
}

/* Does this line of an entry start the release, and not its rescue? */
static bool starts(const char *line, const char *release)
{
	char command[16], image[PATH_MAX];
	const char *name;

	if (sscanf(line, "%15s %4095s", command, image) != 2 || strncmp(command, "linux", 5))
		return false;
	name = strrchr(image, '/');
	name = name ? name + 1 : image;
	return !strncmp(name, "vmlinuz-", 8) && !strcmp(name + 8, release) &&
	       !strstr(line, " single") && !strstr(line, " recovery");
}

static char *path_of(const struct blocks *b)
{
	char path[DEPTH * ID_LEN] = "";

	for (size_t i = 0; i < b->depth; i++) {
		if (b->ids[i][0])
			strcat(strcat(path, *path ? ">" : ""), b->ids[i]);
	}
	return strdup(path);
}

/* Of several, one that is named after the release: others change their meaning by themselves. */
static char *find_entry(char *config, const char *release)
{
	struct blocks b = { .depth = 0 };
	char *line, *save = NULL, *found = NULL;

	for (line = strtok_r(config, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t len;

		line += strspn(line, " \t");
		len = strlen(line);
		while (len && strchr(" \t\r", line[len - 1]))
			line[--len] = '\0';
		if (len && line[len - 1] == '{') {
			if (b.depth == DEPTH)
				break;
			read_id(line, b.ids[b.depth++]);
		} else if (!strcmp(line, "}")) {
			b.depth -= b.depth > 0;
		} else if (b.depth && b.ids[b.depth - 1][0] && starts(line, release)) {
			bool named = strstr(b.ids[b.depth - 1], release);

			if (found && !named)
				continue;
			free(found);
			found = path_of(&b);
			if (named)
				break;
		}
	}
	return found;
}

/*
 * GRUB writes to its environment block without knowing of journals, checksums or several disks:
 * its manual, "The GRUB environment block". Where it cannot, an entry would stay chosen.
 */
static int check_writable(struct error *err)
{
	static const unsigned int types[] = {
		EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC,
	};
	char device[64], target[PATH_MAX];
	bool known = false;
	struct statfs fs;
	struct stat st;
	ssize_t n;

	if (statfs(GRUB_DIR, &fs) < 0 || stat(GRUB_DIR, &st) < 0)
		return error_set(err, errno, "%s: %s", GRUB_DIR, strerror(errno));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		known |= types[i] == fs.f_type;
	snprintf(device, sizeof(device), "/sys/dev/block/%u:%u", major(st.st_dev),
		 minor(st.st_dev));
	n = readlink(device, target, sizeof(target) - 1);
	if (n < 0)
		known = false;
	else
		target[n] = '\0';
	if (!known || strstr(target, "/virtual/"))
		return error_set(err, EOPNOTSUPP, "GRUB cannot write to the file system that has "
				 GRUB_DIR ", and would start that kernel for ever");
	return 0;
}

int boot_once_find(const char *sysroot, const char *release, char **entry, struct error *err)
{
	_cleanup_free_ char *config = NULL;
	char path[PATH_MAX];
	int r;

	r = path_format(path, sizeof(path), "%s" GRUB_CONFIG, sysroot);
	if (!r)
		r = file_read(path, &config, NULL);
	if (r < 0)
		return error_set(err, -r, "it is not GRUB, whose configuration would be "
				 GRUB_CONFIG " (%s)", strerror(-r));
	if (!strstr(config, NEXT_ENTRY))
		return error_set(err, EOPNOTSUPP, GRUB_CONFIG " does not heed " NEXT_ENTRY);
	if (!*sysroot && check_writable(err) < 0)
		return -EOPNOTSUPP;
	*entry = find_entry(config, release);
	if (!*entry)
		return error_set(err, ENOENT, GRUB_CONFIG " has no entry for it. Run: update-grub");
	return 0;
}

char *boot_once_chosen(void)
{
	char *const argv[] = { "grub-editenv", GRUB_ENV, "list", NULL };
	_cleanup_free_ char *output = NULL;
	char *line, *save = NULL;

	if (access(GRUB_ENV, F_OK) || command_run(argv, &output) != 0)
		return NULL;
	for (line = strtok_r(output, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, NEXT_ENTRY "=", strlen(NEXT_ENTRY "=")))
			return line[strlen(NEXT_ENTRY "=")] ?
			       strdup(line + strlen(NEXT_ENTRY "=")) : NULL;
	}
	return NULL;
}

int boot_once_choose(const char *entry, struct error *err)
{
	char *const choose[] = { "grub-reboot", (char *)entry, NULL };
	char *const take_back[] = { "grub-editenv", GRUB_ENV, "unset", NEXT_ENTRY, NULL };
	_cleanup_free_ char *output = NULL;
	int r = command_run(entry ? choose : take_back, &output);

	if (r)
		return error_set(err, EIO, "%s failed: %s", entry ? choose[0] : take_back[0],
				 r < 0 ? strerror(-r) :
				 output && *output ? output : "no reason given");
	return 0;
}
