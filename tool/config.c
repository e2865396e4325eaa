// SPDX-License-Identifier: GPL-2.0-only
/* What the administrator wrote: reading it strictly, and saying where it is wrong. */
#include "tool/config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/cmdline.h"

/* Enough for a small next kernel with systemd; half as much does not boot. */
#define SCRATCH_MB_DEFAULT	512
#define SCRATCH_MB_MIN		256
#define SCRATCH_MB_MAX		(1024 * 1024)

/* A restore takes less than a second on most machines; in one that is emulated, some ten. */
#define AHEAD_SECONDS_DEFAULT	180
#define AHEAD_SECONDS_MIN	5
#define AHEAD_SECONDS_MAX	3600

/* More than CRIU waits for a program to stop; after that clients have given up anyway. */
#define FREEZE_TIMEOUT_DEFAULT	180
#define FREEZE_TIMEOUT_MAX	86400

/* PID_MAX_LIMIT of a 64-bit kernel, include/linux/threads.h. */
#define PID_LIMIT		(4 * 1024 * 1024)

/* Where we are in which file. */
struct reader {
	const char *path;
	yaml_document_t *document;
	struct config *config;
	struct error *err;
};

static int wrong(struct reader *r, const yaml_mark_t *mark, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int wrong(struct reader *r, const yaml_mark_t *mark, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return error_set(r->err, EINVAL, "%s:%zu: %s", r->path, mark->line + 1, text);
}

static const char *scalar(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* "key:" with nothing after it, and the two ways to say so. */
static bool is_null(const yaml_node_t *node)
{
	const char *text = scalar(node);

	return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static const char *shape(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "keys and values";
	default:
		return is_null(node) ? "nothing" : "a single value";
	}
}

static int read_bool(struct reader *r, const yaml_node_t *node, void *field)
{
	static const struct { const char *word; bool value; } forms[] = {
		{ "true", true }, { "yes", true }, { "on", true },
		{ "false", false }, { "no", false }, { "off", false },
	};
	const char *text = scalar(node);

	for (size_t i = 0; text && i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strcasecmp(text, forms[i].word) == 0) {
			*(bool *)field = forms[i].value;
			return 0;
		}
	}
	return wrong(r, &node->start_mark, "expected true or false, found %s",
		     text && *text ? text : shape(node));
}

static int parse_number(const char *text, long min, long max, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 10);
	if (errno || end == text || *end || *number < min || *number > max)
		return -EINVAL;
	return 0;
}

static int read_number(struct reader *r, const yaml_node_t *node, const char *of, int min, int max,
		       unsigned int *field)
{
	const char *text = scalar(node);
	long number;

	if (!text || parse_number(text, min, max, &number) < 0)
		return wrong(r, &node->start_mark, "expected a number of %s from %d to %d, "
			     "found %s", of, min, max, text && *text ? text : shape(node));
	*field = number;
	return 0;
}

static int read_megabytes(struct reader *r, const yaml_node_t *node, void *field)
{
	return read_number(r, node, "MiB", SCRATCH_MB_MIN, SCRATCH_MB_MAX, field);
}

static int read_seconds(struct reader *r, const yaml_node_t *node, void *field)
{
	return read_number(r, node, "seconds", AHEAD_SECONDS_MIN, AHEAD_SECONDS_MAX, field);
}

static int read_timeout(struct reader *r, const yaml_node_t *node, void *field)
{
	return read_number(r, node, "seconds", 1, FREEZE_TIMEOUT_MAX, field);
}

