# dlcli: `make`, `make test`, `make install PREFIX= DESTDIR=`, `make DEBUG=1`, `make SAN=address,undefined`, `make SAN=thread`, `make sizes`.
# Objects lie under build/; a set of flags has a folder of its own there, so that switching rebuilds nothing twice.
ifeq ($(origin CC),default)
CC      := gcc
endif
PREFIX  ?= /usr/local
VERSION := 0.1.0

MACHINE := $(shell $(CC) -dumpmachine)
comma   := ,
VARIANT := $(notdir $(firstword $(CC)))$(if $(DEBUG),-debug)$(if $(SAN),-$(subst $(comma),+,$(SAN)))
OUT     := build/$(VARIANT)
BINARY  := $(if $(DEBUG)$(SAN)$(KEEP),$(OUT)/dlcli,dlcli)

# `make V=1` prints every command.
Q   := $(if $(V),,@)
SAY := @$(if $(V),:,echo)

OPTIMIZE := $(if $(DEBUG),-O0 -g3,-O2 -g1)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Werror
CPPFLAGS += -Isrc -D_GNU_SOURCE -DDLCLI_VERSION='"$(VERSION)"'
CFLAGS   += -std=c11 $(OPTIMIZE) $(WARN) $(SANITIZE) -pthread
LDFLAGS  += $(SANITIZE) -pthread
LDLIBS   += -lcjson -lz -lm -ldl

# Kernels: each file of kernels/body/ is compiled once per instruction set and element type (see kernels/body/body.h).
KERNEL_FLAGS := -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math
ifneq (,$(findstring x86_64,$(MACHINE)))
ISAS := base avx2 avx512
FLAGS_avx2   := -mavx2 -mfma -mf16c -mbmi2
FLAGS_avx512 := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c -mbmi2 -mprefer-vector-width=512
FLAGS_vnni   := $(FLAGS_avx512) -mavx512vnni -DISA_avx512=1
FLAGS_vnni-bf16 := -mavx512bf16
FLAGS_quantizedvnni := $(FLAGS_vnni) -DISA_vnni=1 -DQUANTIZED=1
FLAGS_quantizedavx512 := $(FLAGS_avx512) -DISA_avx512=1 -DQUANTIZED=1
FLAGS_quantizedavx2 := $(FLAGS_avx2) -DISA_avx2=1 -DQUANTIZED=1
FLAGS_int16vnni := $(FLAGS_vnni) -DPRODUCTS=int16vnni
FLAGS_int16avx512 := $(FLAGS_avx512) -DISA_avx512=1 -DPRODUCTS=int16avx512
FLAGS_int16avx2 := $(FLAGS_avx2) -DISA_avx2=1 -DPRODUCTS=int16avx2
FLAGS_int8amx := $(FLAGS_avx512) -mamx-tile -mamx-int8 -DISA_avx512=1 -DISA_amx=1
OWN_BF16     := $(FLAGS_avx512) -mavx512bf16 -DISA_avx512=1
FLAGS_bf16   := $(OWN_BF16) -mavx512vnni -DPRODUCTS=bf16
FLAGS_amx    := $(OWN_BF16) -mamx-tile -mamx-bf16 -DPRODUCTS=amx
FLAGS_roundedbf16 := $(OWN_BF16) -DROUNDED=1
FLAGS_roundedamx := $(OWN_BF16) -mamx-tile -mamx-bf16 -DISA_amx=1 -DROUNDED=1
else
ISAS := base
endif
ELEMS := $(foreach isa,$(ISAS),$(isa)-f32 $(isa)-bf16) base-f64

