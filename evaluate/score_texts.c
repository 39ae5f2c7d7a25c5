#include "evaluate/score_texts.h"

#include "base/mem.h"
#include "mpi/work.h"

#include <stdlib.h>
#include <string.h>

enum { TASK_TEXTS = 64 };

/* Rank 0's. */
typedef struct text_list {
    const token_ids *texts;
    size_t n;
    double *scores;
    scored_fn scored; /* NULL: nobody asks */
    void *context;
} text_list;

static wr_status give_task(void *context, size_t index, strbuf *out) {
    const text_list *l = context;
    size_t from = index * TASK_TEXTS, to = from + TASK_TEXTS < l->n ? from + TASK_TEXTS : l->n;
    msgpack_packer pk;
    wire_packer(&pk, out);
    msgpack_pack_array(&pk, to - from);
    for (size_t i = from; i < to; i++) wire_pack_ids(&pk, l->texts[i].ids, l->texts[i].n);
    return strbuf_status(out);
}

static wr_status take_result(void *context, size_t index, const void *bytes, size_t n) {
    text_list *l = context;
    size_t from = index * TASK_TEXTS, want = l->n - from < TASK_TEXTS ? l->n - from : TASK_TEXTS;
    if (n != want * sizeof(double) + 3)
        return wr_fail(WR_E_FORMAT, "EVALUATE task %zu: a result of %zu bytes", index, n);
    memcpy(l->scores + from, (const char *)bytes + 3,
           want * sizeof(double)); /* msgpack bin 16: one head byte, two of length */
    return l->scored ? l->scored(l->context, from, want, l->scores + from) : WR_OK;
}

typedef struct text_worker {
    const reward_model *r;
    score_scratch *scratch;
    size_t max_tokens;
} text_worker;

static wr_status do_task(void *context, const void *task, size_t n, strbuf *out) {
    text_worker *k = context;
    wr_status status = WR_OK;
    msgpack_unpacked u;
    token_ids *texts = NULL;
    double *scores = NULL;
    size_t count = 0;
    msgpack_unpacked_init(&u);
    if (msgpack_unpack_next(&u, task, n, NULL) != MSGPACK_UNPACK_SUCCESS || u.data.type != MSGPACK_OBJECT_ARRAY)
        TRY(wr_fail(WR_E_FORMAT, "EVALUATE task that is not a list of texts"));
    texts = mem_calloc(u.data.via.array.size + 1, sizeof *texts);
    scores = mem_calloc(u.data.via.array.size + 1, sizeof *scores);
    TRY_ALLOC(texts);
    TRY_ALLOC(scores);
    for (; count < u.data.via.array.size; count++) {
        const msgpack_object *o = &u.data.via.array.ptr[count];
        for (size_t i = 0; o->type == MSGPACK_OBJECT_ARRAY && i < o->via.array.size; i++)
            TRY(token_ids_push(&texts[count], (int32_t)o->via.array.ptr[i].via.i64));
    }
    TRY(score_ids(k->r, k->scratch, count, texts, k->max_tokens, scores, NULL));
    msgpack_packer pk;
    unsigned char head[3] = {0xc5, (unsigned char)(count * sizeof(double) >> 8),
                             (unsigned char)(count * sizeof(double))};
    wire_packer(&pk, out);
    strbuf_append(out, head, sizeof head); /* bin 16 */
    strbuf_append(out, scores, count * sizeof(double));
    TRY(strbuf_status(out));
cleanup:
    for (size_t i = 0; texts && i <= count && i < u.data.via.array.size; i++) token_ids_free(&texts[i]);
    free(texts);
    free(scores);
    msgpack_unpacked_destroy(&u);
    return status;
}

wr_status score_texts(world *w, const reward_model *r, const token_ids *texts, size_t n, size_t max_tokens,
                      double *scores) {
    return score_texts_told(w, r, texts, n, max_tokens, scores, NULL, NULL);
}

wr_status score_texts_told(world *w, const reward_model *r, const token_ids *texts, size_t n, size_t max_tokens,
                           double *scores, scored_fn scored, void *context) {
    wr_status status = WR_OK;
    text_list l = {texts, n, scores, scored, context};
    text_worker worker = {.r = r, .max_tokens = max_tokens};
    coordinator *c = NULL;
    TRY(world_agree(w, score_scratch_create(r, &worker.scratch)));
    TRY(coordinator_create(w, &c));
    work_plan plan = {&l, (n + TASK_TEXTS - 1) / TASK_TEXTS, "EVALUATE", give_task, take_result, NULL, NULL};
    TRY(work_phase(c, world_rank(w) == 0 ? &plan : NULL, do_task, &worker, NULL));
cleanup:
    coordinator_free(c);
    score_scratch_free(worker.scratch);
    return status;
}
