// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a bzImage, by the kernel's Documentation/arch/x86/boot.rst ("boot.rst"
 * below), and laying out the ELF kernel that is packed inside.
 */
#include "lib/kexec/image.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/checksum.h"
#include "lib/kexec/decompress.h"
#include "uapi/record.h"

/* boot.rst, "The Real-Mode Kernel Header" and its fields. */
#define HEADER_OFFSET	0x1f1		/* setup_sects */
#define HEADER_JUMP	0x201		/* second byte of the jump: the header's length */
#define HEADER_BASE	0x202		/* what that length, and kernel_version, count from */
#define HEADER_MAGIC	0x53726448	/* "HdrS" */
#define BOOT_FLAG	0xaa55
#define SECTOR		512
#define SYS_UNIT	16		/* syssize is in paragraphs */
#define DEFAULT_SECTS	4		/* setup_sects 0 means this */
#define VERSION_XLOADFLAGS 0x020c	/* protocol 2.12 has xloadflags */

/* Documentation/arch/arm64/booting.rst: the magic of an arm64 Image. */
#define ARM64_MAGIC_OFFSET	56
#define ARM64_MAGIC		"ARM\x64"

/* An unpacked kernel is some 60 MB; more than this is a decompression bomb. */
#define KERNEL_MAX	(512UL << 20)

/* MIN_KERNEL_ALIGN in arch/x86/include/asm/boot.h: the kernel maps itself in pages of 2 MiB. */
#define ALIGN_MIN	(2U << 20)

#define REINSTALL	"Install the package of this kernel again, or choose another release."

static int refuse_foreign(const char *path, const char *data, size_t len, struct error *err)
{
	if (len >= ARM64_MAGIC_OFFSET + 4 && !memcmp(data + ARM64_MAGIC_OFFSET, ARM64_MAGIC, 4))
		return error_set(err, ENOEXEC, "%s is a kernel for arm64, and this machine is "
				 "x86-64. Choose another release.", path);
	if (len >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG))
		return error_set(err, ENOEXEC, "%s is an ELF file, not a bzImage. " REINSTALL,
				 path);
	if (len < HEADER_OFFSET + sizeof(struct setup_header))
		return error_set(err, ENOEXEC, "%s is not a kernel, or truncated: it has only %zu "
				 "bytes. " REINSTALL, path, len);
	return error_set(err, ENOEXEC, "%s is not a Linux kernel for x86 (no \"HdrS\" in it). "
			 REINSTALL, path);
}

/* Where in the file the real-mode code ends. */
static size_t system_start(const struct setup_header *h)
{
	return ((h->setup_sects ? h->setup_sects : DEFAULT_SECTS) + 1) * SECTOR;
}

/* Find the header and the packed kernel; everything that is looked at lies in the file. */
static int parse_header(const char *path, const char *data, size_t len, struct image *image,
			size_t *payload, struct error *err)
{
	struct setup_header *h = &image->header;
	size_t header_len, system, system_len;
	const char *version;

	if (len < HEADER_OFFSET + sizeof(*h))
		return refuse_foreign(path, data, len, err);
	memcpy(h, data + HEADER_OFFSET, sizeof(*h));
	if (h->boot_flag != BOOT_FLAG || h->header != HEADER_MAGIC)
		return refuse_foreign(path, data, len, err);

	/* What the file's own header does not reach is not ours to read. */
	header_len = HEADER_BASE + (unsigned char)data[HEADER_JUMP] - HEADER_OFFSET;
	if (header_len < sizeof(*h))
		memset((char *)h + header_len, 0, sizeof(*h) - header_len);

	if (h->version < VERSION_XLOADFLAGS || !(h->xloadflags & XLF_KERNEL_64))
		return error_set(err, ENOEXEC, "%s is a 32-bit or very old kernel (boot protocol "
				 "%x.%02x); a 64-bit kernel of Linux 3.8 or later is needed.",
				 path, h->version >> 8, h->version & 0xff);

	system = system_start(h);
	system_len = (size_t)h->syssize * SYS_UNIT;
	*payload = system + h->payload_offset;
	if (len < system || len - system < system_len || *payload > len ||
	    h->payload_length > len - *payload)
		return error_set(err, ENOEXEC, "%s is truncated: %zu bytes of at least %zu are "
				 "there. " REINSTALL, path, len,
				 *payload + h->payload_length > system + system_len ?
				 *payload + h->payload_length : system + system_len);

	version = data + h->kernel_version + SECTOR;
	if (!h->kernel_version || version >= data + system)
		return error_set(err, ENOEXEC, "%s does not say which kernel it is. " REINSTALL,
				 path);
	snprintf(image->version, sizeof(image->version), "%.*s",
		 (int)(data + system - version), version);
	return 0;
}

static int check_elf(const Elf64_Ehdr *e, size_t len)
{
	if (len < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) ||
	    e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB ||
	    e->e_machine != EM_X86_64 || e->e_phentsize != sizeof(Elf64_Phdr) ||
	    e->e_phoff % 8 || e->e_phoff > len ||
	    e->e_phnum > (len - e->e_phoff) / sizeof(Elf64_Phdr))
		return -ENOEXEC;
	return 0;
}

