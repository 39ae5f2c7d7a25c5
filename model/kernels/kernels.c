/* Choice of the kernel table. */
#include "model/kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

static const kernels_table *choose(void) {
    /* best first */
    const kernels_table *const tables[] = {&kernels_avx512bf16, &kernels_avx512, &kernels_avx2, &kernels_baseline};
    const char *wanted = getenv("WILDREWARD_ISA");
    bool found = wanted == NULL;
    for (size_t i = 0; i + 1 < sizeof tables / sizeof tables[0]; i++) {
        found = found || strcmp(tables[i]->name, wanted) == 0;
        if (found && tables[i]->usable()) return tables[i];
    }
    return &kernels_baseline;
}

const kernels_table *kernels(void) {
    /* A cache of a pure function: racing threads store the same pointer. */
    static const kernels_table *chosen;
    const kernels_table *k = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (!k) __atomic_store_n(&chosen, k = choose(), __ATOMIC_RELAXED);
    return k;
}
