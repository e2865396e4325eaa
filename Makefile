# SPDX-License-Identifier: GPL-2.0-only
# Builds all of nvwa's user space into build/, and names every task of the
# project; "make help" lists them. The module is built by kmod/Makefile, for
# the kernel that it is to run on.

VERSION		:= 0.1.0

B		?= build
DESTDIR		?=
PREFIX		?= /usr
SYSCONFDIR	?= /etc
LIBDIR		:= $(PREFIX)/lib/nvwa
UNITDIR		:= $(PREFIX)/lib/systemd

CC		?= gcc
PKG_CONFIG	?= pkg-config
CFLAGS		?= -O2 -g
SANITIZE	:= -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		   -fno-omit-frame-pointer

PKGS		:= yaml-0.1 json-c libkmod libarchive liblzma libzstd liblz4 lzo2 zlib libsystemd \
		   libnftables nettle

# Asked for once, and only by what compiles: "make setup" must work before
# pkg-config is there. Debian 12 has no bzip2.pc.
PKG_CFLAGS	= $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS	= $(eval PKG_LIBS := $$(shell $(PKG_CONFIG) --libs $(PKGS)) -lbz2)$(PKG_LIBS)

# _GNU_SOURCE is empty so that a file may define it as well. Where the checkout is must not be
# seen: the same source makes the same packages, and so the lab the same images.
NVWA_CFLAGS	= '-ffile-prefix-map=$(CURDIR)=.' -std=gnu11 -Wall -Wextra -Werror -I. -D_GNU_SOURCE= \
		  -DNVWA_VERSION='"$(VERSION)"' -DNVWA_LIBEXECDIR='"$(LIBDIR)"' $(PKG_CFLAGS)
NVWA_LDFLAGS	= -Wl,--as-needed

# One line a file, or the commands themselves with V=1.
ifeq ($(V),1)
say		= @:
Q		:=
else
say		= @printf '  %-7s %s\n'
Q		:= @
endif

# --- what is built from what ------------------------------------------------