static int read_text(struct reader *r, const yaml_node_t *node, void *field)
{
	const char *text = scalar(node);
	char *copy;

	if (!text || !*text)
		return wrong(r, &node->start_mark, "expected a path or command, found %s",
			     shape(node));
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static int read_cmdline(struct reader *r, const yaml_node_t *node, void *field)
{
	const char *text = scalar(node);
	struct error found = { 0 };

	if (is_null(node))
		return 0;
	if (!text)
		error_set(&found, EINVAL, "%s", shape(node));
	else if (cmdline_check_extra(text, &found) == 0)
		return read_text(r, node, field);
	return wrong(r, &node->start_mark, "expected words for the kernel's command line, "
		     "found %s", found.text);
}

/* Call item() for each node of a list; "key:" with nothing after it is an empty list. */
static int read_list(struct reader *r, const yaml_node_t *node, const char *of,
		     int (*item)(struct reader *r, const yaml_node_t *node))
{
	int result;

	if (is_null(node))
		return 0;
	if (node->type != YAML_SEQUENCE_NODE)
		return wrong(r, &node->start_mark, "expected a list of %s, one \"- \" line each, "
			     "found %s", of, shape(node));
	for (const yaml_node_item_t *i = node->data.sequence.items.start;
	     i < node->data.sequence.items.top; i++) {
		result = item(r, yaml_document_get_node(r->document, *i));
		if (result < 0)
			return result;
	}
	return 0;
}

static int read_service(struct reader *r, const yaml_node_t *node)
{
	/* The characters that systemd allows in unit names, systemd.unit(5). */
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789:-_.\\@";
	static const char suffix[] = ".service";
	struct config *c = r->config;
	const char *text = scalar(node);
	const char *dot;
	char *name, **list;

	if (!text || !*text || text[strspn(text, allowed)] || strlen(text) > 255)
		return wrong(r, &node->start_mark, "expected the name of a service, found %s",
			     text && *text ? text : shape(node));
	dot = strrchr(text, '.');
	if (dot && strcmp(dot, ".socket") == 0)
		return wrong(r, &node->start_mark, "expected the name of a service, found the "
			     "socket %s; name the service that it starts", text);
	if (asprintf(&name, "%s%s", text, dot && strcmp(dot, suffix) == 0 ? "" : suffix) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < c->nr_services; i++) {
		if (strcmp(c->services[i], name) == 0) {
			free(name);
			return wrong(r, &node->start_mark, "%s is named a second time", text);
		}
	}
	list = reallocarray(c->services, c->nr_services + 1, sizeof(*list));
	if (!list) {
		free(name);
		return -ENOMEM;
	}
	c->services = list;
	c->services[c->nr_services++] = name;
	return 0;
}

static int read_services(struct reader *r, const yaml_node_t *node, void *field)
{
	(void)field;
	return read_list(r, node, "services", read_service);
}

static int read_pid(struct reader *r, const yaml_node_t *node)
{
	struct config *c = r->config;
	const char *text = scalar(node);
	pid_t *list;
	long pid;

	if (!text || parse_number(text, 2, PID_LIMIT, &pid) < 0)
		return wrong(r, &node->start_mark, "expected a PID from 2 to %d, found %s",
			     PID_LIMIT, text && *text ? text : shape(node));
	for (size_t i = 0; i < c->nr_pids; i++)
		if (c->pids[i] == pid)
			return wrong(r, &node->start_mark, "PID %ld is named a second time", pid);
	list = reallocarray(c->pids, c->nr_pids + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	c->pids = list;
	c->pids[c->nr_pids++] = pid;
	return 0;
}

static int read_pids(struct reader *r, const yaml_node_t *node, void *field)
{
	(void)field;
	return read_list(r, node, "PIDs", read_pid);
}

static int read_device_shutdown(struct reader *r, const yaml_node_t *node, void *field)
{
	const char *text = scalar(node);

	if (!text || (strcmp(text, "quiet") && strcmp(text, "full")))
		return wrong(r, &node->start_mark, "expected quiet or full, found %s",
			     text && *text ? text : shape(node));
	*(bool *)field = strcmp(text, "full") == 0;
	return 0;
}

static bool names_driver(char *const *list, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

static int read_driver(struct reader *r, const yaml_node_t *node, char ***list, size_t *nr)
{
	const struct quiet_wish *wish = &r->config->devices;
	const char *text = scalar(node);
	char **more;

	if (!text || !*text || strlen(text) >= NVWA_DRIVER_NAME_LEN || strchr(text, '/'))
		return wrong(r, &node->start_mark, "expected the name of a PCI driver, found %s",
			     text && *text ? text : shape(node));
	if (names_driver(wish->full, wish->nr_full, text) ||
	    names_driver(wish->quiet, wish->nr_quiet, text))
		return wrong(r, &node->start_mark, "%s is named a second time", text);
	if (*nr == NVWA_MAX_DRIVERS)
		return wrong(r, &node->start_mark, "expected %d drivers at most", NVWA_MAX_DRIVERS);
	more = reallocarray(*list, *nr + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	*list = more;
	more[*nr] = strdup(text);
	return more[*nr] ? (++*nr, 0) : -ENOMEM;
}

static int read_full_driver(struct reader *r, const yaml_node_t *node)
{
	return read_driver(r, node, &r->config->devices.full, &r->config->devices.nr_full);
}

static int read_quiet_driver(struct reader *r, const yaml_node_t *node)
{
	return read_driver(r, node, &r->config->devices.quiet, &r->config->devices.nr_quiet);
}

static int read_full_drivers(struct reader *r, const yaml_node_t *node, void *field)
{
	(void)field;
	return read_list(r, node, "drivers", read_full_driver);
}

static int read_quiet_drivers(struct reader *r, const yaml_node_t *node, void *field)
{
	(void)field;
	return read_list(r, node, "drivers", read_quiet_driver);
}

struct key {
	const char *name;
	int (*read)(struct reader *r, const yaml_node_t *node, void *field);
	size_t offset;		/* of the field in struct config */
};

#define KEY(name, read) { #name, read, offsetof(struct config, name) }

static const struct key restore_keys[] = {
	{ "services", read_services, 0 },
	{ "pids", read_pids, 0 },
	KEY(restore_net, read_bool),
	KEY(enable_quick_kexec, read_bool),
	KEY(enable_pin_memory, read_bool),
	/* Spelt so in the files that people have. */
	{ "enbale_debug_mode", read_bool, offsetof(struct config, debug) },
	{ "enable_debug_mode", read_bool, offsetof(struct config, debug) },
	{ },
};

static const struct key server_keys[] = {
	KEY(criu_dir, read_text),
	KEY(criu_exe, read_text),
	KEY(kexec_exe, read_text),
	KEY(systemd_etc, read_text),
	KEY(log_dir, read_text),
	KEY(extra_cmdline, read_cmdline),
	KEY(scratch_mb, read_megabytes),
	KEY(freeze_timeout, read_timeout),
	KEY(cpu_park, read_bool),
	KEY(ahead_of_systemd, read_bool),
	KEY(ahead_seconds, read_seconds),
	{ "device_shutdown", read_device_shutdown, offsetof(struct config, devices.none) },
	{ "full_shutdown_drivers", read_full_drivers, 0 },
	{ "quiet_drivers", read_quiet_drivers, 0 },
	{ },
};

static int unknown_key(struct reader *r, const yaml_node_t *node, const struct key *keys)
{
	char list[256] = "";
	size_t len = 0;

	for (const struct key *k = keys; k->name && len < sizeof(list); k++)
		len += snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", k->name);
	return wrong(r, &node->start_mark, "expected one of the keys %s, found %s", list,
		     scalar(node) ?: shape(node));
}

static int read_keys(struct reader *r, const struct key *keys)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->document);
	uint64_t seen = 0;
	int result;

	if (!root || is_null(root))
		return 0;
	if (root->type != YAML_MAPPING_NODE)
		return wrong(r, &root->start_mark, "expected lines of the form \"key: value\", "
			     "found %s", shape(root));
	for (const yaml_node_pair_t *p = root->data.mapping.pairs.start;
	     p < root->data.mapping.pairs.top; p++) {
		const yaml_node_t *name = yaml_document_get_node(r->document, p->key);
		const yaml_node_t *value = yaml_document_get_node(r->document, p->value);
		const struct key *k = keys;

		while (k->name && (!scalar(name) || strcmp(k->name, scalar(name)) != 0))
			k++;
		if (!k->name)
			return unknown_key(r, name, keys);
		if (seen & (UINT64_C(1) << (k - keys)))
			return wrong(r, &name->start_mark, "%s is given a second time", k->name);
		seen |= UINT64_C(1) << (k - keys);
		result = k->read(r, value, (char *)r->config + k->offset);
		if (result < 0)
			return result;
	}
	return 0;
}

static int not_yaml(struct reader *r, const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	/* Bytes that are no UTF-8 are found before there are lines. */
	if (parser->error == YAML_READER_ERROR)
		return error_set(r->err, EINVAL, "%s: expected text in UTF-8, found byte %#x at "
				 "offset %zu", r->path, parser->problem_value & 0xff,
				 parser->problem_offset);
	return wrong(r, &mark, "expected YAML: %s%s%s", parser->context ?: "",
		     parser->context ? ", " : "", parser->problem ?: "it cannot be read");
}

static int read_text_file(struct reader *r, const char *text, size_t len, const struct key *keys)
{
	yaml_document_t document, second;
	yaml_parser_t parser;
	int result;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &document)) {
		result = not_yaml(r, &parser);
		yaml_parser_delete(&parser);
		return result;
	}
	/* cppcheck-suppress autoVariables ; cleared before the return */
	r->document = &document;
	result = read_keys(r, keys);
	if (result == 0 && yaml_document_get_root_node(&document)) {
		if (!yaml_parser_load(&parser, &second)) {
			result = not_yaml(r, &parser);
		} else {
			const yaml_node_t *root = yaml_document_get_root_node(&second);

			if (root)
				result = wrong(r, &root->start_mark, "expected the end of the "
					       "file, found a second document");
			yaml_document_delete(&second);
		}
	}
	r->document = NULL;
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	return result;
}

static int read_file(const char *path, bool may_miss, const struct key *keys,
		     struct config *config, struct error *err)
{
	struct reader r = { .path = path, .config = config, .err = err };
	_cleanup_free_ char *text = NULL;
	size_t len;
	int result;

	result = file_read(path, &text, &len);
	if (result == -ENOENT && may_miss)
		return 0;
	if (result < 0)
		return error_set(err, -result, "%s: cannot be read: %s", path, strerror(-result));
	return read_text_file(&r, text, len, keys);
}

int config_load(const char *path, struct config *config, struct error *err)
{
	char server[PATH_MAX];
	const char *slash;
	int r;

	if (!path)
		path = CONFIG_DIR "/" CONFIG_RESTORE;
	slash = strrchr(path, '/');
	*config = (struct config) {
		.restore_net = true,
		.enable_quick_kexec = true,
		.enable_pin_memory = true,
		.scratch_mb = SCRATCH_MB_DEFAULT,
		.freeze_timeout = FREEZE_TIMEOUT_DEFAULT,
		.cpu_park = true,
		.ahead_of_systemd = true,
		.ahead_seconds = AHEAD_SECONDS_DEFAULT,
	};
	r = path_format(server, sizeof(server), "%.*s" CONFIG_SERVER,
			slash ? (int)(slash + 1 - path) : 0, path);
	if (r == 0)
		r = read_file(path, false, restore_keys, config, err);
	if (r == 0)
		r = read_file(server, true, server_keys, config, err);
	if (r < 0) {
		config_free(config);
		error_set(err, -r, "%s: %s", path, strerror(-r));
	}
	return r;
}

void config_free(struct config *config)
{
	for (size_t i = 0; i < config->nr_services; i++)
		free(config->services[i]);
	free(config->services);
	free(config->pids);
	for (size_t i = 0; i < config->devices.nr_full; i++)
		free(config->devices.full[i]);
	free(config->devices.full);
	for (size_t i = 0; i < config->devices.nr_quiet; i++)
		free(config->devices.quiet[i]);
	free(config->devices.quiet);
	free(config->criu_dir);
	free(config->criu_exe);
	free(config->kexec_exe);
	free(config->systemd_etc);
	free(config->log_dir);
	free(config->extra_cmdline);
	*config = (struct config) { 0 };
}
