/* In one frame, the part of an id before its last ":" names the conversation:
 *
 *     id          a:1 a:3 b:1 c:1 c:5 | c:9 …      (| a frame ends)
 *     continues    0   1   0   0   1  |  0
 *
 * An id without one is a conversation of its own. */
#include "data/shard/conversation_runs.h"

#include "base/hash.h"
#include "data/shard/record_marks.h"

#include <string.h>

/* What names the conversation of a record; 0 where nothing does. */
static uint64_t conversation_of(const instance *x) {
    const char *colon = strrchr(x->id, ':');
    return colon && colon > x->id ? hash64(x->id, (size_t)(colon - x->id), 0) : 0;
}

/* A byte a record of the frame. */
static wr_status read_frame(void *context, const record_bytes *bytes, size_t n, arena *a, strbuf *out) {
    wr_status status = WR_OK;
    (void)context;
    uint64_t before = 0;
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

wr_status conversation_runs_find(world *w, record_source *s, uint8_t **continues) {
    return record_marks_make(w, s, 1, read_frame, NULL, continues);
}
