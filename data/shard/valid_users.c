#include "data/shard/valid_users.h"

#include "base/hash.h"
#include "data/shard/record_marks.h"

#include <string.h>

/* A hash's first 53 bits as a number of [0, 1). */
static bool valid_user(const char *user, double share) {
    static const uint64_t SEED = 1; /* not the hash that other tables of users go by */
    return (double)(hash64(user, strlen(user), SEED) >> 11) * 0x1p-53 < share;
}

typedef struct side {
    shard_kind kind;
    double share;
} side;

static wr_status mark_frame(void *context, const record_bytes *bytes, size_t n, arena *a, strbuf *out) {
    wr_status status = WR_OK;
    const side *s = context;
    for (size_t i = 0; i < n; i++) {
        instance x = {0};
        chat_record chat = {0};
        if (s->kind == SHARD_CHAT)
            TRY(chat_decode(bytes[i].bytes, bytes[i].n, a, &chat));
        else
            TRY(instance_decode(bytes[i].bytes, bytes[i].n, a, &x));
        const char *user = s->kind == SHARD_CHAT ? chat.user : x.user, *id = s->kind == SHARD_CHAT ? chat.id : x.id;
        strbuf_putc(out, (char)valid_user(user && user[0] ? user : id ? id : "", s->share));
    }
    TRY(strbuf_status(out));
cleanup:
    return status;
}

wr_status valid_users_find(world *w, record_source *s, double share, uint8_t **aside, size_t *n) {
    const dataset_index *d = record_source_index(s);
    side of = {d->meta.kind, share};
    const wr_status status = record_marks_make(w, s, mark_frame, &of, aside);
    *n = 0;
    for (size_t i = 0; status >= 0 && i < d->n_records; i++) *n += (*aside)[i];
    return status;
}
