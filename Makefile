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
PROTOC_C	?= protoc-c
CFLAGS		?= -O2 -g
SANITIZE	:= -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		   -fno-omit-frame-pointer

PKGS		:= yaml-0.1 json-c libprotobuf-c libkmod libarchive liblzma libzstd liblz4 zlib \
		   libsystemd libnftables libnl-route-3.0 mount blkid

# Asked for once, and only by what compiles: "make setup" must work before
# pkg-config is there.
PKG_CFLAGS	= $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS	= $(eval PKG_LIBS := $$(shell $(PKG_CONFIG) --libs $(PKGS)))$(PKG_LIBS)

# _GNU_SOURCE is empty so that a file may define it as well.
NVWA_CFLAGS	= -std=gnu11 -Wall -Wextra -Werror -I. -I$(B)/gen -D_GNU_SOURCE= \
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

PROTO		:= $(wildcard lib/*/*.proto)
PROTO_C		:= $(PROTO:%.proto=$(B)/gen/%.pb-c.c)
PROTO_H		:= $(PROTO_C:.c=.h)

LIB_SRC		:= $(wildcard lib/*/*.c)
TOOL_SRC	:= $(wildcard tool/*.c)
INIT_SRC	:= $(wildcard init/*.c)
# Goes into the criu command, not into ours.
PRELOAD_SRC	:= $(wildcard lib/apps/preload/*.c)
UNIT_SRC	:= $(wildcard tests/unit/test_*.c)

LIB_OBJ		:= $(LIB_SRC:%.c=$(B)/obj/%.o) $(PROTO:%.proto=$(B)/obj/%.pb-c.o)
TOOL_OBJ	:= $(TOOL_SRC:%.c=$(B)/obj/%.o)
INIT_OBJ	:= $(INIT_SRC:%.c=$(B)/obj/%.o)
PRELOAD_OBJ	:= $(PRELOAD_SRC:%.c=$(B)/obj/%.o)

# The same again under the sanitizers, for the unit tests. A program's main.c
# stays out: the test brings its own main().
ASAN		:= $(B)/asan
ASAN_LIB_OBJ	:= $(LIB_OBJ:$(B)/obj/%=$(ASAN)/obj/%)
ASAN_PROG_SRC	:= $(filter-out %/main.c,$(TOOL_SRC) $(INIT_SRC))
ASAN_PROG_OBJ	:= $(ASAN_PROG_SRC:%.c=$(ASAN)/obj/%.o)
UNIT_T		:= $(wildcard tests/unit/*.t)
UNIT		:= $(UNIT_SRC:tests/unit/%.c=$(ASAN)/%)

PROGRAMS	:= $(B)/nvwa
ifneq ($(INIT_SRC),)
PROGRAMS	+= $(B)/nvwa-init
endif
# The programs of systemd/ are one file each.
ifneq ($(wildcard systemd/generator.c),)
PROGRAMS	+= $(B)/nvwa-generator
endif
ifneq ($(wildcard systemd/placeholder.c),)
PROGRAMS	+= $(B)/nvwa-placeholder
endif
ifneq ($(PRELOAD_SRC),)
PROGRAMS	+= $(B)/libnvwa-criu.so
endif

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

$(B)/obj/%.o: %.c Makefile | $(PROTO_H)
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(CFLAGS) $(NVWA_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: $(B)/gen/%.c Makefile
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(CFLAGS) $(NVWA_CFLAGS) -MMD -MP -c -o $@ $<

$(ASAN)/obj/%.o: %.c Makefile | $(PROTO_H)
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) -O1 -g $(SANITIZE) $(NVWA_CFLAGS) -MMD -MP -c -o $@ $<

$(ASAN)/obj/%.o: $(B)/gen/%.c Makefile
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) -O1 -g $(SANITIZE) $(NVWA_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: %.proto
	@mkdir -p $(@D)
	$(say) PROTOC $@
	$(Q)$(PROTOC_C) --c_out=$(B)/gen $<

-include $(shell find $(B)/obj $(ASAN)/obj -name '*.d' 2>/dev/null)

# --- tasks ------------------------------------------------------------------

help:
	@echo 'make            build the command, nvwa-init and their helpers into $(B)/'
	@echo 'make setup      install what building, testing and the lab need (Debian)'
	@echo 'make demo       the whole thing: watch redis live through a kernel change'
	@echo 'make test       unit tests, lint and all cases in the lab'
	@echo 'make smoke      one case in the lab'
	@echo 'make unit       unit tests only'
	@echo 'make lint       the checks of lint/'
	@echo 'make bench      measure against stock tools; BENCH=name,... for a part'
	@echo 'make deb        Debian packages nvwa and nvwa-dkms into $(B)/'
	@echo 'make modules    the same of nvwa.ko, built for each kernel of the lab'
	@echo 'make install    install; DESTDIR=, PREFIX= and SYSCONFDIR= as usual'
	@echo 'make clean      remove what was built'

setup:
	packaging/setup
	lab/setup

# A second make: only after setup there is a pkg-config to ask.
demo: setup
	$(MAKE) deb modules
	tests/demo

PROVE		= prove --exec '' --timer
# cmocka reports in TAP.
UNIT_PROVE	= CMOCKA_MESSAGE_OUTPUT=TAP $(PROVE)

test: setup
	$(MAKE) deb modules tests-build
	$(UNIT_PROVE) $(UNIT) $(UNIT_T) lint/run
	tests/run all

smoke: setup
	$(MAKE) deb modules
	tests/run smoke

tests-build: $(UNIT) $(ASAN)/nvwa

unit: tests-build
	$(UNIT_PROVE) $(UNIT) $(UNIT_T)

lint: $(B)/nvwa
	$(PROVE) lint/run

bench: setup
	$(MAKE) deb modules
	bench/run $(if $(BENCH),--only $(BENCH))

deb: all
	packaging/deb $(B)

# nvwa.ko for every kernel of the lab, built in the lab, as packages.
modules:
	packaging/modules

# Keeps the guests of the lab, which may be running.
clean:
	@if [ -d $(B) ]; then find $(B) -mindepth 1 -maxdepth 1 ! -name lab -exec rm -rf {} +; fi

INSTALL		?= install

install: all
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(LIBDIR) $(DESTDIR)$(SYSCONFDIR)/nvwa
	$(INSTALL) -m 755 $(B)/nvwa $(DESTDIR)$(PREFIX)/sbin/nvwa
	for f in nvwa-init nvwa-placeholder; do \
		[ ! -f $(B)/$$f ] || $(INSTALL) -m 755 $(B)/$$f $(DESTDIR)$(LIBDIR)/$$f || exit 1; \
	done
	if [ -f $(B)/libnvwa-criu.so ]; then \
		$(INSTALL) -D -m 644 $(B)/libnvwa-criu.so $(DESTDIR)$(LIBDIR)/libnvwa-criu.so; \
	fi
	if [ -f $(B)/nvwa-generator ]; then \
		$(INSTALL) -D -m 755 $(B)/nvwa-generator \
			$(DESTDIR)$(UNITDIR)/system-generators/nvwa-generator; \
	fi
	for f in $(wildcard systemd/*.service systemd/*.target systemd/*.path); do \
		$(INSTALL) -D -m 644 $$f $(DESTDIR)$(UNITDIR)/system/$${f##*/} || exit 1; \
	done
	for f in $(wildcard systemd/*.shutdown); do \
		$(INSTALL) -D -m 755 $$f $(DESTDIR)$(UNITDIR)/system-shutdown/$$(basename $$f) || exit 1; \
	done
	for f in $(wildcard packaging/etc/*.yaml); do \
		$(INSTALL) -m 644 $$f $(DESTDIR)$(SYSCONFDIR)/nvwa/$${f##*/} || exit 1; \
	done
	for f in $(wildcard man/*.5 man/*.8); do \
		$(INSTALL) -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/man/man$${f##*.}/$${f##*/} || exit 1; \
	done
	$(INSTALL) -D -m 644 completion/nvwa \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nvwa

.PHONY: all help setup demo test smoke tests-build unit lint bench deb modules clean install
.DELETE_ON_ERROR:
