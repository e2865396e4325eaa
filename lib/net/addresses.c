// SPDX-License-Identifier: GPL-2.0-only
/* Links, addresses and routes over the jump, replayed by iproute2 as a batch. */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/net/links.h"
#include "lib/net/net.h"
#include "lib/net/virtual.h"

#define BATCH_FILE	"net/batch"	/* for ip -batch */

/* Lifetimes are seconds, or 2^32-1 for "forever" (INFINITY_LIFE_TIME, net/addrconf.h). */
static void put_lifetime(FILE *batch, const char *name, int64_t seconds)
{
	if (seconds >= 0 && seconds < UINT32_MAX)
		fprintf(batch, " %s %lld", name, (long long)seconds);
}

/* What ip(8) prints of an address and takes with it, without a value. */
static const char *const address_flags[] = { "noprefixroute", "mngtmpaddr", "home", "autojoin" };

static void put_address(FILE *batch, const char *dev, struct json_object *address)
{
	const char *local = json_word(address, "local");
	const char *peer = json_word(address, "address");
	const char *broadcast = json_word(address, "broadcast");
	const char *scope = json_word(address, "scope");
	const char *label = json_word(address, "label");
	const char *family = json_word(address, "family");

	if (!local || !family)
		return;
	fprintf(batch, "addr replace %s", local);
	if (peer)
		fprintf(batch, " peer %s", peer);
	fprintf(batch, "/%lld dev %s", json_number(address, "prefixlen"), dev);
	if (broadcast)
		fprintf(batch, " broadcast %s", broadcast);
	if (scope)
		fprintf(batch, " scope %s", scope);
	if (label)
		fprintf(batch, " label %s", label);
	for (size_t i = 0; i < sizeof(address_flags) / sizeof(address_flags[0]); i++) {
		if (json_object_get_boolean(json_get(address, address_flags[i])))
			fprintf(batch, " %s", address_flags[i]);
	}
	put_lifetime(batch, "valid_lft", json_number(address, "valid_life_time"));
	put_lifetime(batch, "preferred_lft", json_number(address, "preferred_life_time"));
	/* The address was ours a second ago: it is usable at once. */
	if (strcmp(family, "inet6") == 0)
		fputs(" nodad", batch);
	fputc('\n', batch);
}

/* Only links that drive a device are waited for: others are made from them. */
static void put_link(FILE *links, const char *name, struct json_object *link)
{
	const char *address = json_word(link, "permaddr") ?: json_word(link, "address");

	if (links_is_device("/sys/class/net", name))
		fprintf(links, "%s%s%s\n", name, address ? " " : "", address ?: "");
}

/* All links that are up; freed with json_object_put(). */
static int list_links(struct json_object **list, struct error *err)
{
	char *const argv[] = { "ip", "-json", "-details", "addr", "show", "up", NULL };
	_cleanup_free_ char *output = NULL;
	int r;

	r = command_run(argv, &output);
	if (r != 0)
		return error_set(err, r < 0 ? -r : EIO, "cannot list the network addresses: "
				 "'ip -json addr show' failed. Install iproute2");
	*list = json_tokener_parse(output);
	if (!json_object_is_type(*list, json_type_array))
		return error_set(err, EBADMSG, "'ip -json addr show' printed no JSON list");

	return 0;
}

int net_late_addresses(char **text, struct error *err)
{
	_cleanup_json_ struct json_object *list = NULL;
	_cleanup_fclose_ FILE *out = NULL;
	size_t len;
	int r;

	r = list_links(&list, err);
	if (r < 0)
		return r;
	out = open_memstream(text, &len);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *link = json_object_array_get_idx(list, i);
		struct json_object *addresses = json_get(link, "addr_info");

		if (!addresses || virtual_returns(list, link))
			continue;
		for (size_t j = 0; j < json_object_array_length(addresses); j++)
			fprintf(out, "%s %s\n",
				json_word(json_object_array_get_idx(addresses, j), "local"),
				json_word(link, "ifname"));
	}

	return fflush(out) ? -ENOMEM : 0;
}

