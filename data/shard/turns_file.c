#include "data/shard/turns_file.h"

#include "base/stream.h"

#include <string.h>

static const char *text_of(const json_value *row, const char *key) {
    const char *s;
    size_t n;
    return json_get_string(row, key, &s, &n) ? s : NULL;
}

/* "" for null, NULL when the field is absent. */
static const char *known_text(const json_value *row, const char *key) {
    const json_value *v = json_get(row, key);
    return json_is(v, JSON_STRING) ? v->text : v ? "" : NULL;
}

static bool is(const char *s, const char *word) { return s && strcmp(s, word) == 0; }

static bool take_level(const json_value *row, const char *key, int *out) {
    int64_t level = 0;
    const json_value *v = json_get(row, key);
    *out = 0;
    if (!v || json_is(v, JSON_NULL)) return true;
    if (!json_get_int(row, key, &level) || level < 1 || level > 5) return false;
    *out = (int)level;
    return true;
}

static bool take_turn(const json_value *row, turn_line *t) {
    *t = (turn_line){0};
    t->conversation = text_of(row, "conversation_hash");
    if (!t->conversation || !json_get_int(row, "turn_identifier", &t->turn)) return false;
    if (!take_level(row, "level", &t->level) || !take_level(row, "final_level", &t->final_level)) return false;
    t->user = text_of(row, "user");
    t->how = text_of(row, "how");
    t->dropped = text_of(row, "dropped");
    t->language = known_text(row, "language");
    t->model = known_text(row, "model");
    t->month = known_text(row, "month");
    const char *refusal = known_text(row, "refusal");
    t->refusal_stated = refusal != NULL;
    if (refusal) {
        t->refusal = is(refusal, "false")       ? TURN_FALSE
                     : is(refusal, "justified") ? TURN_JUSTIFIED
                     : is(refusal, "no")        ? TURN_ANSWERED
                                                : TURN_NO_PHRASE;
    } else if (is(t->how, "refusal")) {
        t->refusal = t->final_level == 1 ? TURN_FALSE : TURN_JUSTIFIED;
    }
    return true;
}

wr_status turns_read(const char *path, turn_fn fn, void *context, uint64_t *bad) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    uint64_t good = 0;
    arena *a = arena_create();
    TRY_ALLOC(a);
    *bad = 0;
    TRY(instream_open(path, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        const json_value *row = NULL;
        turn_line t;
        TRY(got);
        if (got == WR_END) break;
        if (!n) continue;
        arena_reset(a);
        wr_status is_json = json_parse(a, line, n, &row);
        if (is_json == WR_E_NOMEM) TRY(is_json);
        if (is_json < 0 || !take_turn(row, &t)) {
            ++*bad;
            continue;
        }
        good++;
        TRY(fn(context, &t));
    }
    if (!good && *bad)
        TRY(wr_fail(WR_E_FORMAT, "%s: none of its %llu lines is a follow-up of prepare", path,
                    (unsigned long long)*bad));
cleanup:
    instream_close(in);
    arena_free(a);
    return status;
}
