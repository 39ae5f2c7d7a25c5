#include "cli/core_type.h"

#include "base/log.h"
#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define REMOVED "WILDREWARD_REMOVED_CORETYPE"
#define SET "WILDREWARD_SET_CORETYPE"

/* Vector width classes of OpenBLAS' x86-64 core types. */
enum { SSE, AVX, AVX2, AVX512, AVX512_BF16, NO_CLASS };

static int class_of_name(const char *name) {
    static const struct { const char *name; int class; } types[] = {
        {"Prescott", SSE}, {"Core2", SSE}, {"Penryn", SSE}, {"Dunnington", SSE}, {"Nehalem", SSE}, {"Atom", SSE}, {"Opteron", SSE},
        {"Opteron_SSE3", SSE}, {"Barcelona", SSE}, {"Bobcat", SSE}, {"Nano", SSE}, {"Generic", SSE}, {"Sandybridge", AVX},
        {"Bulldozer", AVX}, {"Piledriver", AVX}, {"Steamroller", AVX}, {"Excavator", AVX2}, {"Haswell", AVX2}, {"Zen", AVX2},
        {"SkylakeX", AVX512}, {"Cooperlake", AVX512_BF16}, {"SapphireRapids", AVX512_BF16},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(types[i].name, name) == 0) {
            return types[i].class;
        }
    }
    return NO_CLASS;
}

#if defined(__x86_64__)
static int class_of_cpu(void) {
    return __builtin_cpu_supports("avx512bf16")                                        ? AVX512_BF16
           : __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") ? AVX512
           : __builtin_cpu_supports("avx2")                                            ? AVX2
           : __builtin_cpu_supports("avx")                                             ? AVX
                                                                                       : SSE;
}
#else
static int class_of_cpu(void) {
    return SSE; /* core types of other architectures are left alone */
}
#endif

bool core_type_is_slow(void) {
    return class_of_name(openblas_get_corename()) < class_of_cpu();
}

const char *core_type_removed(void) {
    return getenv(REMOVED);
}

const char *core_type_set(void) {
    return getenv(SET);
}

void core_type_choose(char **argv) {
    static const char *const newest[] = {[AVX2] = "Haswell", [AVX512] = "SkylakeX", [AVX512_BF16] = "Cooperlake"};
    const char *keep = getenv("WILDREWARD_KEEP_CORETYPE"), *pinned = getenv("OPENBLAS_CORETYPE");
    if (!core_type_is_slow() || (keep && strcmp(keep, "0") != 0) || !strstr(openblas_get_config(), "DYNAMIC_ARCH")) {
        return;
    }
    /* The marks stay in the environment: the next start sees that this was tried, and doctor can tell. */
    if (pinned && !getenv(REMOVED) && !getenv(SET)) {
        log_debug("OPENBLAS_CORETYPE=%s is slower than this CPU: starting anew without it", pinned);
        if (setenv(REMOVED, pinned, 1) != 0) {
            return;
        }
        unsetenv("OPENBLAS_CORETYPE");
        unsetenv("OPENBLAS_L2_SIZE");
    } else if (!getenv(SET) && newest[class_of_cpu()]) {
        const char *name = newest[class_of_cpu()];
        log_debug("OpenBLAS takes this CPU for %s: starting anew with OPENBLAS_CORETYPE=%s", openblas_get_corename(), name);
        if (setenv(SET, name, 1) != 0 || setenv("OPENBLAS_CORETYPE", name, 1) != 0) {
            return;
        }
    } else {
        return;
    }
    execv("/proc/self/exe", argv); /* only returns where /proc is missing: then the program runs as it is */
}
