/* Frames are dealt out to the ranks in turn. In one frame, the part of an id before its last ":" names the conversation:
 *
 *     id          a:1 a:3 b:1 c:1 c:5 | c:9 …      (| a frame ends)
 *     continues    0   1   0   0   1  |  0
 *
 * An id without one is a conversation of its own. */
#include "data/shard/conversation_runs.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What names the conversation of a record; 0 where nothing does. */
static uint64_t conversation_of(const instance *x) {
    const char *colon = strrchr(x->id, ':');
    return colon && colon > x->id ? hash64(x->id, (size_t)(colon - x->id), 0) : 0;
}

/* A byte a record of the frame. */
static wr_status read_frame(const record_bytes *bytes, size_t n, arena *a, strbuf *out) {
    wr_status status = WR_OK;
    uint64_t before = 0;
    arena_reset(a);
    for (size_t i = 0; i < n; i++) {
        instance x;
        TRY(instance_decode(bytes[i].bytes, bytes[i].n, a, &x));
        const uint64_t here = conversation_of(&x);
        strbuf_putc(out, (char)(i > 0 && here && here == before));
        before = here;
    }
    TRY(strbuf_status(out));
cleanup:
    return status;
}

static wr_status collect_frames(const dataset_index *d, size_t ranks, const strbuf *told, uint8_t *continues) {
    for (size_t r = 0; r < ranks; r++) {
        size_t done = 0;
        for (size_t f = r; f < d->n_frames; f += ranks) {
            const size_t n = d->frames[f].records;
            if (n > told[r].len - done) return wr_fail(WR_E_PEER, "rank %zu did not tell of frame %zu", r, f);
            if (n) memcpy(continues + d->frames[f].first_record, told[r].data + done, n);
            done += n;
        }
    }
    return WR_OK;
}

wr_status conversation_runs_find(world *w, record_source *s, uint8_t **continues) {
    wr_status status = WR_OK;
    const dataset_index *d = record_source_index(s);
    const size_t ranks = (size_t)world_size(w), rank = (size_t)world_rank(w);
    size_t most = 0;
    for (size_t f = 0; f < d->n_frames; f++) most = d->frames[f].records > most ? d->frames[f].records : most;
    uint8_t *out = mem_calloc(d->n_records + 1, sizeof *out);
    uint32_t *wanted = mem_calloc(most + 1, sizeof *wanted);
    record_bytes *bytes = mem_calloc(most + 1, sizeof *bytes);
    strbuf mine = {0}, *told = mem_calloc(ranks, sizeof *told);
    arena *a = arena_create();
    *continues = NULL;
    status =
        out && wanted && bytes && told && a ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for the order of records");
    TRY(world_agree(w, status));
    for (size_t first = 0; first < d->n_frames; first += ranks) {
        const size_t f = first + rank, n = f < d->n_frames ? d->frames[f].records : 0;
        for (size_t i = 0; i < n; i++) wanted[i] = (uint32_t)(d->frames[f].first_record + i);
        TRY(record_source_fetch(s, wanted, n, bytes));
        TRY(world_agree(w, read_frame(bytes, n, a, &mine)));
    }
    TRY(world_allgather(w, &mine, told));
    TRY(world_agree(w, collect_frames(d, ranks, told, out)));
    *continues = out;
    out = NULL;
cleanup:
    for (size_t r = 0; told && r < ranks; r++) strbuf_free(&told[r]);
    strbuf_free(&mine);
    free(out), free(wanted), free(bytes), free(told);
    arena_free(a);
    return status;
}
