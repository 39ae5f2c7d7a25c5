#include "data/export/user_pairs.h"

#include "base/hash.h"
#include "base/stream.h"
#include "data/export/export.h"
#include "data/shard/record_walk.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef struct group_key {
    uint64_t a, b;
} group_key;

/* A slot of the table; positive + negative == 0: free. */
typedef struct group {
    group_key key;
    uint32_t positive, negative;
} group;

typedef struct member {
    char *bytes; /* the record, owned */
    size_t n;
    int label;
    uint64_t number;
} member;

/* The text of a group with both signs. */
typedef struct gathered {
    member *members;
    size_t n, capacity;
} gathered;

typedef struct pairing {
    const user_pairs_options *o;
    group *groups; /* (capacity) a power of two */
    size_t n_groups, capacity;
    gathered *gathered; /* (capacity) second pass: parallel to groups */
    arena *memory;
    strbuf text, line;
    outstream *out;
    user_pairs_counts counts;
} pairing;

/* --- keys --- */

/* The query as compared: case-folded, composed, runs of white space one space, none at the ends. Invalid UTF-8 is
 * compared byte by byte. */
static wr_status normalise(const char *s, size_t n, strbuf *out) {
    utf8proc_uint8_t *folded = NULL;
    utf8proc_ssize_t m = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &folded,
                                      UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_NLF2LF);
    const char *t = m >= 0 ? (const char *)folded : s;
    size_t length = m >= 0 ? (size_t)m : n;
    bool space = false;
    size_t start = out->len;
    for (size_t i = 0; i < length; i++) {
        if (t[i] == ' ' || t[i] == '\n' || t[i] == '\t' || t[i] == '\r' || t[i] == '\f' || t[i] == '\v') {
            space = true;
            continue;
        }
        if (space && out->len > start) strbuf_putc(out, ' ');
        space = false;
        strbuf_putc(out, t[i]);
    }
    free(folded);
    return m == UTF8PROC_ERROR_NOMEM ? wr_fail(WR_E_NOMEM, "out of memory for a query") : strbuf_status(out);
}

/* False: no query, so no group. */
static wr_status key_of(pairing *p, const instance *x, group_key *out, bool *has) {
    wr_status status = WR_OK;
    strbuf_clear(&p->text);
    TRY(normalise(x->query, x->query_length, &p->text));
    *has = p->text.len > 0;
    strbuf_putc(&p->text, '\0');
    strbuf_puts(&p->text, x->user);
    for (size_t i = 0; p->o->same_history && i < x->n_history; i++) {
        strbuf_putc(&p->text, '\0');
        strbuf_puts(&p->text, x->history[i].role);
        strbuf_putc(&p->text, '\0');
        TRY(normalise(x->history[i].content, x->history[i].length, &p->text));
    }
    TRY(strbuf_status(&p->text));
    out->a = hash64(p->text.data, p->text.len, 1);
    out->b = hash64(p->text.data, p->text.len, 2);
cleanup:
    return status;
}

static size_t slot_of(const group *groups, size_t capacity, group_key key) {
    size_t at = key.a & (capacity - 1);
    while (groups[at].positive + groups[at].negative && (groups[at].key.a != key.a || groups[at].key.b != key.b))
        at = (at + 1) & (capacity - 1);
    return at;
}

static wr_status reserve_group(pairing *p) {
    wr_status status = WR_OK;
    if (2 * (p->n_groups + 1) <= p->capacity) return WR_OK;
    size_t capacity = p->capacity ? 2 * p->capacity : 1024;
    group *groups = mem_calloc(capacity, sizeof *groups);
    TRY_ALLOC(groups);
    for (size_t i = 0; i < p->capacity; i++) {
        if (p->groups[i].positive + p->groups[i].negative)
            groups[slot_of(groups, capacity, p->groups[i].key)] = p->groups[i];
    }
    free(p->groups);
    p->groups = groups;
    p->capacity = capacity;
cleanup:
    return status;
}

/* --- pass 1: which groups have both signs --- */

static bool is_positive(const pairing *p, const walked_record *r, int label) {
    return label >= export_positive_from(p->o->positive_from, r->meta->classes);
}

static wr_status count_record(void *context, const walked_record *r) {
    wr_status status = WR_OK;
    pairing *p = context;
    instance x;
    group_key key;
    bool has;
    arena_reset(p->memory);
    TRY(instance_decode(r->bytes, r->n, p->memory, &x));
    TRY(key_of(p, &x, &key, &has));
    p->counts.records++;
    if (!has) {
        p->counts.no_query++;
        return WR_OK;
    }
    TRY(reserve_group(p));
    group *g = &p->groups[slot_of(p->groups, p->capacity, key)];
    if (!(g->positive + g->negative)) p->n_groups++, g->key = key;
    if (is_positive(p, r, x.label))
        g->positive++;
    else
        g->negative++;
cleanup:
    return status;
}

/* --- pass 2: their texts, and the pairs --- */

static void gathered_free(gathered *g) {
    for (size_t i = 0; i < g->n; i++) free(g->members[i].bytes);
    free(g->members);
    *g = (gathered){0};
}

