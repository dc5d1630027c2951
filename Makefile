# mailvane: `make run` shows it at work, `make check` tests it; both install what is missing.
#
#   CC=clang                       another compiler
#   SANITIZE=address,undefined     a sanitizer build, in its own directory
#   V=1                            show the commands
#   DESTDIR=, PREFIX=              where `make install` puts things

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BUILD := build
VERSION := $(shell cat VERSION)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

PKGS := libmicrohttpd yaml-0.1 jansson libidn2
CFLAGS ?= -O2 -g
override CFLAGS += -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wno-missing-field-initializers -fno-strict-overflow
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
# The banned list stands in front of every file.
CPPFLAGS += -Iinclude -include mailvane/base/banned.h
LDFLAGS += -Wl,-z,relro,-z,now -Wl,--as-needed

empty :=
comma := ,
ifneq ($(SANITIZE),)
  VARIANT := /san-$(subst $(comma),-,$(SANITIZE))
  override CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
  LDFLAGS += -fsanitize=$(SANITIZE)
  HARDEN := -fPIE
endif
ifeq ($(findstring clang,$(CC)),clang)
  VARIANT := $(VARIANT)-clang
endif
# The plain build lies in build/ itself, so that the binary is build/mailvane.
OUT := $(BUILD)$(if $(VARIANT),/$(patsubst /%,%,$(VARIANT:-clang=clang)))
OBJ := $(OUT)/obj

Q := $(if $(V),,@)

LIB_SRC := $(sort $(wildcard lib/*/*.c))
CMD_SRC := $(sort $(wildcard cmd/mailvane/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(OBJ)/%.o)
CMD_OBJ := $(CMD_SRC:%.c=$(OBJ)/%.o)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(OUT)/unit/%)

PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS))

.PHONY: all run check bench fuzz lint floors headers install uninstall clean help deps deps-test

all: $(OUT)/mailvane

$(OUT)/mailvane: $(CMD_OBJ) $(OUT)/libmailvane.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(HARDEN) -pie $(LDFLAGS) -o $@ $(CMD_OBJ) $(OUT)/libmailvane.a $(PKG_LIBS)

$(OUT)/libmailvane.a: $(LIB_OBJ)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJ)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d)
