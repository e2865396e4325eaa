// SPDX-License-Identifier: GPL-2.0-only
/* Kernel images: good ones of every packing are laid out, broken ones refused in words. */
#include <elf.h>
#include <errno.h>
#include <lz4hc.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/kexec/image.h"

#define RELEASE		"6.12.1-test"
#define SETUP_SECTS	1
#define SYSTEM		((SETUP_SECTS + 1) * 512)
#define VERSION_AT	0x300
#define BASE		0x1000000
#define ELF_LEN		(64 * 1024)
#define DATA_AT		0x3000
#define BSS_LEN		0x5000

static char path[] = "/tmp/nvwa-test-XXXXXX";
static unsigned char elf[ELF_LEN];
static unsigned char file[256 * 1024];
static size_t file_len;

/* Two segments with a hole between, the second with a bss. */
static void make_elf(void)
{
	Elf64_Ehdr *e = (void *)elf;
	Elf64_Phdr *ph = (void *)(elf + sizeof(*e));

	memset(elf, 0, sizeof(elf));
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_machine = EM_X86_64;
	e->e_entry = BASE + 0x10;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*ph);
	e->e_phnum = 3;
	ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_offset = 0x1000, .p_paddr = BASE, .p_filesz = 0x1800,
		.p_memsz = 0x1800,
	};
	ph[1] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_offset = 0x4000, .p_paddr = BASE + DATA_AT, .p_filesz = 0x200,
		.p_memsz = 0x200 + BSS_LEN,
	};
	ph[2].p_type = PT_NOTE;
	memset(elf + 0x1000, 0xaa, 0x1800);
	memset(elf + 0x4000, 0xbb, 0x200);
	/* Something that does not pack away to nothing. */
	for (size_t i = 0x8000; i < ELF_LEN; i++)
		elf[i] = i * i >> 7;
}

/* The CRC-32 that a kernel ends with. */
static void put_sum(void)
{
	uint32_t crc = ~crc32(0, file, file_len - 4);

	memcpy(file + file_len - 4, &crc, 4);
}

static void make_file(const void *payload, size_t len)
{
	struct setup_header *h = (void *)(file + 0x1f1);
	const size_t offset = 0x40;

	memset(file, 0, sizeof(file));
	h->setup_sects = SETUP_SECTS;
	h->boot_flag = 0xaa55;
	h->jump = 0xeb | (0x1f1 + sizeof(*h) - 0x202) << 8;
	h->header = 0x53726448;
	h->version = 0x020f;
	h->xloadflags = XLF_KERNEL_64;
	h->kernel_version = VERSION_AT - 512;
	h->payload_offset = offset;
	h->payload_length = len;
	h->pref_address = BASE;
	h->init_size = 0x4000;
	h->kernel_alignment = 0x200000;
	h->cmdline_size = 2047;
	h->syssize = (offset + len + 4 + 15) / 16;
	strcpy((char *)file + VERSION_AT, RELEASE " (builder@host) #1 SMP");
	memcpy(file + SYSTEM + offset, payload, len);
	file_len = SYSTEM + h->syssize * 16;
	put_sum();
}

static int load(struct image *image, struct error *err)
{
	memset(err, 0, sizeof(*err));
	assert_int_equal(file_write(path, file, file_len, 0600), 0);
	return image_read(path, RELEASE, NULL, 0, image, err);
}

static void assert_good(const void *payload, size_t len)
{
	struct image image;
	struct error err;
	int r;

	make_file(payload, len);
	r = load(&image, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_int_equal(image.load_addr, BASE);
	assert_int_equal(image.entry, BASE + 0x10);
	assert_int_equal(image.kernel_len, DATA_AT + 0x200);
	/* The segments go further than init_size, and to a whole page. */
	assert_int_equal(image.load_end, BASE + 0x9000);
	assert_memory_equal(image.kernel, elf + 0x1000, 0x1800);
	for (size_t i = 0x1800; i < DATA_AT; i++)
		assert_int_equal(image.kernel[i], 0);
	assert_memory_equal(image.kernel + DATA_AT, elf + 0x4000, 0x200);
	assert_string_equal(image.version, RELEASE " (builder@host) #1 SMP");
	image_free(&image);
}

static void assert_bad(int code, const char *word)
{
	struct image image;
	struct error err;

	assert_int_equal(load(&image, &err), -code);
	assert_non_null(strstr(err.text, path));
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static unsigned char packed[128 * 1024];

static size_t pack_gzip(void)
{
	z_stream z = { .next_in = elf, .avail_in = ELF_LEN, .next_out = packed,
		       .avail_out = sizeof(packed) };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return sizeof(packed) - z.avail_out;
}

static size_t pack_xz(void)
{
	/* As the kernel's scripts/xz_wrap.sh: the x86 filter, a CRC32. */
	lzma_options_lzma options;
	const lzma_filter filters[] = {
		{ LZMA_FILTER_X86, NULL }, { LZMA_FILTER_LZMA2, &options },
		{ LZMA_VLI_UNKNOWN, NULL },
	};
	size_t len = 0;

	lzma_lzma_preset(&options, 6);
	assert_int_equal(lzma_stream_buffer_encode((lzma_filter *)filters, LZMA_CHECK_CRC32, NULL,
						   elf, ELF_LEN, packed, &len, sizeof(packed)),
			 LZMA_OK);
	return len;
}

static size_t pack_lz4(void)
{
	/* The legacy frame, in two blocks. */
	size_t len = 4;

	memcpy(packed, "\x02\x21\x4c\x18", 4);
	for (int i = 0; i < 2; i++) {
		int n = LZ4_compress_HC((char *)elf + i * ELF_LEN / 2, (char *)packed + len + 4,
					ELF_LEN / 2, sizeof(packed) - len - 4, 9);
		uint32_t size = n;

		assert_true(n > 0);
		memcpy(packed + len, &size, 4);
		len += 4 + n;
	}
	return len;
}

static size_t append_size(size_t len)
{
	uint32_t size = ELF_LEN;

	memcpy(packed + len, &size, 4);
	return len + 4;
}

/* By a command that packs its standard input as the kernel's scripts/Makefile.lib says. */
static size_t pack_by(const char *command)
{
	char line[256], to[64];
	char *got;
	size_t len;

	assert_int_equal(file_write(path, elf, ELF_LEN, 0600), 0);
	snprintf(to, sizeof(to), "%s.packed", path);
	snprintf(line, sizeof(line), "%s <%s >%s", command, path, to);
	assert_int_equal(system(line), 0);
	assert_int_equal(file_read(to, &got, &len), 0);
	assert_in_range(len, 1, sizeof(packed) - 4);
	memcpy(packed, got, len);
	free(got);
	assert_int_equal(unlink(to), 0);
	return len;
}

static void reads_all_packings(void **state)
{
	size_t len;

	(void)state;
	assert_good(elf, ELF_LEN);
	assert_good(packed, pack_gzip());
	assert_good(packed, append_size(pack_xz()));
	assert_good(packed, append_size(pack_lz4()));
	len = ZSTD_compress(packed, sizeof(packed), elf, ELF_LEN, 19);
	assert_false(ZSTD_isError(len));
	assert_good(packed, append_size(len));
	assert_good(packed, append_size(pack_by("bzip2 -9")));
	assert_good(packed, append_size(pack_by("lzma -9")));
	assert_good(packed, append_size(pack_by("lzop -9")));
	/* Where packing does not pay, lzop leaves the block as it is. */
	make_file(packed, pack_by("sh -c 'head -c 60000 /dev/urandom | lzop -9'"));
	assert_bad(ENOEXEC, "not a 64-bit x86 kernel");
}

static void refuses_damage(void **state)
{
	size_t len;

	(void)state;
	len = pack_gzip();
	make_file(packed, len / 2);
	assert_bad(EBADMSG, "gzip");
	len = pack_xz();
	make_file(packed, len / 2);
	assert_bad(EBADMSG, "xz");
	packed[len / 2] ^= 0x55;
	make_file(packed, len);
	assert_bad(EBADMSG, "xz");
	len = ZSTD_compress(packed, sizeof(packed), elf, ELF_LEN, 19);
	make_file(packed, len / 2);
	assert_bad(EBADMSG, "zstd");
	pack_lz4();
	memset(packed + 4, 0xff, 4);
	make_file(packed, 4096);
	assert_bad(EBADMSG, "lz4");
}

/* Every byte counts, to the last: a sum, or the end of the stream. */
static void refuses_damage_of_packers(void **state)
{
	static const struct {
		const char *command, *name;
	} packers[] = {
		{ "bzip2 -9", "bzip2" }, { "lzma -9", "lzma" }, { "lzop -9", "lzo" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		size_t len = pack_by(packers[i].command);
		const size_t lengths[] = { len - 1, len / 2, 30, 20, 13, 9 };

		for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
			make_file(packed, lengths[k]);
			assert_bad(EBADMSG, packers[i].name);
		}
		packed[len / 2] ^= 0x55;
		make_file(packed, len);
		assert_bad(EBADMSG, packers[i].name);
	}
}

static void refuses_what_its_checksum_denies(void **state)
{
	struct image image;
	struct error err;

	(void)state;
	make_file(elf, ELF_LEN);
	file[SYSTEM + ELF_LEN / 2] ^= 0x10;
	assert_bad(EBADMSG, "damaged");
	/* A kernel that has none. */
	memset(file + file_len - 4, 0, 4);
	assert_int_equal(load(&image, &err), 0);
	image_free(&image);
}

static void takes_what_was_unpacked_before(void **state)
{
	struct image image;
	struct error err = { 0 };
	size_t len;
	char *kept;

	(void)state;
	make_file(packed, pack_gzip());
	assert_int_equal(file_write(path, file, file_len, 0600), 0);
	assert_int_equal(image_unpack(path, RELEASE, &kept, &len, &err), 0);
	assert_int_equal(len, ELF_LEN);
	assert_memory_equal(kept, elf, ELF_LEN);
	/* What is packed in the file is not looked at. */
	memset(file + SYSTEM, 0, file_len - SYSTEM);
	assert_int_equal(file_write(path, file, file_len, 0600), 0);
	assert_int_equal(image_read(path, RELEASE, kept, len, &image, &err), 0);
	assert_memory_equal(image.kernel, elf + 0x1000, 0x1800);
	image_free(&image);
	assert_int_equal(image_read(path, "9.9", kept, len, &image, &err), -ENOEXEC);
	free(kept);
}

static void refuses_truncation(void **state)
{
	static const size_t lengths[] = { 0, 1, 0x1f1, 600, SYSTEM, SYSTEM + 100 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		make_file(elf, ELF_LEN);
		file_len = lengths[i];
		assert_bad(ENOEXEC, "truncated");
	}
	make_file(elf, ELF_LEN);
	file_len -= 512;
	assert_bad(ENOEXEC, "truncated");
}

static void refuses_what_is_no_kernel(void **state)
{
	(void)state;
	make_file(elf, ELF_LEN);
	memset(file + 0x202, 0, 4);
	assert_bad(ENOEXEC, "not a Linux kernel");
	memcpy(file + 56, "ARM\x64", 4);
	assert_bad(ENOEXEC, "arm64");
	memcpy(file, elf, ELF_LEN);
	memset(file + 56, 0, 4);
	assert_bad(ENOEXEC, "ELF");
}

static void refuses_a_32_bit_kernel(void **state)
{
	struct setup_header *h = (void *)(file + 0x1f1);

	(void)state;
	make_file(elf, ELF_LEN);
	h->xloadflags = 0;
	assert_bad(ENOEXEC, "32-bit");
	((Elf64_Ehdr *)elf)->e_machine = EM_386;
	make_file(elf, ELF_LEN);
	assert_bad(ENOEXEC, "not a 64-bit x86 kernel");
	make_elf();
}

static void refuses_another_release(void **state)
{
	(void)state;
	make_file(elf, ELF_LEN);
	strcpy((char *)file + VERSION_AT, RELEASE "2 (builder)");
	assert_bad(ENOEXEC, RELEASE "2");
	memset(file + VERSION_AT, 0, 64);
	assert_bad(ENOEXEC, "not " RELEASE);
	((struct setup_header *)(file + 0x1f1))->kernel_version = 0;
	assert_bad(ENOEXEC, "which kernel");
}

static void refuses_segments_out_of_bounds(void **state)
{
	Elf64_Phdr *ph = (void *)(elf + sizeof(Elf64_Ehdr));

#define REFUSE(field, value) do { \
	make_elf(); \
	ph[1].field = (value); \
	make_file(elf, ELF_LEN); \
	assert_bad(ENOEXEC, "not a 64-bit x86 kernel"); \
} while (0)

	(void)state;
	REFUSE(p_offset, ELF_LEN);
	REFUSE(p_offset, UINT64_MAX);
	REFUSE(p_filesz, UINT64_MAX);
	REFUSE(p_memsz, 0x100);
	REFUSE(p_memsz, UINT64_MAX);
	REFUSE(p_paddr, UINT64_MAX);
	REFUSE(p_paddr, 0x800);
#undef REFUSE
	make_elf();
	((Elf64_Ehdr *)elf)->e_phnum = 0xffff;
	make_file(elf, ELF_LEN);
	assert_bad(ENOEXEC, "not a 64-bit x86 kernel");
	make_elf();
}

#define AT(offset)	(0x80000000U + BASE + (offset))

static unsigned char with_tables[ELF_LEN + 64];

/* As the kernel's build: behind the table of sections, with which the ELF file ends. */
static void make_with_tables(const uint32_t *words, size_t len, uint64_t sections_at,
			     uint16_t nr_sections)
{
	Elf64_Ehdr *e = (void *)with_tables;

	memcpy(with_tables, elf, ELF_LEN);
	e->e_shentsize = sizeof(Elf64_Shdr);
	e->e_shnum = nr_sections;
	e->e_shoff = sections_at;
	memcpy(with_tables + ELF_LEN, words, len);
	make_file(with_tables, ELF_LEN + len);
}

#define SECTIONS	3
#define SECTIONS_AT	(ELF_LEN - SECTIONS * sizeof(Elf64_Shdr))

static void reads_relocation_tables(void **state)
{
	static const uint32_t words[] = { 0, AT(8), AT(DATA_AT), 0, AT(0x17fc) };
	struct image image;
	struct error err;

	(void)state;
	make_with_tables(words, sizeof(words), SECTIONS_AT, SECTIONS);
	assert_int_equal(load(&image, &err), 0);
	assert_int_equal(image.relocs.nr64, 2);
	assert_int_equal(image.relocs.nr_inverse, 0);
	assert_int_equal(image.relocs.nr32, 1);
	assert_int_equal(image.relocs.offsets[1], DATA_AT);
	assert_int_equal(image.relocs.offsets[2], 0x17fc);
	assert_int_equal(image_room(&image), 0x200000);
	assert_false(image.kaslr);
	image_free(&image);

	make_with_tables(words, 0, SECTIONS_AT, SECTIONS);
	assert_int_equal(load(&image, &err), 0);
	assert_null(image.relocs.offsets);
	image_free(&image);
}

static void refuses_broken_relocation_tables(void **state)
{
	static const uint32_t words[] = { 0, AT(8), 0, AT(DATA_AT + 0x200) };
	struct setup_header *h = (void *)(file + 0x1f1);

	(void)state;
	/* In the bss, which is not in the file; not whole words. */
	make_with_tables(words, sizeof(words), SECTIONS_AT, SECTIONS);
	assert_bad(ENOEXEC, "relocation tables");
	make_with_tables(words, 3 * sizeof(words[0]) - 2, SECTIONS_AT, SECTIONS);
	assert_bad(ENOEXEC, "relocation tables");

	/* An alignment that cannot be, where the kernel would be moved by it. */
	for (uint32_t align = 0; align < 0x400000; align += 0x120000) {
		make_with_tables(words, 3 * sizeof(words[0]), SECTIONS_AT, SECTIONS);
		h->kernel_alignment = align;
		put_sum();
		assert_bad(ENOEXEC, "relocation tables");
	}

	/* A table of sections that is not in the file. */
	make_with_tables(words, sizeof(words), SECTIONS_AT, 0xffff);
	assert_bad(ENOEXEC, "relocation tables");
	make_with_tables(words, sizeof(words), UINT64_MAX, SECTIONS);
	assert_bad(ENOEXEC, "relocation tables");
}

static int make_path(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	make_elf();
	return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_packings),
		cmocka_unit_test(refuses_damage_of_packers),
		cmocka_unit_test(reads_relocation_tables),
		cmocka_unit_test(refuses_broken_relocation_tables),
		cmocka_unit_test(refuses_damage),
		cmocka_unit_test(refuses_what_its_checksum_denies),
		cmocka_unit_test(takes_what_was_unpacked_before),
		cmocka_unit_test(refuses_truncation),
		cmocka_unit_test(refuses_what_is_no_kernel),
		cmocka_unit_test(refuses_a_32_bit_kernel),
		cmocka_unit_test(refuses_another_release),
		cmocka_unit_test(refuses_segments_out_of_bounds),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