/* Put the segments where they lie relative to each other; holes are zero. */
static int lay_out(const char *elf, size_t len, struct image *image)
{
	const Elf64_Ehdr *e = (const void *)elf;
	const Elf64_Phdr *ph;
	uint64_t low = UINT64_MAX, high = 0, end = 0;
	int r = check_elf(e, len);

	if (r)
		return r;
	ph = (const void *)(elf + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (ph[i].p_offset > len || ph[i].p_filesz > len - ph[i].p_offset ||
		    ph[i].p_filesz > ph[i].p_memsz || ph[i].p_memsz > KERNEL_MAX ||
		    ph[i].p_paddr > UINT32_MAX)
			return -ENOEXEC;
		if (ph[i].p_paddr < low)
			low = ph[i].p_paddr;
		if (ph[i].p_paddr + ph[i].p_filesz > high)
			high = ph[i].p_paddr + ph[i].p_filesz;
		if (ph[i].p_paddr + ph[i].p_memsz > end)
			end = ph[i].p_paddr + ph[i].p_memsz;
	}
	if (low >= high || low % NVWA_PAGE_SIZE || high - low > KERNEL_MAX ||
	    e->e_entry < low || e->e_entry >= high)
		return -ENOEXEC;

	image->kernel = calloc(1, high - low);
	if (!image->kernel)
		return -ENOMEM;
	for (int i = 0; i < e->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			memcpy(image->kernel + (ph[i].p_paddr - low), elf + ph[i].p_offset,
			       ph[i].p_filesz);
	}
	image->kernel_len = high - low;
	image->load_addr = low;
	image->entry = e->e_entry;
	/* init_size: what the kernel may use from its start before it reads its map (boot.rst). */
	image->load_end = low + image->header.init_size;
	if (image->load_end < end)
		image->load_end = end;
	image->load_end = (image->load_end + NVWA_PAGE_SIZE - 1) & ~(NVWA_PAGE_SIZE - 1);
	return 0;
}

/* What follows the ELF file, whose last part is the table of its sections. */
static int read_relocs(const char *elf, size_t len, struct image *image)
{
	const Elf64_Ehdr *e = (const void *)elf;
	uint32_t align = image->header.kernel_alignment;
	size_t end;
	int r;

	if (!e->e_shnum)
		return 0;
	if (e->e_shentsize != sizeof(Elf64_Shdr) || e->e_shoff > len ||
	    e->e_shnum > (len - e->e_shoff) / sizeof(Elf64_Shdr))
		return -ENOEXEC;
	end = e->e_shoff + e->e_shnum * sizeof(Elf64_Shdr);
	r = relocs_read(elf + end, len - end, image->load_addr, image->kernel_len,
			&image->relocs);
	if (!r && image->relocs.offsets && (align < ALIGN_MIN || (align & (align - 1))))
		r = -ENOEXEC;
	return r;
}

uint64_t image_room(const struct image *image)
{
	uint64_t align = image->header.kernel_alignment;

	return (image->load_end - image->load_addr + align - 1) & ~(align - 1);
}

/* The file, and where in it the packed kernel is; it is known to be the release's. */
static int read_file(const char *path, const char *release, char **data, size_t *len,
		     struct image *image, size_t *payload, struct error *err)
{
	size_t release_len = strlen(release);
	int r = file_read(path, data, len);

	if (r < 0)
		return error_set(err, -r, "The kernel %s cannot be read (%s). Is its package "
				 "installed?", path, strerror(-r));

	r = parse_header(path, *data, *len, image, payload, err);
	if (r < 0)
		return r;
	if (strncmp(image->version, release, release_len) ||
	    (image->version[release_len] && image->version[release_len] != ' '))
		return error_set(err, ENOEXEC, "%s says that it is %.*s and not %s. " REINSTALL,
				 path, (int)strcspn(image->version, " "), image->version, release);
	return 0;
}

static int unpack(const char *path, const char *data, size_t len, const struct image *image,
		  size_t payload, char **elf, size_t *elf_len, struct error *err)
{
	const struct setup_header *h = &image->header;
	struct error why = { 0 };
	int r = checksum_image(data, len, system_start(h) + (size_t)h->syssize * SYS_UNIT);

	if (r < 0)
		return error_set(err, -r, "%s is damaged: it is not what its own checksum says. "
				 REINSTALL, path);
	r = decompress(data + payload, h->payload_length, KERNEL_MAX, elf, elf_len, &why);
	if (r < 0)
		return error_set(err, -r, "The kernel in %s cannot be used: %s. " REINSTALL,
				 path, why.text);
	return 0;
}

int image_unpack(const char *path, const char *release, char **elf, size_t *elf_len,
		 struct error *err)
{
	_cleanup_free_ char *data = NULL;
	struct image image = { 0 };
	size_t len, payload;
	int r = read_file(path, release, &data, &len, &image, &payload, err);

	return r ? r : unpack(path, data, len, &image, payload, elf, elf_len, err);
}

int image_read(const char *path, const char *release, const char *elf, size_t elf_len,
	       struct image *image, struct error *err)
{
	_cleanup_free_ char *data = NULL, *unpacked = NULL;
	struct image read = { 0 };
	size_t len, payload = 0;
	int r = read_file(path, release, &data, &len, &read, &payload, err);

	if (!r && !elf) {
		r = unpack(path, data, len, &read, payload, &unpacked, &elf_len, err);
		elf = unpacked;
	}
	if (r < 0)
		return r;
	r = lay_out(elf, elf_len, &read);
	if (r == -ENOEXEC)
		return error_set(err, ENOEXEC, "What is packed in %s is not a 64-bit x86 kernel. "
				 REINSTALL, path);
	if (!r)
		r = read_relocs(elf, elf_len, &read);
	if (r < 0) {
		image_free(&read);
		return r != -ENOEXEC ? r :
		       error_set(err, ENOEXEC, "The relocation tables of the kernel in %s are "
				 "damaged. " REINSTALL, path);
	}

	*image = read;
	return 0;
}

void image_free(struct image *image)
{
	free(image->kernel);
	relocs_free(&image->relocs);
	*image = (struct image){ 0 };
}
