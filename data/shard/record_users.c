#include "data/shard/record_users.h"

#include "base/hash.h"
#include "data/shard/record_marks.h"

#include <string.h>

static uint64_t user_of(const char *user, const char *id) {
    static const uint64_t SEED = 1, NAMED = RECORD_USER_NAMED; /* not the hash that other tables of users go by */
    const bool named = user && user[0];
    const char *name = named ? user : id ? id : "";
    const uint64_t hash = hash64(name, strlen(name), SEED) & ~NAMED;
    return named ? hash | NAMED : hash;
}

static wr_status read_frame(void *context, const record_bytes *bytes, size_t n, arena *a, strbuf *out) {
    wr_status status = WR_OK;
    const shard_kind *kind = context;
    for (size_t i = 0; i < n; i++) {
        instance x = {0};
        chat_record chat = {0};
        if (*kind == SHARD_CHAT)
            TRY(chat_decode(bytes[i].bytes, bytes[i].n, a, &chat));
        else
            TRY(instance_decode(bytes[i].bytes, bytes[i].n, a, &x));
        const uint64_t user = *kind == SHARD_CHAT ? user_of(chat.user, chat.id) : user_of(x.user, x.id);
        strbuf_append(out, &user, sizeof user);
    }
    TRY(strbuf_status(out));
cleanup:
    return status;
}

wr_status record_users_find(world *w, record_source *s, uint64_t **users) {
    shard_kind kind = record_source_index(s)->meta.kind;
    uint8_t *bytes = NULL;
    const wr_status status = record_marks_make(w, s, sizeof **users, read_frame, &kind, &bytes);
    *users = (uint64_t *)(void *)bytes;
    return status;
}
