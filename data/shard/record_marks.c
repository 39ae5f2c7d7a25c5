/* Frames are dealt out to the ranks in turn; each makes its frames' bytes, and all tell each other. */
#include "data/shard/record_marks.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static wr_status collect_frames(const dataset_index *d, size_t width, size_t ranks, const strbuf *told,
                                uint8_t *marks) {
    for (size_t r = 0; r < ranks; r++) {
        size_t done = 0;
        for (size_t f = r; f < d->n_frames; f += ranks) {
            const size_t n = d->frames[f].records * width;
            if (n > told[r].len - done) return wr_fail(WR_E_PEER, "rank %zu did not tell of frame %zu", r, f);
            if (n) memcpy(marks + d->frames[f].first_record * width, told[r].data + done, n);
            done += n;
        }
    }
    return WR_OK;
}

wr_status record_marks_make(world *w, record_source *s, size_t width, record_marks_fn frame, void *context,
                            uint8_t **marks) {
    wr_status status = WR_OK;
    const dataset_index *d = record_source_index(s);
    const size_t ranks = (size_t)world_size(w), rank = (size_t)world_rank(w);
    size_t most = 0;
    for (size_t f = 0; f < d->n_frames; f++) most = d->frames[f].records > most ? d->frames[f].records : most;
    uint8_t *out = mem_calloc(d->n_records + 1, width);
    uint32_t *wanted = mem_calloc(most + 1, sizeof *wanted);
    record_bytes *bytes = mem_calloc(most + 1, sizeof *bytes);
    strbuf mine = {0}, *told = mem_calloc(ranks, sizeof *told);
    arena *a = arena_create();
    *marks = NULL;
    status = out && wanted && bytes && told && a ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for marks of records");
    TRY(world_agree(w, status));
    for (size_t first = 0; first < d->n_frames; first += ranks) {
        const size_t f = first + rank, n = f < d->n_frames ? d->frames[f].records : 0;
        for (size_t i = 0; i < n; i++) wanted[i] = (uint32_t)(d->frames[f].first_record + i);
        TRY(record_source_fetch(s, wanted, n, bytes));
        arena_reset(a);
        TRY(world_agree(w, frame(context, bytes, n, a, &mine)));
    }
    TRY(world_allgather(w, &mine, told));
    TRY(world_agree(w, collect_frames(d, width, ranks, told, out)));
    *marks = out;
    out = NULL;
cleanup:
    for (size_t r = 0; told && r < ranks; r++) strbuf_free(&told[r]);
    strbuf_free(&mine);
    free(out), free(wanted), free(bytes), free(told);
    arena_free(a);
    return status;
}