LIB_SRC		:= $(wildcard lib/*/*.c)
TOOL_SRC	:= $(wildcard tool/*.c)
INIT_SRC	:= $(wildcard init/*.c)
# Goes into the criu command, not into ours.
PRELOAD_SRC	:= $(wildcard lib/apps/preload/*.c)
PRELOAD_LIB_SRC	:= lib/record/keeper.c lib/base/clock.c lib/base/error.c
UNIT_SRC	:= $(wildcard tests/unit/test_*.c)

LIB_OBJ		:= $(LIB_SRC:%.c=$(B)/obj/%.o)
TOOL_OBJ	:= $(TOOL_SRC:%.c=$(B)/obj/%.o)
INIT_OBJ	:= $(INIT_SRC:%.c=$(B)/obj/%.o)
PRELOAD_OBJ	:= $(patsubst %.c,$(B)/obj/preload/%.o,$(PRELOAD_SRC) $(PRELOAD_LIB_SRC))

# The same again under the sanitizers, for the unit tests. A program's main.c
# stays out: the test brings its own main().
ASAN		:= $(B)/asan
ASAN_LIB_OBJ	:= $(LIB_OBJ:$(B)/obj/%=$(ASAN)/obj/%)
ASAN_PROG_SRC	:= $(filter-out %/main.c,$(TOOL_SRC) $(INIT_SRC))
ASAN_PROG_OBJ	:= $(ASAN_PROG_SRC:%.c=$(ASAN)/obj/%.o)
UNIT_T		:= $(wildcard tests/unit/*.t)
UNIT		:= $(UNIT_SRC:tests/unit/%.c=$(ASAN)/%)

PROGRAMS	:= $(addprefix $(B)/,nvwa nvwa-init nvwa-generator nvwa-placeholder libnvwa-criu.so)

all: $(PROGRAMS)

$(B)/nvwa: $(TOOL_OBJ) $(B)/libnvwa.a
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) $(NVWA_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Static, and small: it may use what of lib/ needs no other library.
$(B)/nvwa-init: $(INIT_OBJ) $(B)/libnvwa.a
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $^

$(B)/nvwa-generator: $(B)/obj/systemd/generator.o $(B)/libnvwa.a
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) $(NVWA_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(B)/nvwa-placeholder: $(B)/obj/systemd/placeholder.o
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $^

$(B)/libnvwa-criu.so: $(PRELOAD_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -shared -o $@ $^

$(PRELOAD_OBJ): NVWA_CFLAGS += -fPIC -fvisibility=hidden

$(B)/libnvwa.a: $(LIB_OBJ)
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcs $@ $^

$(ASAN)/libnvwa.a: $(ASAN_LIB_OBJ)
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcs $@ $^

$(ASAN)/libprograms.a: $(ASAN_PROG_OBJ)
	@rm -f $@
	$(say) AR $@
	$(Q)$(AR) rcs $@ $^

$(UNIT): $(ASAN)/%: $(ASAN)/obj/tests/unit/%.o $(ASAN)/libprograms.a $(ASAN)/libnvwa.a
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) $(SANITIZE) $(NVWA_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lcmocka

# The command itself under the sanitizers, for tests/unit/*.t.
$(ASAN)/nvwa: $(ASAN)/obj/tool/main.o $(ASAN)/libprograms.a $(ASAN)/libnvwa.a
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) $(SANITIZE) $(NVWA_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(B)/obj/preload/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(CFLAGS) $(NVWA_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(CFLAGS) $(NVWA_CFLAGS) -MMD -MP -c -o $@ $<

$(ASAN)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) -O1 -g $(SANITIZE) $(NVWA_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj $(ASAN)/obj -name '*.d' 2>/dev/null)

# --- tasks ------------------------------------------------------------------

help:
	@echo 'make            build the command, nvwa-init and their helpers into $(B)/'
	@echo 'make setup      install what building, testing and the lab need (Debian)'
	@echo 'make demo       the whole thing: watch redis live through a kernel change'
	@echo 'make test       unit tests, lint and all cases in the lab'
	@echo 'make test-debug every kind of memory on a kernel that looks for mistakes in itself'
	@echo 'make smoke      one case in the lab'
	@echo 'make test-sizes the cases of machines of many sizes, which take long'
	@echo 'make unit       unit tests only'
	@echo 'make lint       the checks of lint/'
	@echo 'make bench      measure against stock tools; BENCH=name,... for a part'
	@echo 'make deb        Debian packages nvwa and nvwa-dkms into $(B)/'
	@echo 'make modules    the same of nvwa.ko, built for each kernel of the lab'
	@echo 'make install    install into DESTDIR='
	@echo 'make clean      remove what was built'

setup:
	packaging/setup
	lab/setup

# As many jobs as there are CPUs, unless make was told already.
CPUS		:= $(shell nproc)
JOBS		= $(if $(findstring -j,$(MAKEFLAGS)),,-j$(CPUS))

# A second make: only after setup there is a pkg-config to ask.
demo: setup
	$(MAKE) $(JOBS) deb modules
	tests/demo

PROVE		= prove --exec '' --timer --jobs $(CPUS)
# cmocka reports in TAP.
UNIT_PROVE	= CMOCKA_MESSAGE_OUTPUT=TAP $(PROVE)

test: setup
	$(MAKE) $(JOBS) deb modules tests-build
	$(UNIT_PROVE) lint/run $(UNIT_T) $(UNIT)
	tests/run all

test-sizes: setup
	$(MAKE) $(JOBS) deb modules
	tests/run sizes

test-debug: setup
	$(MAKE) $(JOBS) deb modules
	tests/run debug

smoke: setup
	$(MAKE) $(JOBS) deb modules
	tests/run smoke

tests-build: $(UNIT) $(ASAN)/nvwa

unit: tests-build
	$(UNIT_PROVE) $(UNIT_T) $(UNIT)

lint:
	packaging/setup
	$(MAKE) $(B)/nvwa
	$(PROVE) lint/run

bench: setup
	$(MAKE) $(JOBS) deb modules
	bench/run $(if $(BENCH),--only $(BENCH))

# Directories as well: something may have gone from them.
DEBS		:= $(B)/nvwa_$(VERSION)_amd64.deb $(B)/nvwa-dkms_$(VERSION)_all.deb
DEB_SRC		:= Makefile lab/kernels.list doc/cmdline.md .gitignore $(foreach dir,kmod kmod/compat \
		   uapi man completion systemd packaging packaging/debian packaging/etc,\
		   $(dir) $(wildcard $(dir)/*))

deb: $(DEBS)

$(DEBS) &: $(PROGRAMS) $(DEB_SRC)
	+packaging/deb $(B)

# nvwa.ko for every kernel of the lab, built in the lab, as packages.
modules:
	packaging/modules

# Keeps the guests of the lab, which may be running.
clean:
	@if [ -d $(B) ]; then find $(B) -mindepth 1 -maxdepth 1 ! -name lab -exec rm -rf {} +; fi

INSTALL		?= install

install: all
	$(INSTALL) -D -m 755 $(B)/nvwa $(DESTDIR)$(PREFIX)/sbin/nvwa
	$(INSTALL) -D -m 755 -t $(DESTDIR)$(LIBDIR) $(B)/nvwa-init $(B)/nvwa-placeholder
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(LIBDIR) $(B)/libnvwa-criu.so
	$(INSTALL) -D -m 755 -t $(DESTDIR)$(UNITDIR)/system-generators $(B)/nvwa-generator
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(UNITDIR)/system $(wildcard systemd/*.service systemd/*.target)
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(SYSCONFDIR)/nvwa $(wildcard packaging/etc/*.yaml)
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 $(wildcard man/*.5)
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 $(wildcard man/*.8)
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/nvwa doc/cmdline.md
	$(INSTALL) -D -m 644 completion/nvwa \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nvwa

.PHONY: all help setup demo test test-sizes test-debug smoke tests-build unit lint bench deb modules clean install
.DELETE_ON_ERROR:
