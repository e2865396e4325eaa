// SPDX-License-Identifier: GPL-2.0-only
/* Building the hop initramfs as a newc cpio archive. */
#include "lib/kexec/hop.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/decompress.h"
#include "lib/kexec/memmap_edit.h"
#include "lib/kexec/signature.h"

#define MODULE_MAX	(256UL << 20)

struct cpio {
	struct archive *a;
	char *data;
	size_t len, size;
};

static la_ssize_t append(struct archive *a, void *ctx, const void *data, size_t len)
{
	struct cpio *c = ctx;

	if (c->size - c->len < len) {
		size_t size = 2 * c->size + len;
		char *bigger = realloc(c->data, size);

		if (!bigger) {
			archive_set_error(a, ENOMEM, "out of memory");
			return -1;
		}
		c->data = bigger;
		c->size = size;
	}
	memcpy(c->data + c->len, data, len);
	c->len += len;
	return len;
}

static int add_entry(struct cpio *c, const char *name, mode_t mode, const void *data, size_t len)
{
	struct archive_entry *e = archive_entry_new();
	int r = 0;

	if (!e)
		return -ENOMEM;
	archive_entry_set_pathname(e, name);
	archive_entry_set_mode(e, mode);
	archive_entry_set_size(e, len);
	archive_entry_set_nlink(e, 1);
	if (archive_write_header(c->a, e) != ARCHIVE_OK ||
	    (len && archive_write_data(c->a, data, len) != (la_ssize_t)len))
		r = -ENOMEM;

	archive_entry_free(e);
	return r;
}

static int add_text(struct cpio *c, const char *name, const char *text)
{
	return add_entry(c, name, S_IFREG | 0600, text, strlen(text));
}

static int add_init(struct cpio *c, struct error *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r = file_read(target_init_path, &data, &len);

	if (r < 0)
		return error_set(err, -r, "%s cannot be read (%s). Install the package nvwa again.",
				 target_init_path, strerror(-r));
	return add_entry(c, "init", S_IFREG | 0755, data, len);
}

/*
 * The kernel spends more on a signature than on most modules themselves, some 25
 * million instructions. When it has taken one module without, as it has marked
 * itself for (taint flag E), it may as well take the others so; *unsigned_one
 * says whether there was one, in the order of their insertion.
 */
static int add_module(struct cpio *c, const struct module *m, bool *unsigned_one,
		      struct error *err)
{
	_cleanup_free_ char *packed = NULL, *data = NULL;
	struct error why = { 0 };
	char name[256];
	size_t len, start;
	int r;

	r = path_format(name, sizeof(name), "nvwa/ko/%s.ko", m->name);
	if (!r)
		r = file_read(m->path, &packed, &len);
	if (!r)
		r = decompress(packed, len, MODULE_MAX, &data, &len, &why);
	if (r < 0)
		return error_set(err, -r, "The module %s cannot be read: %s.", m->path,
				 why.text[0] ? why.text : strerror(-r));
	start = signature_start(data, len);
	*unsigned_one |= start == len;
	return add_entry(c, name, S_IFREG | 0600, data, *unsigned_one ? start : len);
}

/* A file under its own path, with the directories that it lies in. */
static int add_firmware(struct cpio *c, const char *path)
{
	_cleanup_free_ char *data = NULL;
	char dir[PATH_MAX];
	size_t len;
	int r = file_read(path, &data, &len);

	/* The kernel takes it well when a directory is there already. */
	for (const char *p = path; !r && (p = strchr(p + 1, '/'));) {
		r = path_format(dir, sizeof(dir), "%.*s", (int)(p - path - 1), path + 1);
		if (!r)
			r = add_entry(c, dir, S_IFDIR | 0755, NULL, 0);
	}
	return r ? r : add_entry(c, path + 1, S_IFREG | 0600, data, len);
}

