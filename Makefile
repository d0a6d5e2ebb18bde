# Loft: one Makefile, not recursive. `make B=dir` builds elsewhere than in build/.
B = build
-include config.mk

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wvla -Wswitch-enum -Wwrite-strings $(if $(CI),-Werror)
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -fno-plt
OPT = -O2 -g
CPPFLAGS = -I. -D_GNU_SOURCE -include config.h $(CPPFLAGS_USER) $(EXTRA_CPPFLAGS)
CFLAGS = -std=c2x $(OPT) $(WARN) $(HARDEN) $(EXTRA_CFLAGS)
LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS_USER) $(EXTRA_LDFLAGS)

COMMON = $(wildcard common/*.c)
MAILDIR = $(wildcard maildir/*.c)
WORKER = $(filter-out worker/main.c,$(wildcard worker/*.c))
DAEMON = $(filter-out daemon/main.c daemon/ctl.c,$(wildcard daemon/*.c))
UNIT = $(wildcard tests/unit/test_*.c)
obj = $(patsubst %.c,$B/%.o,$1)

COMMON_LIBS = $(lmdb_LIBS) $(ssl_LIBS) $(crypto_LIBS) $(sodium_LIBS) $(utf8proc_LIBS) $(seccomp_LIBS)
PROGRAMS = $B/loftd $B/loft-worker $B/loftctl

all: $(PROGRAMS)

$B/loft-worker: $(call obj,worker/main.c) $B/libworker.a $B/libmaildir.a $B/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS)
$B/loftd: $(call obj,daemon/main.c) $B/libdaemon.a $B/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS) $(crypt_LIBS)
$B/loftctl: $(call obj,daemon/ctl.c) $B/libdaemon.a $B/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS) $(crypt_LIBS)

define library
$B/lib$1.a: $$(call obj,$2)
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(eval $(call library,common,$(COMMON)))
$(eval $(call library,maildir,$(MAILDIR)))
$(eval $(call library,worker,$(WORKER)))
$(eval $(call library,daemon,$(DAEMON)))

$B/%.o: %.c config.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(wildcard $B/*/*.d $B/tests/unit/*.d)

# One cmocka program per tests/unit/test_NAME.c.
$B/tests/unit/%: $B/tests/unit/%.o $B/libworker.a $B/libdaemon.a $B/libmaildir.a $B/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS) $(crypt_LIBS) -lcmocka

configure: configure.ac
	autoconf
config.mk config.h &: configure config.mk.in config.h.in
	./configure $(CONFIGURE_ARGS)
config.h.in: configure.ac
	autoheader 2>/dev/null || { autoconf --version >/dev/null && false; }

clean:
	rm -rf $B
.PHONY: all clean
.SECONDARY:
