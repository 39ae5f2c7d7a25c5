/* Strings do not travel with the scores: rank 0 reads the records once more, which costs little beside a forward pass,
 * and numbers users and prompts in the order of the records, so that nothing depends on the number of ranks. */
#include "evaluate/reward_records.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/string_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

struct name_maps {
    string_map users, prompts;
    size_t users_capacity;
    const char **names; /* (n_users) */
    arena *scratch;
    strbuf text;
};

wr_status name_maps_create(name_maps **out) {
    *out = mem_calloc(1, sizeof **out);
    if (*out) (*out)->scratch = arena_create();
    return *out && (*out)->scratch ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for names of users");
}

void name_maps_free(name_maps *m) {
    if (!m) return;
    string_map_free(&m->users);
    string_map_free(&m->prompts);
    free(m->names);
    arena_free(m->scratch);
    strbuf_free(&m->text);
    free(m);
}

#define TAKE(member, count)                                                                                            \
    r->member = arena_alloc(r->memory, ((count) + 1) * sizeof *r->member);                                             \
    TRY_ALLOC(r->member);                                                                                              \
    memset(r->member, 0, ((count) + 1) * sizeof *r->member)

wr_status reward_records_create(reward_records *r, size_t n, int classes, bool with_class, bool with_above) {
    wr_status status = WR_OK;
    *r = (reward_records){.memory = arena_create()};
    TRY_ALLOC(r->memory);
    TAKE(score, n);
    TAKE(length, n);
    TAKE(label, n);
    TAKE(user, n);
    TAKE(prompt, n);
    TAKE(id, n);
    if (with_class) {
        TAKE(class, n);
    }
    if (with_above) {
        TAKE(above, n * (size_t)(classes - 1));
    }
    r->p = (predictions){.n = n,
                         .classes = classes,
                         .score = r->score,
                         .label = r->label,
                         .class = r->class,
                         .above = r->above,
                         .user = r->user,
                         .prompt = r->prompt,
                         .length = r->length};
cleanup:
    return status;
}

void reward_records_free(reward_records *r) {
    arena_free(r->memory);
    *r = (reward_records){0};
}

/* The number of a name that lives as long as the map; a new one gets `next`. */
static wr_status number_of(string_map *m, arena *memory, const char *name, size_t next, uint32_t *out, bool *fresh) {
    wr_status status = WR_OK;
    string_entry *slot;
    int is_new;
    const size_t n = strlen(name);
    const string_entry *known = string_map_find(m, name, n);
    *fresh = !known;
    if (known) {
        *out = (uint32_t)known->value;
        return WR_OK;
    }
    const char *kept = arena_strndup(memory, name, n);
    TRY_ALLOC(kept);
    TRY(string_map_put(m, kept, n, (int32_t)next, &slot, &is_new));
    *out = (uint32_t)next;
cleanup:
    return status;
}

wr_status reward_records_name(reward_records *r, name_maps *m, size_t i, const char *id, const char *user,
                              const char *prompt) {
    wr_status status = WR_OK;
    char alone[40];
    bool fresh;
    snprintf(alone, sizeof alone, "\nrecord %zu", i); /* a name that no user has */
    r->id[i] = arena_strndup(r->memory, id, strlen(id));
    TRY_ALLOC(r->id[i]);
    TRY(number_of(&m->users, r->memory, user[0] ? user : alone, r->p.n_users, &r->user[i], &fresh));
    if (fresh) {
        TRY(mem_reserve((void **)&m->names, &m->users_capacity, r->p.n_users + 1, sizeof *m->names));
        m->names[r->p.n_users] = arena_strndup(r->memory, user, strlen(user));
        TRY_ALLOC(m->names[r->p.n_users++]);
    }
    r->prompt[i] = NO_PROMPT;
    if (prompt) {
        TRY(number_of(&m->prompts, r->memory, prompt, r->p.n_prompts, &r->prompt[i], &fresh));
        r->p.n_prompts += fresh;
    }
    if (i + 1 == r->p.n) { /* the last: the list of names is whole */
        TAKE(users, r->p.n_users);
        memcpy(r->users, m->names, r->p.n_users * sizeof *r->users);
    }
cleanup:
    return status;
}

static size_t characters(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xc0) != 0x80; /* not within a character */
    return count;
}

/* What stands before the reply, as 128 bits in hex; false: nothing does. */
static bool prompt_name(name_maps *m, const instance *x, char out[HASH_HEX]) {
    if (!x->query_length && !x->n_history) return false;
    strbuf_clear(&m->text);
    for (size_t i = 0; i < x->n_history; i++) {
        strbuf_puts(&m->text, x->history[i].role);
        strbuf_putc(&m->text, '\0');
        strbuf_append(&m->text, x->history[i].content, x->history[i].length);
        strbuf_putc(&m->text, '\0');
    }
    strbuf_append(&m->text, x->query, x->query_length);
    hash_hex(strbuf_str(&m->text), m->text.len, out);
    return true;
}

static wr_status note(reward_records *r, name_maps *m, size_t i, const record_bytes *b) {
    wr_status status = WR_OK;
    instance x;
    char prompt[HASH_HEX];
    arena_reset(m->scratch);
    TRY(instance_decode(b->bytes, b->n, m->scratch, &x));
    const bool known = prompt_name(m, &x, prompt);
    TRY(strbuf_status(&m->text));
    TRY(reward_records_name(r, m, i, x.id, x.user, known ? prompt : NULL));
    r->length[i] = (double)characters(x.response, x.response_length);
    if (!x.response_length) r->p.length = NULL;
cleanup:
    return status;
}

wr_status reward_records_read(world *w, record_source *s, const uint32_t *records, size_t n, reward_records *r) {
    wr_status status = WR_OK;
    name_maps *m = NULL;
    record_bytes bytes[BLOCK];
    double total = (double)n; /* rank 0's: the others have none, but take part in reading */
    world_sum(w, &total, 1);
    TRY(world_agree(w, name_maps_create(&m)));
    for (size_t from = 0; from < (size_t)total; from += BLOCK) {
        const size_t left = from < n ? n - from : 0, count = left < BLOCK ? left : BLOCK;
        TRY(record_source_fetch(s, records + (count ? from : 0), count, bytes));
        for (size_t i = 0; i < count && status >= 0; i++) status = note(r, m, from + i, &bytes[i]);
        TRY(world_agree(w, status));
    }
cleanup:
    name_maps_free(m);
    return status;
}