static int add_module_list(struct cpio *c, const struct modules *modules)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -errno;
	for (size_t i = 0; i < modules->nr; i++)
		fprintf(out, "%s.ko %s\n", modules->items[i].name, modules->items[i].options);
	if (fclose(out))
		return -ENOMEM;
	return add_text(c, "nvwa/modules", text);
}

static int add_handover(struct cpio *c, const struct target_load *how)
{
	char text[16 + 1 + 2 * NVWA_NONCE_LEN + 2];
	size_t len = snprintf(text, sizeof(text), "%" PRIx64 " ", how->header_phys);

	for (int i = 0; i < NVWA_NONCE_LEN; i++)
		len += snprintf(text + len, sizeof(text) - len, "%02x", how->nonce[i]);
	text[len++] = '\n';
	text[len] = '\0';
	return add_text(c, NVWA_HANDOVER_FILE + 1, text);
}

static int add_maps(struct cpio *c, const struct scratch_plan *plan)
{
	_cleanup_free_ char *hidden = NULL, *ram = NULL;
	struct memmap all = { 0 };
	int r = 0;

	for (size_t i = 0; i < plan->next.nr && !r; i++) {
		const struct memmap_entry *e = &plan->next.entries[i];

		r = memmap_append(&all, e->start, e->start + e->len, e->type, e->nid);
	}
	for (size_t i = 0; i < plan->hidden.nr && !r; i++) {
		const struct memmap_entry *e = &plan->hidden.entries[i];

		r = memmap_overlay(&all, e->start, e->start + e->len, E820_RAM, e->nid);
	}
	if (!r)
		r = memmap_format(&all, &ram);
	memmap_free(&all);
	if (!r)
		r = memmap_format(&plan->hidden, &hidden);
	if (!r)
		r = add_text(c, "nvwa/hidden", hidden);
	if (!r)
		r = add_text(c, "nvwa/ram", ram);
	return r;
}

static int add_all(struct cpio *c, const struct root *root, const struct modules *modules,
		   const struct target_load *how, struct error *err)
{
	static const char *const dirs[] = {
		"proc", "sys", "dev", "run", "root", "nvwa", "nvwa/ko",
	};
	_cleanup_free_ char *root_text = NULL;
	bool unsigned_one = false;
	int r = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !r; i++)
		r = add_entry(c, dirs[i], S_IFDIR | 0755, NULL, 0);
	if (!r)
		r = add_init(c, err);
	if (!r)
		r = add_handover(c, how);
	if (!r)
		r = add_maps(c, how->plan);
	if (!r)
		r = root_format(root, &root_text);
	if (!r)
		r = add_text(c, "nvwa/root", root_text);
	if (!r)
		r = add_module_list(c, modules);
	for (size_t i = 0; i < modules->nr && !r; i++)
		r = add_module(c, &modules->items[i], &unsigned_one, err);
	for (size_t i = 0; i < modules->nr_firmware && !r; i++)
		r = add_firmware(c, modules->firmware[i]);
	return r;
}

int hop_build(const struct root *root, const struct modules *modules, const char *thp,
	      const struct target_load *how, char **data, size_t *len, struct error *err)
{
	struct cpio c = { .a = archive_write_new() };
	int r = -ENOMEM;

	if (c.a && archive_write_set_format_cpio_newc(c.a) == ARCHIVE_OK &&
	    archive_write_add_filter_none(c.a) == ARCHIVE_OK &&
	    archive_write_set_bytes_in_last_block(c.a, 1) == ARCHIVE_OK &&
	    archive_write_open(c.a, &c, NULL, append, NULL) == ARCHIVE_OK)
		r = add_all(&c, root, modules, how, err);
	if (!r)
		r = add_text(&c, "nvwa/thp", thp);
	if (!r && archive_write_close(c.a) != ARCHIVE_OK)
		r = -ENOMEM;
	archive_write_free(c.a);
	if (r < 0) {
		free(c.data);
		return error_set(err, -r, "The hop initramfs cannot be built (%s).", strerror(-r));
	}

	*data = c.data;
	*len = c.len;
	return 0;
}