static int best_first(const void *x, const void *y) {
    const member *a = x, *b = y;
    if (a->label != b->label) return a->label > b->label ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static bool same_text(const instance *x, const instance *y) {
    return x->response_length == y->response_length && memcmp(x->response, y->response, x->response_length) == 0;
}

static void put_pair(const pairing *p, json_writer *w, const instance *chosen, const instance *rejected) {
    json_begin_object(w);
    if (p->o->trl) {
        json_key(w, "prompt"), export_prompt(w, chosen);
        json_key(w, "chosen"), export_reply(w, chosen->response, chosen->response_length);
        json_key(w, "rejected"), export_reply(w, rejected->response, rejected->response_length);
    } else {
        instance before = *chosen;
        before.query_length = 0;
        json_member_string(w, "user", chosen->user);
        json_member_string_n(w, "query", chosen->query, chosen->query_length);
        json_key(w, "history"), export_prompt(w, &before);
        json_member_string_n(w, "chosen", chosen->response, chosen->response_length);
        json_member_string_n(w, "rejected", rejected->response, rejected->response_length);
        json_member_int(w, "chosen_label", chosen->label);
        json_member_int(w, "rejected_label", rejected->label);
        json_member_string(w, "chosen_id", chosen->id);
        json_member_string(w, "rejected_id", rejected->id);
    }
    json_end_object(w);
}

static wr_status write_pair(pairing *p, const member *chosen, const member *rejected) {
    wr_status status = WR_OK;
    instance x, y;
    arena_reset(p->memory);
    TRY(instance_decode(chosen->bytes, chosen->n, p->memory, &x));
    TRY(instance_decode(rejected->bytes, rejected->n, p->memory, &y));
    if (same_text(&x, &y)) {
        p->counts.same_text++;
        return WR_OK;
    }
    strbuf_clear(&p->line);
    json_writer w = json_writer_make(&p->line);
    put_pair(p, &w, &x, &y);
    TRY(strbuf_status(&p->line));
    TRY(outstream_line(p->out, &p->line));
    p->counts.pairs++;
cleanup:
    return status;
}

/* members: best first; the first `positive` of them are. */
static wr_status write_group(pairing *p, gathered *g, size_t positive) {
    wr_status status = WR_OK;
    size_t negative = g->n - positive;
    qsort(g->members, g->n, sizeof *g->members, best_first);
    if (p->o->all_pairs) {
        for (size_t i = 0; i < positive; i++) {
            for (size_t k = positive; k < g->n; k++) TRY(write_pair(p, &g->members[i], &g->members[k]));
        }
        return WR_OK;
    }
    for (size_t i = 0; i < positive && i < negative; i++) {
        /* Worst first: backwards over labels, but forwards among equals. */
        size_t from = g->n - 1 - i, first = from;
        while (first > positive && g->members[first - 1].label == g->members[from].label) first--;
        size_t last = from;
        while (last + 1 < g->n && g->members[last + 1].label == g->members[from].label) last++;
        TRY(write_pair(p, &g->members[i], &g->members[first + (last - from)]));
    }
cleanup:
    return status;
}

static wr_status gather_record(void *context, const walked_record *r) {
    wr_status status = WR_OK;
    pairing *p = context;
    instance x;
    group_key key;
    bool has;
    char *copy = NULL;
    arena_reset(p->memory);
    TRY(instance_decode(r->bytes, r->n, p->memory, &x));
    TRY(key_of(p, &x, &key, &has));
    if (!has) return WR_OK;
    size_t at = slot_of(p->groups, p->capacity, key);
    const group *g = &p->groups[at];
    if (!g->positive || !g->negative) return WR_OK;
    gathered *m = &p->gathered[at];
    TRY_ALLOC(copy = mem_strndup(r->bytes, r->n));
    TRY(mem_reserve((void **)&m->members, &m->capacity, m->n + 1, sizeof *m->members));
    m->members[m->n++] = (member){copy, r->n, x.label, r->number};
    copy = NULL;
    if (m->n == (size_t)g->positive + g->negative) {
        TRY(write_group(p, m, g->positive));
        gathered_free(m);
    }
cleanup:
    free(copy);
    return status;
}

/* The table of the second pass: only groups with both signs. */
static wr_status keep_both_signs(pairing *p) {
    wr_status status = WR_OK;
    size_t capacity = 16;
    for (size_t i = 0; i < p->capacity; i++) p->counts.both_signs += p->groups[i].positive && p->groups[i].negative;
    while (capacity < 2 * (p->counts.both_signs + 1)) capacity *= 2;
    group *groups = mem_calloc(capacity, sizeof *groups);
    TRY_ALLOC(groups);
    for (size_t i = 0; i < p->capacity; i++) {
        const group *g = &p->groups[i];
        if (g->positive && g->negative) groups[slot_of(groups, capacity, g->key)] = *g;
    }
    free(p->groups);
    p->groups = groups;
    p->capacity = capacity;
    TRY_ALLOC(p->gathered = mem_calloc(capacity, sizeof *p->gathered));
cleanup:
    return status;
}

wr_status user_pairs_run(const user_pairs_options *o, user_pairs_counts *counts) {
    wr_status status = WR_OK;
    pairing p = {.o = o};
    shard_meta meta;
    TRY_ALLOC(p.memory = arena_create());
    TRY(record_walk_meta(o->dir, SHARD_REWARD, o->split, &meta));
    if (o->positive_from > meta.classes)
        TRY(wr_fail(WR_E_USAGE, "--positive-from %d: %s has labels 1 to %d", o->positive_from, o->dir, meta.classes));
    TRY(record_walk(o->dir, SHARD_REWARD, o->split, count_record, &p));
    p.counts.groups = p.n_groups;
    TRY(keep_both_signs(&p));
    TRY(outstream_create(o->out_path, &p.out));
    TRY(record_walk(o->dir, SHARD_REWARD, o->split, gather_record, &p));
    TRY(outstream_commit(&p.out));
    if (counts) *counts = p.counts;
cleanup:
    outstream_discard(p.out);
    for (size_t i = 0; p.gathered && i < p.capacity; i++) gathered_free(&p.gathered[i]);
    free(p.gathered);
    free(p.groups);
    strbuf_free(&p.text);
    strbuf_free(&p.line);
    arena_free(p.memory);
    return status;
}
