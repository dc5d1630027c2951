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

PKGS := libmicrohttpd libpcre2-8 yaml-0.1 jansson libidn2 sqlite3 libseccomp
# Without it systemd is not told when the agent is ready; there is no other loss.
SYSTEMD := $(shell pkg-config --exists libsystemd 2>/dev/null && echo libsystemd)
PKGS += $(SYSTEMD)
CFLAGS ?= -O3 -g
override CFLAGS += -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wno-missing-field-initializers -fno-strict-overflow
# Not -strong: it guards every function that hands out the address of a slice, which is
# the whole hot path; functions with buffers are guarded.
HARDEN := -fstack-protector -D_FORTIFY_SOURCE=2 -fPIE
# The banned list stands in front of every file.
CPPFLAGS += -Iinclude -include mailvane/base/banned.h $(if $(SYSTEMD),-DMAILVANE_WITH_SYSTEMD)
LDFLAGS += -Wl,-z,relro,-z,now -Wl,--as-needed

empty :=
comma := ,
# The floors are separate files and one hot path: the binary is optimised as a whole.
# Objects hold plain code too, so that tests link without waiting for that.
# (Pairs of pointers packed into vectors to be stored cost more than they save.)
LTO_COMPILE := -flto -ffat-lto-objects -fno-tree-slp-vectorize
LTO_AR := gcc-ar
# (GCC 12 sees impossible lengths once everything is inlined.)
LTO_LINK := -flto=auto -Wno-stringop-overread -fno-tree-slp-vectorize
ifneq ($(SANITIZE),)
  VARIANT := /san-$(subst $(comma),-,$(SANITIZE))
  override CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
  LDFLAGS += -fsanitize=$(SANITIZE)
  HARDEN := -fPIE
  LTO_COMPILE :=
  LTO_LINK :=
  LTO_AR := $(AR)
endif
ifeq ($(findstring clang,$(CC)),clang)
  LTO_COMPILE :=
  HARDEN := $(filter-out -D_FORTIFY_SOURCE=2,$(HARDEN))
  LTO_LINK :=
  LTO_AR := $(AR)
  VARIANT := $(or $(VARIANT),/plain)-clang
endif
# The plain build lies in build/ itself, so that the binary is build/mailvane.
OUT := $(BUILD)$(VARIANT)
OBJ := $(OUT)/obj

Q := $(if $(V),,@)
# A make that builds: with all processors, unless somebody has said with how many.
BUILD_WITH = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

