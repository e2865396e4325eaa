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
#include "lib/net/batch.h"
#include "lib/net/links.h"
#include "lib/net/net.h"
#include "lib/net/routes.h"
#include "lib/net/virtual.h"

#define BATCH_FILE	"net/batch"	/* for batch_run() */
#define PIECE_FILE	"net/piece"	/* what it needs */

/* Lifetimes are seconds, or 2^32-1 for "forever" (INFINITY_LIFE_TIME, net/addrconf.h). */
static void put_lifetime(FILE *batch, const char *name, int64_t seconds)
{
	if (seconds >= 0 && seconds < UINT32_MAX)
		fprintf(batch, " %s %lld", name, (long long)seconds);
}

/* What ip(8) prints of an address and takes with it, without a value. */
static const char *const address_flags[] = { "noprefixroute", "mngtmpaddr", "home", "autojoin" };

/* Whoever sets the loopback interface up has these, and no route to ::1 in the main table. */
static bool is_given(const char *dev, const char *address)
{
	return !strcmp(dev, "lo") && (!strcmp(address, "127.0.0.1") || !strcmp(address, "::1"));
}

static void put_address(FILE *batch, const char *dev, struct json_object *address)
{
	const char *local = json_word(address, "local");
	const char *peer = json_word(address, "address");
	const char *broadcast = json_word(address, "broadcast");
	const char *scope = json_word(address, "scope");
	const char *label = json_word(address, "label");
	const char *family = json_word(address, "family");

	if (!local || !family || is_given(dev, local))
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
	/* Of the route that the kernel makes with it. */
	if (json_number(address, "metric"))
		fprintf(batch, " metric %lld", json_number(address, "metric"));
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

/* Lines "ADDRESS LINK" of all links, or of those that do not return. */
static int list_addresses(bool late, char **text, struct error *err)
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

		if (!json_word(link, "ifname") || (late && virtual_returns(list, link)))
			continue;
		fprintf(out, "- %s\n", json_word(link, "ifname"));
		for (size_t j = 0; j < json_length(addresses); j++)
			fprintf(out, "%s %s\n",
				json_word(json_object_array_get_idx(addresses, j), "local"),
				json_word(link, "ifname"));
	}

	return fflush(out) ? -ENOMEM : 0;
}

int net_late_addresses(char **text, struct error *err)
{
	return list_addresses(true, text, err);
}

int net_addresses(char **text, struct error *err)
{
	return list_addresses(false, text, err);
}

/* Is there a line that begins with these characters? */
static bool has_line(const char *lines, const char *start, size_t len)
{
	for (; *lines; lines += strcspn(lines, "\n"), lines += *lines == '\n') {
		if (!strncmp(lines, start, len))
			return true;
	}

	return false;
}

int net_addresses_gone(const char *before, char **gone, struct error *err)
{
	_cleanup_free_ char *now = NULL;
	_cleanup_fclose_ FILE *out = NULL;
	size_t len;
	int r;

	r = net_addresses(&now, err);
	if (r < 0)
		return r;
	out = open_memstream(gone, &len);
	if (!out)
		return -ENOMEM;
	for (; *before; before += strcspn(before, "\n"), before += *before == '\n') {
		if (*before != '-' && !has_line(now, before, strcspn(before, " \n") + 1))
			fprintf(out, "%.*s\n", (int)strcspn(before, "\n"), before);
	}

	return fflush(out) ? -ENOMEM : 0;
}

/* A link can take no larger packets than the one below, and is up only if that is. */
static void put_up(FILE *batch, struct json_object *list)
{
	for (int depth = 0; depth <= VIRTUAL_DEEPEST; depth++) {
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			struct json_object *link = json_object_array_get_idx(list, i);
			const char *name = json_word(link, "ifname");

			if (!name || virtual_depth(list, link) != depth ||
			    !virtual_returns(list, link))
				continue;
			fprintf(batch, "link set dev %s mtu %lld\n", name,
				json_number(link, "mtu"));
			/* Or it would have one more address from now on. */
			if (!strcmp(json_text(link, "inet6_addr_gen_mode"), "none"))
				fprintf(batch, "link set dev %s addrgenmode none\n", name);
			fprintf(batch, "link set dev %s up\n", name);
		}
	}
}

static void save_links(FILE *batch, FILE *links, struct json_object *list)
{
	virtual_make(batch, list);
	put_up(batch, list);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *link = json_object_array_get_idx(list, i);
		struct json_object *addresses = json_get(link, "addr_info");
		const char *name = json_word(link, "ifname");

		if (name)
			put_link(links, name, link);
		if (!name || !virtual_returns(list, link))
			continue;
		for (size_t j = 0; j < json_length(addresses); j++)
			put_address(batch, name, json_object_array_get_idx(addresses, j));
	}
}

/* Of the list that ctx is; a route may lead over a link that is down, and is lost then. */
static bool link_returns(void *ctx, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(ctx); i++) {
		struct json_object *link = json_object_array_get_idx(ctx, i);

		if (!strcmp(json_text(link, "ifname"), name))
			return virtual_returns(ctx, link);
	}

	return false;
}

int net_save(const char *dir, struct error *err)
{
	_cleanup_free_ char *batch_text = NULL, *links_text = NULL;
	_cleanup_json_ struct json_object *list = NULL;
	_cleanup_fclose_ FILE *batch = NULL, *links = NULL;
	size_t batch_len = 0, links_len = 0;
	char path[PATH_MAX];
	int r;

	batch = open_memstream(&batch_text, &batch_len);
	links = open_memstream(&links_text, &links_len);
	if (!batch || !links)
		return -ENOMEM;
	r = list_links(&list, err);
	if (r < 0)
		return r;
	save_links(batch, links, list);
	r = routes_save(batch, link_returns, list, err);
	if (r < 0)
		return r;
	virtual_settle(batch, list);
	if (fflush(batch) || fflush(links))
		return -ENOMEM;

	r = path_format(path, sizeof(path), "%s/" LINKS_FILE, dir);
	if (r == 0)
		r = file_write(path, links_text, links_len, 0600);
	if (r == 0)
		r = path_format(path, sizeof(path), "%s/" BATCH_FILE, dir);
	if (r == 0)
		r = file_write(path, batch_text, batch_len, 0600);
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
	_cleanup_free_ char *links = NULL, *batch = NULL;
	char path[PATH_MAX], *rest, *name;
	int r;

	r = path_format(path, sizeof(path), "%s/" LINKS_FILE, dir);
	if (r == 0)
		r = file_read(path, &links, NULL);
	if (r == 0)
		r = path_format(path, sizeof(path), "%s/" BATCH_FILE, dir);
	if (r == 0)
		r = file_read(path, &batch, NULL);
	if (r == 0)
		r = path_format(path, sizeof(path), "%s/" PIECE_FILE, dir);
	if (r < 0)
		return error_set(err, -r, "cannot read the saved network links: %s", strerror(-r));

	rest = links;
	while ((name = strsep(&rest, "\n")))
		if (*links_name(name) && wait_for_link(name, deadline_ms) < 0)
			error_set(err, ETIMEDOUT, "network link %s did not appear within %d s",
				  name, deadline_ms / 1000);
	r = batch_run(path, batch, err);
	return r < 0 ? r : err && err->text[0] ? -ETIMEDOUT : 0;
}
