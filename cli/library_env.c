#include "cli/library_env.h"

#include "base/log.h"
#include "model/kernels/blas_library.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define REMOVED "WILDREWARD_REMOVED_CORETYPE"
#define SET "WILDREWARD_SET_CORETYPE"

/* Vector width classes of OpenBLAS' x86-64 core types. */
enum { SSE, AVX, AVX2, AVX512, AVX512_BF16, NO_CLASS };

static int class_of_name(const char *name) {
    static const struct {
        const char *name;
        int class;
    } types[] = {
        {"Prescott", SSE},
        {"Core2", SSE},
        {"Penryn", SSE},
        {"Dunnington", SSE},
        {"Nehalem", SSE},
        {"Atom", SSE},
        {"Opteron", SSE},
        {"Opteron_SSE3", SSE},
        {"Barcelona", SSE},
        {"Bobcat", SSE},
        {"Nano", SSE},
        {"Generic", SSE},
        {"Sandybridge", AVX},
        {"Bulldozer", AVX},
        {"Piledriver", AVX},
        {"Steamroller", AVX},
        {"Excavator", AVX2},
        {"Haswell", AVX2},
        {"Zen", AVX2},
        {"SkylakeX", AVX512},
        {"Cooperlake", AVX512_BF16},
        {"SapphireRapids", AVX512_BF16},
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
    return __builtin_cpu_supports("avx512bf16")                                      ? AVX512_BF16
           : __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") ? AVX512
           : __builtin_cpu_supports("avx2")                                          ? AVX2
           : __builtin_cpu_supports("avx")                                           ? AVX
                                                                                     : SSE;
}
#else
static int class_of_cpu(void) { return SSE; /* core types of other architectures are left alone */ }
#endif

bool core_type_is_slow(void) { return class_of_name(openblas.openblas_get_corename()) < class_of_cpu(); }

const char *core_type_removed(void) { return getenv(REMOVED); }

const char *core_type_set(void) { return getenv(SET); }

/* Sets the environment for a faster core type; false where nothing is to do. */
static bool mend_core_type(void) {
    static const char *const newest[] = {[AVX2] = "Haswell", [AVX512] = "SkylakeX", [AVX512_BF16] = "Cooperlake"};
    const char *keep = getenv("WILDREWARD_KEEP_CORETYPE"), *pinned = getenv("OPENBLAS_CORETYPE");
    if (!core_type_is_slow() || (keep && strcmp(keep, "0") != 0) ||
        !strstr(openblas.openblas_get_config(), "DYNAMIC_ARCH")) {
        return false;
    }
    /* The marks stay in the environment: the next start sees that this was tried, and doctor can tell. */
    if (pinned && !getenv(REMOVED) && !getenv(SET)) {
        log_debug("OPENBLAS_CORETYPE=%s is slower than this CPU: starting anew without it", pinned);
        if (setenv(REMOVED, pinned, 1) != 0) {
            return false;
        }
        unsetenv("OPENBLAS_CORETYPE");
        unsetenv("OPENBLAS_L2_SIZE");
        return true;
    }
    if (!getenv(SET) && newest[class_of_cpu()]) {
        const char *name = newest[class_of_cpu()];
        log_debug("OpenBLAS takes this CPU for %s: starting anew with OPENBLAS_CORETYPE=%s",
                  openblas.openblas_get_corename(), name);
        return setenv(SET, name, 1) == 0 && setenv("OPENBLAS_CORETYPE", name, 1) == 0;
    }
    return false;
}

/* libgomp's threads spin for milliseconds at every barrier before they sleep. On a core that another process wants,
 * each barrier of a small model's step then costs a turn of the scheduler: 200 steps of 3 s took more than 300 s beside
 * 6 busy processes, 50 s with this bound. */
static bool bound_spinning(void) {
    return !getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT") && setenv("GOMP_SPINCOUNT", "10000", 1) == 0;
}

void library_env_choose(char **argv) {
    const bool spin = bound_spinning(), core = blas_library_load() >= 0 && mend_core_type();
    if (spin || core) {
        execv("/proc/self/exe", argv); /* only returns where /proc is missing: then the program runs as it is */
    }
}
