/* Ranks train copies that must stay equal to the bit: each updates its own with the same sum. One hash of
 * hashes is compared; only where a rank's differs are the hashes of rank 0's parts sent, and that rank names the first
 * of its own that is another. */
#include "trainer/replicas.h"

#include "base/hash.h"
#include "base/mem.h"
#include "model/weights/lora.h"
#include "mpi/same.h"

#include <stdlib.h>
#include <string.h>

/* Hashes of what is compared: a tensor each of what is trained, then both moments, then what lies below adapters. */
typedef struct parts {
    uint64_t *hashes;
    size_t n, n_tensors;
} parts;

static wr_status hash_parts(const model *m, const adamw *opt, parts *out) {
    wr_status status = WR_OK;
    const trainables x = model_trainables(m);
    out->n_tensors = x.n_tensors;
    out->n = x.n_tensors + 3;
    TRY_ALLOC(out->hashes = mem_calloc(out->n, sizeof *out->hashes));
    for (size_t i = 0; i < x.n_tensors; i++)
        out->hashes[i] = hash64(x.values + x.tensors[i].offset, x.tensors[i].count * sizeof(float), i);
    if (opt) {
        out->hashes[x.n_tensors] = hash64(opt->m, opt->n * sizeof(float), (uint64_t)opt->t);
        out->hashes[x.n_tensors + 1] = hash64(opt->v, opt->n * sizeof(float), 0);
    } else if (m->lora && m->params)
        out->hashes[x.n_tensors + 2] = hash64(m->params, m->n_params * sizeof(float), 0);
cleanup:
    return status;
}

/* On the rank that differs: in what. */
static wr_status name_part(const model *m, const parts *mine, const uint64_t *root) {
    const trainables x = model_trainables(m);
    for (size_t i = 0; i < mine->n; i++) {
        if (mine->hashes[i] == root[i]) continue;
        const char *what = i < mine->n_tensors        ? x.tensors[i].name
                           : i == mine->n_tensors     ? "the first moments"
                           : i == mine->n_tensors + 1 ? "the second moments"
                                                      : "the frozen weights";
        return wr_fail(WR_E_MISMATCH,
                       "its %s are not those of rank 0: the ranks no longer train one model; go on from the last "
                       "checkpoint with --resume, and have this host's memory tested",
                       what);
    }
    return wr_fail(WR_E_MISMATCH, "its weights are not those of rank 0");
}

wr_status replicas_equal(world *w, const model *m, const adamw *opt) {
    wr_status status = WR_OK;
    parts mine = {0};
    strbuf root = {0};
    int odd;
    if (world_size(w) == 1) return WR_OK;
    TRY(world_agree(w, hash_parts(m, opt, &mine)));
    if (world_equal(w, hash64(mine.hashes, mine.n * sizeof *mine.hashes, mine.n), &odd)) goto cleanup;
    strbuf_append(&root, mine.hashes, mine.n * sizeof *mine.hashes);
    TRY(world_bcast(w, 0, &root));
    const bool same_shape = root.len == mine.n * sizeof *mine.hashes;
    if (world_rank(w) == odd)
        status = same_shape ? name_part(m, &mine, (const uint64_t *)(const void *)root.data)
                            : wr_fail(WR_E_MISMATCH, "its model is another than rank 0's");
    status = world_agree(w, status);
cleanup:
    free(mine.hashes);
    strbuf_free(&root);
    return status;
}
