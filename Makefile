# Loft: one Makefile, not recursive but for other kinds of build of the same
# rules (asan, hooks, fuzz). `make B=dir` builds elsewhere than in build/.
B = build
# One spelling: a dependency file holds for the path that it was made with.
override B := $(B:$(CURDIR)/%=%)
ifeq ($(filter clean distclean,$(MAKECMDGOALS)),)
-include config.mk
endif
PYTHON = /usr/bin/python3
RUN = $(PYTHON) tests/run --build $B

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wvla -Wswitch-enum -Wwrite-strings $(if $(CI),-Werror)
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -fno-plt
OPT = $(or $(CFLAGS_USER),-O2 -g)
CPPFLAGS = -I. -D_GNU_SOURCE -include config.h $(OBJ_CPPFLAGS) \
	$(CPPFLAGS_USER) $(EXTRA_CPPFLAGS)
CFLAGS = -std=c2x $(OPT) $(WARN) $(HARDEN) $(EXTRA_CFLAGS)
LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS_USER) $(EXTRA_LDFLAGS)
PATHS = -DLOFT_LIBEXECDIR='"$(libexecdir)/loft"' -DLOFT_SYSCONFDIR='"$(sysconfdir)"' \
	-DLOFT_VERSION='"$(VERSION)"'

