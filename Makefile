# wildreward: build, test, demo. `make help` lists the targets.
#
# Libraries are found by pkg-config; where it does not know one (modules, Spack, conda), give NAME_CFLAGS and NAME_LIBS, e.g.
#   make OPENBLAS_CFLAGS=-I$HOME/openblas/include OPENBLAS_LIBS="-L$HOME/openblas/lib -lopenblas"

CC       ?= cc
V        ?= 0
SAN      ?=
BUILD    ?= build$(if $(SAN),-$(SAN))
PREFIX   ?= /usr/local
PKG      ?= pkg-config
Q        := $(if $(filter 1,$(V)),,@)

# --- libraries: NAME, pkg-config module, fallback -l flags ------------------------------------------------------------
# $(call library,NAME,module,fallback libs)
define library
$(1)_CFLAGS ?= $$(shell $$(PKG) --cflags $(2) 2>/dev/null)
$(1)_LIBS   ?= $$(or $$(shell $$(PKG) --libs $(2) 2>/dev/null),$(3))
LIB_CFLAGS  += $$($(1)_CFLAGS)
LIBS        += $$($(1)_LIBS)
endef

# Debian keeps the OpenMP variant of OpenBLAS in a folder of its own; the default alternative may be the pthread variant.
OPENBLAS_DIR := $(firstword $(wildcard /usr/lib/*/openblas-openmp))
ifneq ($(OPENBLAS_DIR),)
OPENBLAS_CFLAGS ?= $(patsubst %,-I%,$(wildcard $(subst /usr/lib,/usr/include,$(OPENBLAS_DIR))))
OPENBLAS_LIBS   ?= -L$(OPENBLAS_DIR) -lopenblas -Wl,-rpath,$(OPENBLAS_DIR)
endif

$(eval $(call library,MPI,ompi-c,-lmpi))
$(eval $(call library,OPENBLAS,openblas,-lopenblas))
$(eval $(call library,DNNL,dnnl,-ldnnl))
$(eval $(call library,MSGPACK,msgpack,-lmsgpackc))
$(eval $(call library,ZSTD,libzstd,-lzstd))
$(eval $(call library,ARCHIVE,libarchive,-larchive))
$(eval $(call library,SNAPPY,snappy,-lsnappy))
$(eval $(call library,ZLIB,zlib,-lz))
$(eval $(call library,CURL,libcurl,-lcurl))
$(eval $(call library,YAJL,yajl,-lyajl))
$(eval $(call library,PCRE2,libpcre2-8,-lpcre2-8))
$(eval $(call library,UTF8PROC,libutf8proc,-lutf8proc))
$(eval $(call library,YAML,yaml-0.1,-lyaml))
$(eval $(call library,XXHASH,libxxhash,-lxxhash))
$(eval $(call library,CSV,libcsv,-lcsv))
CMOCKA_CFLAGS ?= $(shell $(PKG) --cflags cmocka 2>/dev/null)
MICROHTTPD_LIBS ?= $(or $(shell $(PKG) --libs libmicrohttpd 2>/dev/null),-lmicrohttpd)
CMOCKA_LIBS   ?= $(or $(shell $(PKG) --libs cmocka 2>/dev/null),-lcmocka)

# --- flags ------------------------------------------------------------------------------------------------------------
VERSION  := 0.1.0
COMMIT   := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPT      := $(if $(SAN),-O1 -fno-omit-frame-pointer,-O3)
comma    := ,
SANFLAGS := $(if $(SAN),-fsanitize=$(subst -,$(comma),$(SAN)) $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined))
CPPFLAGS += -I. -D_GNU_SOURCE $(patsubst -I%,-isystem %,$(LIB_CFLAGS))
CFLAGS   += -std=c17 $(OPT) -g $(WARN) -fopenmp -fno-math-errno -fvisibility=hidden $(SANFLAGS)
LDFLAGS  += -fopenmp $(SANFLAGS)
# These are loaded when they are needed (base/shared_library.h); where they lie (-L, -rpath) stays.
LDLIBS   += $(filter-out -lcurl% -ldnnl% -lopenblas% -larchive%,$(LIBS)) -ldl -lpthread -lm
# The leak checker crashes over the thread-local storage of a oneDNN that is loaded late, where that has products of its own.
LDLIBS   += $(if $(findstring address,$(SAN)),-Wl$(comma)--no-as-needed -ldnnl -Wl$(comma)--as-needed)

# Kernel variants (model/kernels/kernels.h); the table is chosen at run time. Products may be fused with additions: same bits every run.
model/kernels/kernels_baseline_CFLAGS := -ffp-contract=fast
ifneq ($(filter x86_64 amd64,$(shell uname -m)),)
model/kernels/kernels_avx2_CFLAGS   := -ffp-contract=fast -mavx2 -mfma
model/kernels/kernels_avx512_CFLAGS := -ffp-contract=fast -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
model/kernels/kernels_avx512bf16_CFLAGS := $(model/kernels/kernels_avx512_CFLAGS) -mavx512bf16
endif

# The folders of the program stand in rooms.txt alone.
ROOMS    := $(shell sed -n 's/^\([a-z][a-z/]*\) *|.*/\1/p' rooms.txt)
SOURCES  := $(foreach room,$(ROOMS),$(sort $(wildcard $(room)/*.c)))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
# Rule files (data/rules/*.txt) become C arrays: rules_NAME, rules_NAME_size (data/label/match/rules_builtin.h).
RULES    := $(sort $(wildcard data/rules/*.txt))
OBJECTS  += $(RULES:data/rules/%.txt=$(BUILD)/rules/%.o)
LIBOBJ   := $(filter-out $(BUILD)/cli/main.o,$(OBJECTS))
# Helpers that several tests share live in tests/support/*.c.
SUPPORT  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
UNIT     := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c)))
MPITESTS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/mpi/test_*.c)))
# Programs that end-to-end tests start: servers that behave badly on request, and drivers.
TESTPARTS := $(BUILD)/tests/server/openai_answers.o
TESTPROGS := $(filter-out $(TESTPARTS:.o=),$(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/server/*.c))))
FUZZERS  := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
BENCHES  := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard bench/bench_*.c)))
BENCHOBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out bench/bench_%,$(wildcard bench/*.c)))
BIN      := $(BUILD)/wildreward

.DEFAULT_GOAL := all
.PHONY: help deps deps-dev all check test demo bench lint check-deps format fuzz clean install oracle findings tests-bin
.DELETE_ON_ERROR:

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## deps: install what building and testing need (apt; without root: print what is missing)
deps:
	$(Q)./tests/deps.sh build

## deps-dev: deps, and what lint, sanitizers and the Slurm tests need
deps-dev:
	$(Q)./tests/deps.sh dev

## all: build/wildreward
all: $(BIN)

$(BIN): $(OBJECTS)
	@echo "  LD  $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $(OBJECTS) $(LDLIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $($*_CFLAGS) -MMD -MP -c -o $@ $<

# The prompts of the endpoint annotator are text files; this makes string literals of them.
PROMPTS := $(patsubst %.txt,$(BUILD)/generated/%.inc,$(wildcard data/prompts/*.txt))
CPPFLAGS += -I$(BUILD)/generated
$(BUILD)/generated/%.inc: %.txt
	@mkdir -p $(@D)
	$(Q)sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(BUILD)/data/label/annotate/annotation_prompt.o build/fuzz/obj/data/label/annotate/annotation_prompt.o: $(PROMPTS)

build/rules/%.c: data/rules/%.txt Makefile
	@mkdir -p $(@D)
	$(Q){ printf '#include "data/label/match/rules_builtin.h"\nconst unsigned char rules_%s[] = {\n' $*; \
	  od -An -v -tx1 $< | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'; \
	  printf '0};\nconst size_t rules_%s_size = sizeof rules_%s - 1;\n' $* $*; } > $@.$$$$ && mv $@.$$$$ $@
$(BUILD)/rules/%.o: build/rules/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Only this object knows version and commit; it is rebuilt when either changes.
$(BUILD)/cli/version.o: CPPFLAGS += -DWR_VERSION='"$(VERSION)"' -DWR_COMMIT='"$(COMMIT)"'
$(BUILD)/cli/version.o: $(BUILD)/commit.txt
$(BUILD)/commit.txt: FORCE
	@mkdir -p $(@D)
	@echo "$(COMMIT)" | cmp -s - $@ || echo "$(COMMIT)" > $@
.PHONY: FORCE

$(BUILD)/tests/%: CPPFLAGS += $(CMOCKA_CFLAGS)
$(UNIT) $(MPITESTS): $(BUILD)/%: $(BUILD)/%.o $(SUPPORT) $(LIBOBJ)
	@echo "  LD  $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(SUPPORT) $(LIBOBJ) $(LDLIBS) $(ARCHIVE_LIBS) $(CMOCKA_LIBS)
$(BENCHES): $(BUILD)/%: $(BUILD)/%.o $(BENCHOBJ) $(LIBOBJ)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(BENCHOBJ) $(LIBOBJ) $(LDLIBS)
$(TESTPROGS): $(BUILD)/%: $(BUILD)/%.o $(TESTPARTS) $(LIBOBJ)
	@echo "  LD  $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(TESTPARTS) $(LIBOBJ) $(LDLIBS) $(if $(findstring server.o,$<),$(MICROHTTPD_LIBS))
.SECONDARY:

tests-bin: $(BIN) $(UNIT) $(MPITESTS) $(TESTPROGS)

## check: build, unit tests, folder rules (a minute; before every commit)
check: tests-bin check-deps
	$(Q)BUILD=$(BUILD) ./tests/run.sh unit

## test: everything: unit, MPI, end-to-end, Slurm where installed (about 12 minutes on two cores; installs what is missing)
test: deps
	$(Q)$(MAKE) --no-print-directory -j2 tests-bin
	$(Q)BUILD=$(BUILD) ./tests/run.sh all

## demo: chats -> reward model -> better policy, with a before/after table and an HTML report (SMALL=1: mechanics only)
demo: deps
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)SMALL=$(SMALL) ./tests/e2e/demo.sh

## bench: measured ratios of this machine's limits, JSON and table
bench: $(BIN) $(BENCHES) $(TESTPROGS)
	$(Q)BUILD=$(BUILD) ./bench/run.sh

## lint: clang-format, clang-tidy (without it cppcheck), shellcheck
lint: $(PROMPTS)
	$(Q)LINT_FILE_FLAGS='$(foreach s,$(SOURCES),$(if $($(s:.c=_CFLAGS)),$(s) $($(s:.c=_CFLAGS));))' ./tests/lint.sh $(CPPFLAGS)

## check-deps: folders include and call only what rooms.txt allows
check-deps: $(OBJECTS)
	$(Q)./tests/check-deps.sh $(BUILD)

## format: clang-format in place
format:
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

## fuzz: libFuzzer targets, FUZZ_SECONDS each (default 60; needs clang)
fuzz: $(FUZZERS)
	$(Q)./tests/fuzz/run.sh $(or $(FUZZ_SECONDS),60)
FUZZ_OBJ := $(patsubst %.c,build/fuzz/obj/%.o,$(filter-out cli/main.c,$(SOURCES))) $(RULES:data/rules/%.txt=build/fuzz/obj/rules/%.o)
# tests/lint/omp.h: clang's own comes in a package of its own, and without -fopenmp only the functions are needed.
FUZZ_FLAGS = $(CPPFLAGS) -std=c17 -O1 -g -w -Itests/lint -fsanitize=address,undefined \
  -fno-sanitize-recover=undefined -DWR_VERSION='"$(VERSION)"' -DWR_COMMIT='"fuzz"'
build/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) $($*_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
build/fuzz/obj/rules/%.o: build/rules/%.c
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
FUZZ_SUPPORT := tests/support/conversation_dom.c
build/fuzz/%: tests/fuzz/%.c $(FUZZ_SUPPORT) $(FUZZ_OBJ)
	@echo "  LD  $@"
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_SUPPORT) $(FUZZ_OBJ) $(LDLIBS) -L$(dir $(shell $(CC) -print-file-name=libgomp.so)) -lgomp

## oracle: compare with Hugging Face live (Python; not needed by anything else)
oracle: $(BIN)
	$(Q)./tests/oracle/run.sh

## findings: what libraries do against a good guess, shown again (NAME=x: one; Python and network; not needed by anything else)
findings:
	$(Q)./findings/run.sh $(if $(findstring command,$(origin NAME)),$(NAME))

## install: binary and Slurm scripts under PREFIX
install: $(BIN)
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/wildreward
	for f in slurm/*.sbatch slurm/*.sh; do install -D -m 755 $$f $(DESTDIR)$(PREFIX)/share/wildreward/$$f; done
	for f in data/prompts/*.txt; do install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/wildreward/prompts/$$(basename $$f); done

## clean: remove build trees
clean:
	rm -rf build build-*

-include $(FUZZ_OBJ:.o=.d) $(OBJECTS:.o=.d) $(UNIT:%=%.d) $(MPITESTS:%=%.d) $(TESTPROGS:%=%.d) $(TESTPARTS:.o=.d) $(SUPPORT:.o=.d) $(BENCHES:%=%.d) $(BENCHOBJ:.o=.d)
