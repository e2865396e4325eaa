// SPDX-License-Identifier: GPL-2.0-only
/* Finding and replacing functions of a vdso. */
#include "lib/apps/vdso.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

/* mov $nr,%eax; syscall; ret: what is clobbered is the caller's to save (System V ABI). */
#define STUB_LEN	8

/* Is a piece of memory inside the image? */
static int inside(size_t len, uint64_t start, uint64_t size)
{
	return start <= len && size <= len - start;
}

/* The dynamic segment tells where symbols and their names are. */
static int find_tables(const uint8_t *image, size_t len, uint64_t *symbols, uint64_t *names)
{
	const Elf64_Ehdr *head = (const void *)image;

	*symbols = *names = 0;
	if (!inside(len, 0, sizeof(*head)) || memcmp(head->e_ident, ELFMAG, SELFMAG) ||
	    head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_phentsize != sizeof(Elf64_Phdr) ||
	    head->e_phoff % 8 ||
	    !inside(len, head->e_phoff, (uint64_t)head->e_phnum * sizeof(Elf64_Phdr)))
		return -EBADMSG;
	for (unsigned int i = 0; i < head->e_phnum; i++) {
		const Elf64_Phdr *p = (const void *)(image + head->e_phoff + i * sizeof(*p));

		if (p->p_type != PT_DYNAMIC || p->p_offset % 8 ||
		    !inside(len, p->p_offset, p->p_filesz))
			continue;
		for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= p->p_filesz;
		     at += sizeof(Elf64_Dyn)) {
			const Elf64_Dyn *d = (const void *)(image + p->p_offset + at);

			if (d->d_tag == DT_SYMTAB)
				*symbols = d->d_un.d_ptr;
			else if (d->d_tag == DT_STRTAB)
				*names = d->d_un.d_ptr;
		}
	}

	/* A vdso is linked to address 0, the names behind the symbols. */
	return *symbols && *symbols % 8 == 0 && *symbols < *names && *names < len ? 0 : -EBADMSG;
}

int vdso_make_syscall(uint8_t *image, size_t len, const char *function, uint32_t nr)
{
	const uint8_t stub[STUB_LEN] = {
		0xb8, nr, nr >> 8, nr >> 16, nr >> 24, 0x0f, 0x05, 0xc3,
	};
	uint64_t symbols, names;
	int r;

	r = find_tables(image, len, &symbols, &names);
	if (r < 0)
		return r;
	for (; symbols + sizeof(Elf64_Sym) <= names; symbols += sizeof(Elf64_Sym)) {
		const Elf64_Sym *s = (const void *)(image + symbols);
		const size_t room = strlen(function) + 1;

		if (!inside(len, names + s->st_name, room) ||
		    memcmp(image + names + s->st_name, function, room))
			continue;
		if (s->st_size < STUB_LEN || !inside(len, s->st_value, s->st_size))
			return -EBADMSG;
		memcpy(image + s->st_value, stub, sizeof(stub));
		return 0;
	}

	return -ENOENT;
}