LIB_SRC := $(sort $(wildcard lib/*/*.c))
CMD_SRC := $(sort $(wildcard cmd/mailvane/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(OBJ)/%.o)
CMD_OBJ := $(CMD_SRC:%.c=$(OBJ)/%.o)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(OUT)/unit/%)
E2E_SRC := $(sort $(wildcard tests/e2e/*.c))
E2E_BIN := $(E2E_SRC:tests/e2e/%.c=$(OUT)/e2e/%)

PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS)) -lm

.PHONY: all run check check-only torture valgrind bench fuzz coverage lint floors headers install uninstall clean help deps deps-test

all: $(OUT)/mailvane

$(OUT)/mailvane: $(CMD_OBJ) $(OUT)/libmailvane.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(HARDEN) $(LTO_LINK) -pie $(LDFLAGS) -o $@ $(CMD_OBJ) $(OUT)/libmailvane.a $(PKG_LIBS)

$(OUT)/libmailvane.a: $(LIB_OBJ)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(LTO_AR) rcs $@ $(LIB_OBJ)

$(OBJ)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(LTO_COMPILE) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# What no #include names: data that the assembler takes in.
$(OBJ)/lib/classify/provider_data.o: data/providers.tsv
$(OBJ)/lib/classify/rule_data.o: data/causes.rules
$(OBJ)/lib/classify/provider_data.o $(OBJ)/lib/classify/rule_data.o: LTO_COMPILE :=
# version.h is written only where it says something new.
$(shell mkdir -p $(OBJ) && printf '#define MAILVANE_VERSION "%s"\n#define MAILVANE_REVISION "%s"\n' \
	'$(VERSION)' '$(REVISION)' >$(OBJ)/version.tmp && \
	{ cmp -s $(OBJ)/version.tmp $(OBJ)/version.h || cp $(OBJ)/version.tmp $(OBJ)/version.h; })
$(OBJ)/cmd/mailvane/%.o: CPPFLAGS += -Icmd/mailvane -I$(OBJ)

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d)

# --- tests ---------------------------------------------------------------------

$(OUT)/unit/%: tests/unit/%.c $(OUT)/libmailvane.a
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) -Icmd/mailvane -Itests/unit $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) -MMD -MP -pie \
		-fno-lto $(LDFLAGS) -o $@ $< $(OUT)/libmailvane.a $(PKG_LIBS) -lcmocka

$(OUT)/e2e/%: tests/e2e/%.c $(OUT)/libmailvane.a
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) -MMD -MP -pie -fno-lto $(LDFLAGS) -o $@ $< \
		$(OUT)/libmailvane.a $(PKG_LIBS)

# A disk that fails, for tests that preload it.
FAULTY := $(OUT)/e2e/faulty.so
$(FAULTY): tests/e2e/preload/faulty.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -fPIC -shared -o $@ $< -ldl

-include $(UNIT_BIN:=.d) $(E2E_BIN:=.d)

# What `make check` runs, as NAME=COMMAND (tests/run.py).
BIN := $(OUT)/mailvane
TESTS := floors=tests/floors.sh headers='make --no-print-directory headers'
TESTS += $(foreach t,$(UNIT_BIN),unit/$(notdir $(t))=$(t))
TESTS += golden='python3 tests/golden/run.py $(BIN)'
TESTS += $(foreach t,follow follow_restart,$(t)='python3 tests/e2e/test_$(t).py $(OUT)/e2e/follow_driver')
TESTS += http='python3 tests/e2e/test_http.py $(OUT)/e2e/http_driver'
TESTS += $(foreach t,restart faults clock port,$(t)='python3 tests/e2e/test_$(t).py $(BIN) $(FAULTY)')
TESTS += $(foreach t,truth scan explain report docs agent sandbox prometheus postfix queue,$(t)='python3 tests/e2e/test_$(t).py $(BIN)')

check:
	@$(MAKE) --no-print-directory deps-test
	+@$(BUILD_WITH) check-only

check-only: $(BIN) $(UNIT_BIN) $(E2E_BIN) $(FAULTY)
	@python3 tests/run.py $(TESTS)

# The same faults again and again: ROUNDS of kills, rotations and truncations under load. And
# memory over MANY_LINES, and over ROTATIONS.
ROUNDS ?= 200
SEED ?= 1
MANY_LINES ?= 10000000
ROTATIONS ?= 5000
torture: $(BIN) $(FAULTY)
	@ROUNDS=$(ROUNDS) SEED=$(SEED) python3 tests/e2e/test_restart.py $(BIN) - random_kills
	@MANY_LINES=$(MANY_LINES) ROTATIONS=$(ROTATIONS) python3 tests/e2e/test_faults.py $(BIN) $(FAULTY) \
		memory_over_many_lines memory_of_scan_over_many_lines memory_over_a_thousand_rotations

# Each unit test under valgrind, but those that it cannot run: they say so in tests/valgrind.sh.
valgrind:
	@$(MAKE) --no-print-directory deps-test
	@packaging/deps.sh $(DEPS_VALGRIND)
	+@$(BUILD_WITH) $(UNIT_BIN)
	@tests/valgrind.sh $(UNIT_BIN)

run:
	@$(MAKE) --no-print-directory deps
	+@$(BUILD_WITH) all
	@python3 tests/run_demo.py $(BIN)

# --- benchmarks ----------------------------------------------------------------

$(OUT)/bench/%: tests/bench/%.c $(OUT)/libmailvane.a
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) -MMD -MP -pie -fno-lto $(LDFLAGS) -o $@ $< \
		$(OUT)/libmailvane.a $(PKG_LIBS)

-include $(wildcard $(OUT)/bench/*.d)

bench:
	@$(MAKE) --no-print-directory deps
	+@$(BUILD_WITH) all $(OUT)/bench/hostile
	@tests/bench/run.sh $(BIN)
	@python3 tests/bench/latency.py $(BIN)
	@python3 tests/bench/checkpoint.py $(BIN)
	@echo "A reply of 2000 hostile bytes, CPU time, and without PCRE2's JIT, as in the agent's sandbox:"
	@$(OUT)/bench/hostile && $(OUT)/bench/hostile nojit

# --- fuzzing: make fuzz TIME=60 ------------------------------------------------

TIME ?= 60
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OUT := $(BUILD)/fuzz
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(FUZZ_OUT)/%)
FUZZ_FLAGS := -g -O1 -std=c11 -D_GNU_SOURCE -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_LIB := $(LIB_SRC:%.c=$(FUZZ_OUT)/obj/%.o)
.SECONDARY: $(FUZZ_LIB)

$(FUZZ_OUT)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_OUT)/obj/lib/classify/provider_data.o: data/providers.tsv
$(FUZZ_OUT)/obj/lib/classify/rule_data.o: data/causes.rules

$(FUZZ_OUT)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_LIB)
	@echo "  FUZZ  $@"
	$(Q)clang $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer $(PKG_CFLAGS) -MMD -MP -o $@ $< $(FUZZ_LIB) $(PKG_LIBS)

-include $(FUZZ_LIB:.o=.d) $(FUZZ_BIN:=.d)

fuzz:
	@$(MAKE) --no-print-directory deps-test
	+@$(BUILD_WITH) $(FUZZ_BIN)
	@tests/fuzz/run.sh $(TIME) $(FUZZ_BIN)

# --- coverage: which lines of the parsers are reached by the seeds and the tests ---

COV_OUT := $(BUILD)/coverage
COV_FLAGS := -g -O1 -std=c11 -D_GNU_SOURCE -fprofile-instr-generate -fcoverage-mapping
COV_LIB := $(LIB_SRC:%.c=$(COV_OUT)/obj/%.o)
COV_CMD := $(CMD_SRC:%.c=$(COV_OUT)/obj/%.o)
COV_FUZZ := $(FUZZ_SRC:tests/fuzz/%.c=$(COV_OUT)/%)
COV_UNIT := $(UNIT_SRC:tests/unit/%.c=$(COV_OUT)/%)
# What reads bytes that somebody else wrote.
PARSERS := $(wildcard lib/line/*.c lib/event/dsn.c lib/format/*.c lib/config/*.c lib/queue/*.c) \
	$(addprefix lib/base/,domain.c number.c utf8.c) lib/metric/kept.c lib/source/checkpoint.c \
	$(filter-out %_data.c,$(wildcard lib/classify/*.c)) $(wildcard lib/expose/http*.c) lib/expose/scrapers.c
.SECONDARY: $(COV_LIB) $(COV_CMD)

$(COV_OUT)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) $(COV_FLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(COV_OUT)/obj/lib/classify/provider_data.o: data/providers.tsv
$(COV_OUT)/obj/lib/classify/rule_data.o: data/causes.rules
$(COV_OUT)/obj/cmd/mailvane/%.o: CPPFLAGS += -Icmd/mailvane -I$(OBJ)

$(COV_OUT)/fuzz_%: tests/fuzz/fuzz_%.c $(COV_LIB)
	@echo "  COV   $@"
	$(Q)clang $(CPPFLAGS) $(COV_FLAGS) -fsanitize=fuzzer $(PKG_CFLAGS) -MMD -MP -o $@ $< $(COV_LIB) $(PKG_LIBS)

$(COV_OUT)/test_%: tests/unit/test_%.c $(COV_LIB)
	@echo "  COV   $@"
	$(Q)clang $(CPPFLAGS) -Icmd/mailvane -Itests/unit $(COV_FLAGS) $(PKG_CFLAGS) -MMD -MP -o $@ $< $(COV_LIB) \
		$(PKG_LIBS) -lcmocka

$(COV_OUT)/mailvane: $(COV_CMD) $(COV_LIB)
	@echo "  COV   $@"
	$(Q)clang $(COV_FLAGS) -o $@ $^ $(PKG_LIBS)

-include $(COV_LIB:.o=.d) $(COV_CMD:.o=.d) $(COV_FUZZ:=.d) $(COV_UNIT:=.d)

coverage:
	@$(MAKE) --no-print-directory deps-test
	@packaging/deps.sh $(DEPS_COVERAGE)
	+@$(BUILD_WITH) $(COV_OUT)/mailvane $(COV_FUZZ) $(COV_UNIT)
	@tests/coverage.sh $(COV_OUT) $(PARSERS)

# --- checks of the source ------------------------------------------------------

SOURCES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

floors:
	@tests/floors.sh

# Every header compiles alone.
headers:
	@for h in $(shell find include lib cmd -name '*.h'); do \
		$(CC) $(CPPFLAGS) -I$(OBJ) $(CFLAGS) $(PKG_CFLAGS) -fsyntax-only -x c $$h -Wno-unused-function \
			-Wno-unused-macros || { echo "$$h does not compile alone"; exit 1; }; \
	done

lint:
	@packaging/deps.sh clang-format clang-tidy
	@clang-format --dry-run -Werror $(SOURCES)
	@clang-tidy --quiet $(LIB_SRC) $(CMD_SRC) -- $(CPPFLAGS) -Icmd/mailvane -I$(OBJ) $(CFLAGS) $(PKG_CFLAGS)

# --- what must be installed (Debian 12) ----------------------------------------

DEPS := gcc libc6-dev pkg-config libmicrohttpd-dev libyaml-dev libjansson-dev libidn2-dev libpcre2-dev libsqlite3-dev \
	libxxhash-dev libseccomp-dev libsystemd-dev uthash-dev python3 curl
DEPS_TEST := $(DEPS) libcmocka-dev clang libclang-rt-14-dev bzip2 xz-utils zstd prometheus postfix systemd faketime

DEPS_VALGRIND := valgrind libc6-dbg
DEPS_COVERAGE := llvm-14

deps:
	@packaging/deps.sh $(DEPS)

deps-test:
	@packaging/deps.sh $(DEPS_TEST)

# --- installing ----------------------------------------------------------------

install: all
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/mailvane
	install -D -m 644 data/providers.tsv $(DESTDIR)$(PREFIX)/share/mailvane/providers.tsv
	install -D -m 644 data/causes.rules $(DESTDIR)$(PREFIX)/share/mailvane/causes.rules
	install -D -m 644 man/mailvane.1 $(DESTDIR)$(PREFIX)/share/man/man1/mailvane.1
	install -D -m 644 packaging/mailvane.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/mailvane.conf
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's,/usr/local/,$(PREFIX)/,' packaging/mailvane.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/mailvane.service
	[ -e $(DESTDIR)$(SYSCONFDIR)/mailvane/mailvane.yml ] || \
		install -D -m 644 packaging/mailvane.yml $(DESTDIR)$(SYSCONFDIR)/mailvane/mailvane.yml

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/mailvane $(DESTDIR)$(PREFIX)/share/man/man1/mailvane.1
	rm -f $(DESTDIR)$(PREFIX)/lib/systemd/system/mailvane.service $(DESTDIR)$(PREFIX)/lib/sysusers.d/mailvane.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/mailvane

clean:
	rm -rf $(BUILD)

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile
	@echo "targets: all run check torture valgrind bench fuzz coverage lint floors headers deps install uninstall clean"