COMMON = $(wildcard common/*.c)
MAILDIR = $(wildcard maildir/*.c)
WORKER = $(filter-out worker/main.c,$(wildcard worker/*.c))
DAEMON = $(filter-out daemon/main.c daemon/ctl.c daemon/lda.c,$(wildcard daemon/*.c))
UNIT = $(patsubst %.c,$B/%,$(wildcard tests/unit/test_*.c))
FUZZ = $(patsubst %.c,$B/%,$(wildcard tests/fuzz/fuzz_*.c))
MAN8 = $(wildcard daemon/*.8 doc/*.8)
MAN5 = $(wildcard daemon/*.5 maildir/*.5 doc/*.5)
obj = $(patsubst %.c,$B/%.o,$1)

LIBS = $(lmdb_LIBS) $(ssl_LIBS) $(crypto_LIBS) $(sodium_LIBS) $(utf8proc_LIBS) $(seccomp_LIBS)
PROGRAMS = $B/loftd $B/loft-worker $B/loftctl $B/loft-lda

all: $(PROGRAMS)

$B/loft-worker: $(call obj,worker/main.c) $B/libworker.a $B/libmaildir.a $B/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
$B/loftd: $(call obj,daemon/main.c) $B/libdaemon.a $B/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(crypt_LIBS) $(pam_LIBS)
$B/loftctl: $(call obj,daemon/ctl.c) $B/libdaemon.a $B/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(crypt_LIBS)

$B/loft-lda: $(call obj,daemon/lda.c) $B/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

define library
$B/lib$1.a: $$(call obj,$2)
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(eval $(call library,common,$(COMMON)))
$(eval $(call library,maildir,$(MAILDIR)))
$(eval $(call library,worker,$(WORKER)))
$(eval $(call library,daemon,$(DAEMON)))

# What of the installation the programs know; `make install prefix=...` with
# another prefix than configure's makes these objects anew.
$B/paths: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$(PATHS)" | cmp -s - $@ || printf '%s\n' "$(PATHS)" >$@
$(call obj,$(wildcard daemon/*.c) worker/main.c): OBJ_CPPFLAGS = $(PATHS)
$(call obj,$(wildcard daemon/*.c) worker/main.c): $B/paths

$B/%.o: %.c config.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(wildcard $B/*/*.d $B/tests/*/*.d)

# One cmocka program per tests/unit/test_NAME.c, one libFuzzer program per
# tests/fuzz/fuzz_NAME.c (`make fuzz` sets the compiler).
ARCHIVES = $B/libworker.a $B/libdaemon.a $B/libmaildir.a $B/libcommon.a
$(UNIT): $B/tests/unit/%: $B/tests/unit/%.o $(ARCHIVES)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(crypt_LIBS) $(pam_LIBS) -lcmocka
$(FUZZ): $B/tests/fuzz/%: $B/tests/fuzz/%.o $(ARCHIVES)
	$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS) $(crypt_LIBS) $(pam_LIBS)
unit: $(UNIT)
fuzzers: $(FUZZ)

# The same sources, built otherwise. Without FORTIFY: it hides calls from ASan.
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
PLAIN_HARDEN = HARDEN="-fPIE -fstack-protector-strong"
asan-build:
	$(MAKE) B=$B/asan OPT="-O1 -g" $(PLAIN_HARDEN) EXTRA_CFLAGS="$(SANITIZE)" all unit
hooks:
	$(MAKE) B=$B/hooks EXTRA_CPPFLAGS="-DLOFT_TEST_HOOKS" all
fuzz-build:
	$(MAKE) B=$B/fuzz CC=clang OPT="-O1 -g" $(PLAIN_HARDEN) \
		EXTRA_CFLAGS="$(SANITIZE) -fsanitize=fuzzer-no-link" fuzzers
clang-build:
	$(MAKE) B=$B/clang CC=clang all unit

check: all unit
	$(RUN) unit proto
asan: asan-build
	$(PYTHON) tests/run --build $B/asan unit proto
FUZZ_SECONDS = 10
fuzz: fuzz-build
	$(RUN) --fuzz-seconds $(FUZZ_SECONDS) fuzz
bench: all
	tests/bench/run
lint:
	@$(RUN) lint

install: all
	$(INSTALL) -d $(DESTDIR)$(sbindir) $(DESTDIR)$(bindir) $(DESTDIR)$(libexecdir)/loft \
		$(DESTDIR)$(mandir)/man8 $(DESTDIR)$(mandir)/man5 $(DESTDIR)$(docdir)
	$(INSTALL) $B/loftd $(DESTDIR)$(sbindir)
	$(INSTALL) $B/loft-worker $(DESTDIR)$(libexecdir)/loft
	$(INSTALL) $B/loftctl $B/loft-lda $(DESTDIR)$(bindir)
	$(if $(MAN8),$(INSTALL) -m 644 $(MAN8) $(DESTDIR)$(mandir)/man8)
	$(if $(MAN5),$(INSTALL) -m 644 $(MAN5) $(DESTDIR)$(mandir)/man5)
	$(INSTALL) -m 644 README.md LICENSE doc/*.md doc/grafana.json doc/loft.conf.example $(DESTDIR)$(docdir)
# For hosts with systemd; not part of `install`, since others have none.
unitdir = $(prefix)/lib/systemd/system
install-systemd:
	$(INSTALL) -d $(DESTDIR)$(unitdir)
	sed 's|@sbindir@|$(sbindir)|' daemon/loft.service >$(DESTDIR)$(unitdir)/loft.service
	$(INSTALL) -m 644 daemon/loft.socket $(DESTDIR)$(unitdir)
uninstall:
	rm -f $(DESTDIR)$(unitdir)/loft.service $(DESTDIR)$(unitdir)/loft.socket
	rm -f $(DESTDIR)$(sbindir)/loftd $(DESTDIR)$(bindir)/loftctl $(DESTDIR)$(bindir)/loft-lda
	rm -rf $(DESTDIR)$(libexecdir)/loft $(DESTDIR)$(docdir)
	rm -f $(addprefix $(DESTDIR)$(mandir)/man8/,$(notdir $(MAN8)))
	rm -f $(addprefix $(DESTDIR)$(mandir)/man5/,$(notdir $(MAN5)))

# A release holds what git holds, plus configure, so that it builds without autoconf.
DIST = loft-$(VERSION)
dist: configure config.h.in
	@mkdir -p $B
	git archive --prefix=$(DIST)/ --add-file=configure --add-file=config.h.in \
		-o $B/$(DIST).tar.gz HEAD

configure: configure.ac
	autoconf
config.h.in: configure.ac
	autoheader
	@touch $@
config.mk config.h &: configure config.mk.in config.h.in
	./configure $(CONFIGURE_ARGS)
	@touch config.mk config.h

clean:
	rm -rf $B
distclean: clean
	rm -rf config.mk config.h config.h.in config.log config.status configure autom4te.cache
.PHONY: all unit fuzzers asan-build hooks fuzz-build clang-build check asan fuzz bench lint \
	install install-systemd uninstall dist clean distclean FORCE
.SECONDARY:
