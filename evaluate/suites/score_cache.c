#include "evaluate/suites/score_cache.h"

#include "base/file.h"
#include "data/label/annotate/answer_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct score_cache {
    answer_cache *file;
    arena *record;
    strbuf model, key; /* what every key begins with */
};

static wr_status add_adapter(const char *dir, strbuf *out) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP], hex[HASH_HEX];
    size_t n = 0;
    TRY(dir_list(dir, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        TRY(path_join(path, dir, names[i]));
        if (dir_exists(path)) continue;
        TRY(hash_file_hex(path, hex));
        strbuf_printf(out, "%s ", hex);
    }
cleanup:
    names_free(names, n);
    return status;
}

wr_status score_cache_open(const char *dir, const reward_model *r, const char *adapter, score_cache **out) {
    wr_status status = WR_OK;
    score_cache *c = *out = mem_calloc(1, sizeof *c);
    TRY_ALLOC(c);
    TRY_ALLOC(c->record = arena_create());
    strbuf_printf(&c->model, "%s %d %s ", r->m->parent_hash, (int)r->m->precision, r->rule->name);
    if (adapter) TRY(add_adapter(adapter, &c->model));
    TRY(strbuf_status(&c->model));
    TRY(answer_cache_open(dir, 0, &c->file));
cleanup:
    if (status < 0) score_cache_close(c), *out = NULL;
    return status;
}

void score_cache_close(score_cache *c) {
    if (!c) return;
    answer_cache_close(c->file);
    arena_free(c->record);
    strbuf_free(&c->model);
    strbuf_free(&c->key);
    free(c);
}

static wr_status key_of(score_cache *c, const token_ids *text, char key[HASH_HEX]) {
    strbuf_clear(&c->key);
    strbuf_append(&c->key, c->model.data, c->model.len);
    strbuf_append(&c->key, text->ids, text->n * sizeof *text->ids);
    hash_hex(strbuf_str(&c->key), c->key.len, key);
    return strbuf_status(&c->key);
}

wr_status score_cache_find(score_cache *c, const token_ids *text, double *score) {
    wr_status status = WR_OK;
    const json_value *record = NULL;
    char key[HASH_HEX];
    TRY(key_of(c, text, key));
    if (!answer_cache_has(c->file, key)) return WR_END;
    arena_reset(c->record);
    status = answer_cache_find(c->file, key, c->record, &record);
    if (status == WR_OK && !json_get_double(record, "score", score)) status = WR_END;
cleanup:
    return status;
}

/* All digits that a double has: the score comes back with its bits. */
wr_status score_cache_add(score_cache *c, const token_ids *text, double score) {
    wr_status status = WR_OK;
    char key[HASH_HEX], member[64];
    TRY(key_of(c, text, key));
    const int n = snprintf(member, sizeof member, "\"score\":%.17g", score);
    TRY(answer_cache_add(c->file, key, member, (size_t)n));
cleanup:
    return status;
}
