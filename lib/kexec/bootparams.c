// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 64-bit boot protocol of the kernel's Documentation/arch/x86/boot.rst,
 * with what only the firmware could say taken from the running kernel.
 */
#include "lib/kexec/bootparams.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "uapi/record.h"

/* boot.rst, type_of_loader: 0xff is "undefined", for loaders without a number. */
#define LOADER_UNDEFINED	0xff

#define SEED_LEN	32

/*
 * Layout: a page of instructions, the boot_params page, the command line, then
 * the setup_data list. The list's parts are aligned to 16.
 */
#define PARAMS_AT	NVWA_PAGE_SIZE
#define CMDLINE_AT	(2 * NVWA_PAGE_SIZE)

static size_t align16(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

static size_t nr_extended(const struct memmap *next)
{
	return next->nr > E820_MAX_ENTRIES_ZEROPAGE ? next->nr - E820_MAX_ENTRIES_ZEROPAGE : 0;
}

size_t bootparams_size(const struct bootparams *b)
{
	size_t len = CMDLINE_AT + align16(strlen(b->cmdline) + 1);

	len += align16(sizeof(struct setup_data) + sizeof(uint64_t));
	len += align16(sizeof(struct setup_data) + SEED_LEN);
	len += align16(sizeof(struct setup_data) +
		       nr_extended(b->next) * sizeof(struct boot_e820_entry));
	if (b->efi && b->efi->nr)
		len += align16(sizeof(struct setup_data) + sizeof(struct efi_setup)) +
		       align16(b->efi->nr * sizeof(struct efi_desc));
	return (len + NVWA_PAGE_SIZE - 1) & ~(NVWA_PAGE_SIZE - 1);
}

int bootparams_running(const char *sysroot, struct boot_params *params)
{
	_cleanup_free_ char *data = NULL;
	char path[PATH_MAX];
	size_t len;
	int r;

	r = path_format(path, sizeof(path), "%s" BOOTPARAMS_RUNNING, sysroot);
	if (!r)
		r = file_read(path, &data, &len);
	if (!r && len != sizeof(*params))
		r = -EBADMSG;
	if (!r)
		memcpy(params, data, sizeof(*params));
	return r;
}

/* Facts of the firmware that the next kernel has no other way to learn. */
static int copy_facts(const char *sysroot, struct boot_params *to, struct error *err)
{
	struct boot_params running, *from = &running;
	int r = bootparams_running(sysroot, &running);

	if (r < 0)
		return error_set(err, -r, "The running kernel's boot parameters %s%s cannot be "
				 "read (%s).", sysroot, BOOTPARAMS_RUNNING, strerror(-r));

	to->screen_info = from->screen_info;
	to->apm_bios_info = from->apm_bios_info;
	to->ist_info = from->ist_info;
	to->sys_desc_table = from->sys_desc_table;
	to->edid_info = from->edid_info;
	to->secure_boot = from->secure_boot;
	/* Used only if the map of the runtime services comes with it. */
	to->efi_info = from->efi_info;
	to->kbd_status = from->kbd_status;
	to->eddbuf_entries = from->eddbuf_entries;
	to->edd_mbr_sig_buf_entries = from->edd_mbr_sig_buf_entries;
	memcpy(to->edd_mbr_sig_buffer, from->edd_mbr_sig_buffer, sizeof(to->edd_mbr_sig_buffer));
	memcpy(to->eddbuf, from->eddbuf, sizeof(to->eddbuf));
	return 0;
}

static struct boot_e820_entry e820_entry(const struct memmap_entry *e)
{
	return (struct boot_e820_entry){ .addr = e->start, .size = e->len, .type = e->type };
}

/* Append a part to the setup_data list: its payload, to be filled in. */
static void *add_setup_data(char *data, uint64_t phys, size_t *at, uint32_t type, size_t len)
{
	struct boot_params *params = (void *)(data + PARAMS_AT);
	struct setup_data *part = (void *)(data + *at);

	part->next = params->hdr.setup_data;
	part->type = type;
	part->len = len;
	params->hdr.setup_data = phys + *at;
	*at += align16(sizeof(*part) + len);
	return part->data;
}

/*
 * The runtime services of UEFI lie where the first kernel after power-on has
 * mapped them, and the next one maps them there again.
 */
static void put_efi(const struct efi *efi, uint64_t phys, char *data, size_t *at)
{
	struct boot_params *params = (void *)(data + PARAMS_AT);
	struct efi_info info = params->efi_info;
	size_t len;

	if (!efi || !efi->nr) {
		params->efi_info = (struct efi_info){ 0 };
		return;
	}
	len = efi->nr * sizeof(*efi->map);
	memcpy(data + *at, efi->map, len);
	info.efi_memmap = (uint32_t)(phys + *at);
	info.efi_memmap_hi = (phys + *at) >> 32;
	info.efi_memmap_size = len;
	info.efi_memdesc_size = sizeof(*efi->map);
	params->efi_info = info;
	*at += align16(len);
	memcpy(add_setup_data(data, phys, at, SETUP_EFI, sizeof(efi->setup)), &efi->setup,
	       sizeof(efi->setup));
}

static char *put_bytes(char *p, const char *bytes, size_t len)
{
	memcpy(p, bytes, len);
	return p + len;
}

static char *put_address(char *p, uint64_t address)
{
	return put_bytes(p, (const char *)&address, sizeof(address));
}

/*
 * The first instructions. kexec leaves the CPU in 64-bit mode with an
 * identity mapping of all memory and interrupts off, which is what the entry
 * of the ELF kernel wants besides the address of boot_params in RSI.
 */
static void put_entry(char *p, uint64_t stamp, uint64_t params, uint64_t entry)
{
	p = put_bytes(p, "\xfc", 1);			/* cld */
	p = put_bytes(p, "\x0f\x31", 2);		/* rdtsc: EDX:EAX */
	p = put_bytes(p, "\x48\xc1\xe2\x20", 4);	/* shl rdx, 32 */
	p = put_bytes(p, "\x48\x09\xd0", 3);		/* or rax, rdx */
	p = put_bytes(p, "\x48\xa3", 2);		/* mov [stamp], rax */
	p = put_address(p, stamp);
	p = put_bytes(p, "\x48\xbe", 2);		/* mov rsi, params */
	p = put_address(p, params);
	p = put_bytes(p, "\x48\xb8", 2);		/* mov rax, entry */
	p = put_address(p, entry);
	put_bytes(p, "\xff\xe0", 2);			/* jmp rax */
}

static void put_header(const struct bootparams *b, uint64_t phys, struct boot_params *params)
{
	struct setup_header *h = &params->hdr;

	*h = b->image->header;
	h->type_of_loader = LOADER_UNDEFINED;
	h->loadflags &= ~(KASLR_FLAG | CAN_USE_HEAP);
	if (b->image->kaslr)
		h->loadflags |= KASLR_FLAG;
	h->setup_data = 0;
	h->cmd_line_ptr = (uint32_t)(phys + CMDLINE_AT);
	params->ext_cmd_line_ptr = (phys + CMDLINE_AT) >> 32;
	h->ramdisk_image = (uint32_t)b->ramdisk;
	params->ext_ramdisk_image = b->ramdisk >> 32;
	h->ramdisk_size = (uint32_t)b->ramdisk_len;
	params->ext_ramdisk_size = b->ramdisk_len >> 32;
}

int bootparams_build(const char *sysroot, const struct bootparams *b, uint64_t phys, char **data,
		     struct error *err)
{
	_cleanup_free_ char *made = calloc(1, bootparams_size(b));
	size_t at = CMDLINE_AT + align16(strlen(b->cmdline) + 1), more = nr_extended(b->next);
	struct boot_e820_entry *extended;
	struct boot_params *params;
	uint64_t stamp;
	int r;

	if (!made)
		return -ENOMEM;
	params = (void *)(made + PARAMS_AT);
	r = copy_facts(sysroot, params, err);
	if (r < 0)
		return r;

	params->acpi_rsdp_addr = b->rsdp;
	put_header(b, phys, params);
	put_efi(b->efi, phys, made, &at);
	strcpy(made + CMDLINE_AT, b->cmdline);

	for (size_t i = 0; i < b->next->nr && i < E820_MAX_ENTRIES_ZEROPAGE; i++) {
		params->e820_table[i] = e820_entry(&b->next->entries[i]);
		params->e820_entries = i + 1;
	}
	if (more) {
		extended = add_setup_data(made, phys, &at, SETUP_E820_EXT,
					  more * sizeof(*extended));
		for (size_t i = 0; i < more; i++)
			extended[i] = e820_entry(&b->next->entries[E820_MAX_ENTRIES_ZEROPAGE + i]);
	}

	/* The seed of a kernel that has collected entropy for long; it wipes it when read. */
	r = getrandom(add_setup_data(made, phys, &at, SETUP_RNG_SEED, SEED_LEN), SEED_LEN, 0);
	if (r != SEED_LEN)
		return r < 0 ? -errno : -EIO;

	stamp = phys + at + sizeof(struct setup_data);
	add_setup_data(made, phys, &at, SETUP_NVWA_ENTRY, sizeof(uint64_t));
	put_entry(made, stamp, phys + PARAMS_AT,
		  b->kernel + (b->image->entry - b->image->load_addr));

	*data = steal_ptr(made);
	return 0;
}