SOURCES := $(filter-out src/kernels/body/%,$(shell find src -name '*.c' | sort))
BODIES  := $(sort $(wildcard src/kernels/body/*.c))
OBJECTS := $(SOURCES:src/%.c=$(OUT)/%.o)
KERNELS := $(foreach e,$(ELEMS),$(BODIES:src/kernels/body/%.c=$(OUT)/kernels/$(e)/%.o))
# AVX-512 with VNNI, and AMX: only what products of 8-bit numbers need.
INT8 := conv_int8 activation
ifneq (,$(filter avx512,$(ISAS)))
KERNELS += $(foreach e,f32 bf16,$(patsubst %,$(OUT)/kernels/vnni-$(e)/%.o,$(INT8) conv_int8_tile conv_int8_lanes))
KERNELS += $(foreach e,f32 bf16,$(patsubst %,$(OUT)/kernels/int8amx-$(e)/%.o,$(INT8) conv_int8_amx))
# Recurrent cells of 8-bit products.
QUANTIZED := recurrent cells_pack cells_unit cells_product_int8
KERNELS += $(foreach of,vnni-f32 vnni-bf16 avx512-f32 avx2-f32,$(patsubst %,$(OUT)/kernels/quantized$(of)/%.o,$(QUANTIZED)))
endif
# Products of bfloat16, by AVX512-BF16 and by AMX: convolutions channels last. All else is AVX-512's: ISA_OF_ names the set whose functions they call.
OWN_FILES   := chunk conv lay_out pack store weight
ISA_OF_bf16 := avx512
ISA_OF_amx  := avx512
ISA_OF_int16vnni := avx512
ISA_OF_int16avx512 := avx512
ISA_OF_int16avx2 := avx2
ifneq (,$(filter avx512,$(ISAS)))
KERNELS += $(foreach p,bf16 amx,$(patsubst %,$(OUT)/kernels/$(p)-bf16/bf16/%.o,$(OWN_FILES) product_$(p) peak_$(p) table))
# Winograd's frequencies as 16-bit numbers, beside those products and among floats.
INT16 := int16/numbers int16/sums
KERNELS += $(patsubst %,$(OUT)/kernels/bf16-bf16/%.o,bf16/winograd $(INT16))
KERNELS += $(foreach p,int16vnni int16avx512 int16avx2,$(patsubst %,$(OUT)/kernels/$(p)-f32/%.o,$(INT16) int16/winograd))
# Products of reals rounded to bfloat16: recurrent cells and matrix products of both.
ROUNDED := recurrent cells_pack cells_unit gemm_few bf16/cells_product bf16/gemm bf16/rounded
KERNELS += $(foreach p,bf16 amx,$(patsubst %,$(OUT)/kernels/rounded$(p)-bf16/%.o,$(ROUNDED) bf16/rows_$(p)))
endif
LIBRARY := $(filter-out $(OUT)/main.o,$(OBJECTS)) $(KERNELS)

all: $(BINARY)

$(OUT)/dlcli: $(OBJECTS) $(KERNELS)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
	$(SAY) "  LINK $@"

# A copy of what was asked for last: by its date alone, another compiler's would pass for it.
dlcli: $(OUT)/dlcli FORCE
	$(Q)cmp -s $< $@ || install -m 755 $< $@
FORCE:

# Compiles everything and links nothing: what a cross compiler without the libraries can do.
objects: $(OBJECTS) $(KERNELS)

# Objects depend on this file too, which says how they are made.
$(OUT)/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(SAY) "  CC   $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

define kernel_rule
$(OUT)/kernels/$(1)-$(2)/%.o: src/kernels/body/%.c Makefile
	@mkdir -p $$(@D)
	$$(SAY) "  CC   $$@"
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(if $$(DEBUG),,$$(KERNEL_FLAGS)) $$(FLAGS_$(1)) $$(FLAGS_$(1)-$(2)) -DISA=$$(or $$(ISA_OF_$(1)),$(1)) -DISA_$(1)=1 -DELEM=$(2) -DELEM_$(2)=1 -MMD -MP -c -o $$@ $$<
endef
$(foreach e,f32 bf16,$(foreach own,vnni quantizedvnni int8amx,$(eval $(call kernel_rule,$(own),$(e)))))
$(foreach own,quantizedavx512 quantizedavx2 int16vnni int16avx512 int16avx2,$(eval $(call kernel_rule,$(own),f32)))
$(eval $(call kernel_rule,bf16,bf16))
$(eval $(call kernel_rule,amx,bf16))
$(eval $(call kernel_rule,roundedbf16,bf16))
$(eval $(call kernel_rule,roundedamx,bf16))
$(foreach e,$(ELEMS),$(eval $(call kernel_rule,$(word 1,$(subst -, ,$(e))),$(word 2,$(subst -, ,$(e))))))

# For the tests: the convolutions' AVX-512 shapes as AVX2 code, so that they are tested where there is no AVX-512; VNNI's and AVX512-BF16's instructions in C;
# and AMX's beside AVX2 code, to be trapped where there are none (tests/unit/amx_trap.h).
# Vectors in halves would take -O1 half a minute, and nobody waits for what they compute.
ifneq (,$(filter avx2,$(ISAS)))
FLAGS_emulated := $(FLAGS_avx2) -DISA_avx512=1 -O0
$(eval $(call kernel_rule,emulated,f32))
$(eval $(call kernel_rule,emulated,bf16))
FLAGS_emulatedvnni := $(FLAGS_emulated) -DISA_vnni=1
$(foreach e,f32 bf16,$(eval $(call kernel_rule,emulatedvnni,$(e))))
FLAGS_emulatedquantized := $(FLAGS_emulated) -DISA_vnni=1 -DQUANTIZED=1
$(OUT)/kernels/emulatedquantized-%/cells_product_int8.o: FLAGS_emulatedquantized += -O1
$(foreach e,f32 bf16,$(eval $(call kernel_rule,emulatedquantized,$(e))))
FLAGS_emulatedbf16 := $(FLAGS_emulated) -DPRODUCTS=emulatedbf16
ISA_OF_emulatedbf16 := emulated
# But this instruction takes 15 operations in C, over the whole grid of shapes.
$(OUT)/kernels/emulatedbf16-bf16/bf16/product_bf16.o: FLAGS_emulatedbf16 += -O1
$(eval $(call kernel_rule,emulatedbf16,bf16))
FLAGS_emulatedint16 := $(FLAGS_emulated) -DPRODUCTS=emulatedint16
ISA_OF_emulatedint16 := emulated
$(eval $(call kernel_rule,emulatedint16,f32))
FLAGS_emulatedrounded := $(FLAGS_emulated) -DROUNDED=1
$(OUT)/kernels/emulatedrounded-bf16/bf16/rows_bf16.o: FLAGS_emulatedrounded += -O1
$(eval $(call kernel_rule,emulatedrounded,bf16))
TRAPPED := $(FLAGS_emulated) -mamx-tile -mamx-bf16 -mamx-int8 -DISA_amx=1
FLAGS_trappedint8 := $(TRAPPED)
$(foreach e,f32 bf16,$(eval $(call kernel_rule,trappedint8,$(e))))
FLAGS_trappedrounded := $(TRAPPED) -DROUNDED=1
$(eval $(call kernel_rule,trappedrounded,bf16))
FLAGS_trappedamx := $(TRAPPED) -DPRODUCTS=trappedamx
ISA_OF_trappedamx := emulated
$(eval $(call kernel_rule,trappedamx,bf16))
EMULATED := $(foreach e,f32 bf16,$(patsubst %,$(OUT)/kernels/emulatedvnni-$(e)/%.o,$(INT8) conv_int8_tile conv_int8_lanes))
EMULATED += $(foreach e,f32 bf16,$(patsubst %,$(OUT)/kernels/emulatedquantized-$(e)/%.o,$(QUANTIZED)))
EMULATED += $(foreach e,f32 bf16,$(patsubst %,$(OUT)/kernels/trappedint8-$(e)/%.o,$(INT8) conv_int8_amx))
EMULATED += $(foreach e,f32 bf16,$(patsubst src/kernels/body/%.c,$(OUT)/kernels/emulated-$(e)/%.o,\
	$(filter src/kernels/body/conv_lanes% src/kernels/body/conv_nhwc% src/kernels/body/conv_pointwise.c src/kernels/body/gemm_sums.c src/kernels/body/conv_winograd% src/kernels/body/conv_int8% src/kernels/body/activation.c src/kernels/body/cells% src/kernels/body/recurrent.c,$(BODIES))))
EMULATED += $(patsubst %,$(OUT)/kernels/emulatedbf16-bf16/bf16/%.o,$(OWN_FILES) product_bf16 winograd)
EMULATED += $(patsubst %,$(OUT)/kernels/emulatedbf16-bf16/%.o,$(INT16)) $(patsubst %,$(OUT)/kernels/emulatedint16-f32/%.o,$(INT16) int16/winograd)
EMULATED += $(patsubst %,$(OUT)/kernels/trappedamx-bf16/bf16/%.o,$(OWN_FILES) product_amx)
EMULATED += $(patsubst %,$(OUT)/kernels/emulatedrounded-bf16/%.o,$(ROUNDED) bf16/rows_bf16)
EMULATED += $(patsubst %,$(OUT)/kernels/trappedrounded-bf16/%.o,$(ROUNDED) bf16/rows_amx)
endif

# Tests: every tests/unit/test_*.c is a program of its own, linked with everything but main.c.
TESTS := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/test_*.c))
$(OUT)/tests/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(SAY) "  TEST $@"
	$(Q)$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIBRARY) $(LDLIBS) -lcmocka

WITH_EMULATED := $(patsubst %,$(OUT)/tests/%,test_conv test_int8 test_cells test_kernels_conv)
$(WITH_EMULATED): $(EMULATED)
$(WITH_EMULATED): LIBRARY += $(EMULATED)

tests: $(TESTS)
test-unit: $(TESTS)
	@status=0; for t in $(TESTS); do ./$$t || status=1; done; exit $$status

# Everything, as CI runs it.
test:
	@scripts/test

install: $(BINARY)
	install -D -m 755 $(BINARY) "$(DESTDIR)$(PREFIX)/bin/dlcli"
	install -d "$(DESTDIR)$(PREFIX)/share/man/man1"
	"$(abspath $(BINARY))" help man >"$(DESTDIR)$(PREFIX)/share/man/man1/dlcli.1"

sizes:
	@scripts/sizes

clean:
	rm -rf build dlcli

.PHONY: FORCE all objects tests test-unit test install sizes clean
.DELETE_ON_ERROR:
-include $(OBJECTS:.o=.d) $(KERNELS:.o=.d) $(EMULATED:.o=.d) $(TESTS:=.d)