static int save_links(FILE *batch, FILE *links, struct error *err)
{
	_cleanup_json_ struct json_object *list = NULL;
	int r;

	r = list_links(&list, err);
	if (r < 0)
		return r;
	virtual_make(batch, list);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *link = json_object_array_get_idx(list, i), *addresses;
		const char *name = json_word(link, "ifname");

		if (!name || !virtual_returns(list, link))
			continue;
		put_link(links, name, link);
		fprintf(batch, "link set dev %s mtu %lld up\n", name,
			json_number(link, "mtu"));
		if (!json_object_object_get_ex(link, "addr_info", &addresses))
			continue;
		for (size_t j = 0; j < json_object_array_length(addresses); j++)
			put_address(batch, name, json_object_array_get_idx(addresses, j));
	}
	virtual_settle(batch, list);
	return 0;
}

/* Words of "ip route show" that tell a state and are no arguments. */
static bool is_route_state(const char *word)
{
	return strcmp(word, "linkdown") == 0 || strcmp(word, "dead") == 0 ||
	       strcmp(word, "offload") == 0 || strcmp(word, "trap") == 0;
}

static int save_routes(FILE *batch, const char *family, struct error *err)
{
	char *const argv[] = { "ip", (char *)family, "route", "show", NULL };
	_cleanup_free_ char *output = NULL;
	char *line, *lines;
	int r;

	r = command_run(argv, &output);
	if (r != 0)
		return error_set(err, r < 0 ? -r : EIO, "cannot list the routes: "
				 "'ip %s route show' failed", family);
	lines = output;
	while ((line = strsep(&lines, "\n"))) {
		char *word;

		if (!*line)
			continue;
		/* A multipath route goes on in indented lines. */
		fprintf(batch, "%s", line[0] == '\t' ? "" : "\n");
		if (line[0] != '\t')
			fputs("route replace", batch);	/* the addresses tell the family */
		while ((word = strsep(&line, " \t")))
			if (*word && !is_route_state(word))
				fprintf(batch, " %s", word);
	}
	fputc('\n', batch);
	return 0;
}

int net_save(const char *dir, struct error *err)
{
	_cleanup_free_ char *batch_text = NULL, *links_text = NULL;
	_cleanup_fclose_ FILE *batch = NULL, *links = NULL;
	size_t batch_len = 0, links_len = 0;
	char path[PATH_MAX];
	int r;

	batch = open_memstream(&batch_text, &batch_len);
	links = open_memstream(&links_text, &links_len);
	if (!batch || !links)
		return -ENOMEM;
	r = save_links(batch, links, err);
	if (r == 0)
		r = save_routes(batch, "-4", err);
	if (r == 0)
		r = save_routes(batch, "-6", err);
	if (r < 0)
		return r;
	if (fflush(batch) || fflush(links))
		return -ENOMEM;

	r = path_format(path, sizeof(path), "%s/" LINKS_FILE, dir);
	if (r == 0)
		r = file_write(path, links_text, links_len, 0644);
	if (r == 0)
		r = path_format(path, sizeof(path), "%s/" BATCH_FILE, dir);
	if (r == 0)
		r = file_write(path, batch_text, batch_len, 0644);
	return r;
}

/* Where nvwa-init could not, udev renames links when it first sees them. */
static int wait_for_link(const char *name, int deadline_ms)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };

	for (int waited = 0; waited <= deadline_ms; waited += 5) {
		if (if_nametoindex(name))
			return 0;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

int net_restore(const char *dir, int deadline_ms, struct error *err)
{
	_cleanup_free_ char *links = NULL, *output = NULL;
	char batch[PATH_MAX], path[PATH_MAX], *rest, *name;
	char *const argv[] = { "ip", "-force", "-batch", batch, NULL };
	int r;

	r = path_format(path, sizeof(path), "%s/" LINKS_FILE, dir);
	if (r == 0)
		r = path_format(batch, sizeof(batch), "%s/" BATCH_FILE, dir);
	if (r == 0)
		r = file_read(path, &links, NULL);
	if (r < 0)
		return error_set(err, -r, "cannot read the saved network links: %s", strerror(-r));

	rest = links;
	while ((name = strsep(&rest, "\n")))
		if (*links_name(name) && wait_for_link(name, deadline_ms) < 0)
			error_set(err, ETIMEDOUT, "network link %s did not appear within %d s",
				  name, deadline_ms / 1000);
	/* With -force the rest is done where one line fails, say for a link that is gone. */
	r = command_run(argv, &output);
	if (r != 0)
		return error_set(err, r < 0 ? -r : EIO, "not all addresses and routes could be "
				 "put back: %.*s", (int)strcspn(output ?: "", "\n"), output ?: "");
	return err && err->text[0] ? -ETIMEDOUT : 0;
}
