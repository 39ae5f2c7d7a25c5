/* The reward shards of a prepared folder: labels, lengths, languages, models, and a few records to read. */
#include "data/prepare/prepare_summary.h"
#include "data/prepare/summary_parts.h"

#include "base/file.h"
#include "base/hash.h"
#include "data/shard/record_walk.h"
#include "reward/template.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS = 1001, LENGTHS = 4 };
typedef enum length_kind { REPLY, QUERY, HISTORY, TOKENS } length_kind;
static const char *const length_names[LENGTHS] = {"reply_characters", "query_characters", "history_messages", "tokens"};

/* A record that may be shown. `hash` decides among those of one label and way: smallest first, whatever the order of
 * the shards. */
typedef struct example {
    uint64_t hash;
    char *bytes; /* owned; NULL: none */
    size_t n;
    bool test;
    char *followup; /* owned; NULL: not found */
    size_t followup_length;
} example;

typedef struct example_group {
    int label;
    char *how;
    example best[SUMMARY_EXAMPLES];
} example_group;

typedef struct record_counts {
    uint64_t n, labels[LABELS][2];
    tally *how, *languages, *models; /* how: "00label how" */
    uint32_t *lengths[LENGTHS];
    size_t n_lengths[LENGTHS], capacity[LENGTHS];
    example_group *groups;
    size_t n_groups, group_capacity;
    arena *memory;
} record_counts;

static void counts_free(record_counts *c) {
    for (size_t g = 0; g < c->n_groups; g++) {
        for (size_t i = 0; i < SUMMARY_EXAMPLES; i++) {
            free(c->groups[g].best[i].bytes);
            free(c->groups[g].best[i].followup);
        }
        free(c->groups[g].how);
    }
    free(c->groups);
    for (size_t k = 0; k < LENGTHS; k++) free(c->lengths[k]);
    tally_free(c->how);
    tally_free(c->languages);
    tally_free(c->models);
    arena_free(c->memory);
}

static size_t characters(const char *s, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

static wr_status add_length(record_counts *c, length_kind k, size_t v) {
    wr_status status = WR_OK;
    VEC_PUSH(c->lengths[k], c->n_lengths[k], c->capacity[k], v < UINT32_MAX ? (uint32_t)v : UINT32_MAX);
cleanup:
    return status;
}

static wr_status group_of(record_counts *c, int label, const char *how, example_group **out) {
    wr_status status = WR_OK;
    for (size_t g = 0; g < c->n_groups; g++) {
        if (c->groups[g].label == label && strcmp(c->groups[g].how, how) == 0) {
            *out = &c->groups[g];
            return WR_OK;
        }
    }
    char *copy = mem_strdup(how);
    TRY_ALLOC(copy);
    TRY(mem_reserve((void **)&c->groups, &c->group_capacity, c->n_groups + 1, sizeof *c->groups));
    c->groups[c->n_groups] = (example_group){.label = label, .how = copy};
    copy = NULL;
    *out = &c->groups[c->n_groups++];
cleanup:
    free(copy);
    return status;
}

static wr_status offer_example(record_counts *c, const instance *x, const walked_record *r) {
    wr_status status = WR_OK;
    example_group *g;
    uint64_t hash = hash64(x->id, strlen(x->id), 11);
    TRY(group_of(c, x->label, x->how, &g));
    for (size_t i = 0; i < SUMMARY_EXAMPLES; i++) {
        if (g->best[i].bytes && g->best[i].hash <= hash) continue;
        char *copy = mem_strndup(r->bytes, r->n);
        TRY_ALLOC(copy);
        free(g->best[SUMMARY_EXAMPLES - 1].bytes);
        memmove(&g->best[i + 1], &g->best[i], (SUMMARY_EXAMPLES - 1 - i) * sizeof *g->best);
        g->best[i] = (example){.hash = hash, .bytes = copy, .n = r->n, .test = strcmp(r->split, "test") == 0};
        break;
    }
cleanup:
    return status;
}

static wr_status count_record(void *context, const walked_record *r) {
    wr_status status = WR_OK;
    record_counts *c = context;
    instance x;
    char name[96];
    arena_reset(c->memory);
    TRY(instance_decode(r->bytes, r->n, c->memory, &x));
    c->n++;
    if (x.label < LABELS) c->labels[x.label][strcmp(r->split, "test") == 0]++;
    snprintf(name, sizeof name, "%04d %.80s", x.label, x.how);
    TRY(tally_add(c->how, name, 0, 1));
    TRY(tally_add(c->languages, x.language, 0, 1));
    TRY(tally_add(c->models, x.model, 0, 1));
    TRY(add_length(c, REPLY, characters(x.response, x.response_length)));
    TRY(add_length(c, QUERY, characters(x.query, x.query_length)));
    TRY(add_length(c, HISTORY, x.n_history));
    if (x.n_ids) TRY(add_length(c, TOKENS, x.n_ids));
    if (x.label <= SUMMARY_EXAMPLE_LABELS) TRY(offer_example(c, &x, r));
cleanup:
    return status;
}

/* --- follow-ups from the chats shards --- */

static bool same_bytes(const char *a, size_t n, const char *b, size_t m) { return n == m && memcmp(a, b, n) == 0; }

/* The message behind the example's reply, when this is its conversation. */
static wr_status look_in_chat(const chat_record *chat, const instance *x, example *e) {
    wr_status status = WR_OK;
    const char *colon = strrchr(x->id, ':');
    if (!colon || !same_bytes(x->id, (size_t)(colon - x->id), chat->id, strlen(chat->id))) return WR_OK;
    for (size_t i = 0; i + 2 < chat->n_messages; i++) {
        const chat_message *m = &chat->messages[i];
        if (!same_bytes(m[0].content, m[0].length, x->query, x->query_length) ||
            !same_bytes(m[1].content, m[1].length, x->response, x->response_length))
            continue;
        TRY_ALLOC(e->followup = mem_strndup(m[2].content, m[2].length));
        e->followup_length = m[2].length;
        break;
    }
cleanup:
    return status;
}

typedef struct chat_search {
    record_counts *c;
    instance *shown; /* decoded examples */
    example **of;
    size_t n;
} chat_search;

static wr_status search_chat(void *context, const walked_record *r) {
    wr_status status = WR_OK;
    chat_search *s = context;
    chat_record chat;
    arena_reset(s->c->memory);
    TRY(chat_decode(r->bytes, r->n, s->c->memory, &chat));
    for (size_t i = 0; i < s->n; i++) {
        if (!s->of[i]->followup) TRY(look_in_chat(&chat, &s->shown[i], s->of[i]));
    }
cleanup:
    return status;
}

static wr_status find_followups(const char *dir, record_counts *c) {
    wr_status status = WR_OK;
    size_t most = c->n_groups * SUMMARY_EXAMPLES;
    shard_meta meta;
    chat_search s = {.c = c};
    arena *a = NULL;
    if (record_walk_meta(dir, SHARD_CHAT, "all", &meta) < 0) return WR_OK; /* no chats here */
    TRY_ALLOC(a = arena_create());
    TRY_ALLOC(s.shown = mem_calloc(most + 1, sizeof *s.shown));
    TRY_ALLOC(s.of = mem_calloc(most + 1, sizeof *s.of));
    for (size_t k = 0; k < most; k++) {
        example *e = &c->groups[k / SUMMARY_EXAMPLES].best[k % SUMMARY_EXAMPLES];
        if (!e->bytes) continue;
        TRY(instance_decode(e->bytes, e->n, a, &s.shown[s.n]));
        s.of[s.n++] = e;
    }
    TRY(record_walk(dir, SHARD_CHAT, "all", search_chat, &s));
cleanup:
    free(s.shown);
    free(s.of);
    arena_free(a);
    return status;
}

/* --- output --- */

static void put_text(json_writer *w, const char *key, const char *s, size_t n) {
    json_key(w, key);
    if (n <= SUMMARY_TEXT) {
        json_string_n(w, s, n);
        return;
    }
    size_t end = SUMMARY_TEXT;
    while (end && ((unsigned char)s[end] & 0xC0) == 0x80) end--;
    strbuf cut = {0};
    strbuf_append(&cut, s, end);
    strbuf_printf(&cut, " … (%zu bytes more)", n - end);
    json_string_n(w, strbuf_str(&cut), cut.len);
    strbuf_free(&cut);
}

static wr_status put_example(json_writer *w, const example *e, arena *memory) {
    wr_status status = WR_OK;
    instance x;
    arena_reset(memory);
    TRY(instance_decode(e->bytes, e->n, memory, &x));
    json_begin_object(w);
    json_member_int(w, "label", x.label);
    json_member_string(w, "how", x.how);
    json_member_string(w, "split", e->test ? "test" : "train");
    json_member_string(w, "id", x.id);
    json_member_string(w, "language", x.language);
    json_member_string(w, "model", x.model);
    json_member_array(w, "history");
    for (size_t i = 0; i < x.n_history; i++) {
        json_begin_object(w);
        json_member_string(w, "role", x.history[i].role);
        put_text(w, "content", x.history[i].content, x.history[i].length);
        json_end_object(w);
    }
    json_end_array(w);
    put_text(w, "query", x.query, x.query_length);
    put_text(w, "response", x.response, x.response_length);
    if (e->followup) put_text(w, "followup", e->followup, e->followup_length);
    json_end_object(w);
cleanup:
    return status;
}

static int by_label(const void *x, const void *y) {
    const example_group *a = x, *b = y;
    return a->label != b->label ? (a->label > b->label) - (a->label < b->label) : strcmp(a->how, b->how);
}

static wr_status put_examples(json_writer *w, record_counts *c) {
    wr_status status = WR_OK;
    if (c->n_groups) qsort(c->groups, c->n_groups, sizeof *c->groups, by_label);
    json_member_array(w, "examples");
    for (size_t g = 0; g < c->n_groups; g++) {
        for (size_t i = 0; i < SUMMARY_EXAMPLES; i++) {
            if (c->groups[g].best[i].bytes) TRY(put_example(w, &c->groups[g].best[i], c->memory));
        }
    }
    json_end_array(w);
cleanup:
    return status;
}

static void put_lengths(json_writer *w, record_counts *c, length_kind k) {
    uint32_t *v = c->lengths[k];
    size_t n = c->n_lengths[k];
    if (!n) return;
    json_member_object(w, length_names[k]);
    summary_histogram(w, "histogram", v, n); /* sorts */
    json_member_int(w, "median", v[n / 2]);
    json_member_int(w, "p90", v[n - 1 - (n - 1) / 10]);
    json_member_int(w, "largest", v[n - 1]);
    json_end_object(w);
}

static void put_records(json_writer *w, record_counts *c, int classes) {
    static const char *const number[] = {"n", NULL};
    uint64_t split[2] = {0, 0};
    json_member_object(w, "records");
    json_member_int(w, "n", (int64_t)c->n);
    json_member_array(w, "labels");
    for (int l = 1; l <= classes && l < LABELS; l++) {
        json_begin_object(w);
        json_member_int(w, "label", l);
        json_member_int(w, "train", (int64_t)c->labels[l][0]);
        json_member_int(w, "test", (int64_t)c->labels[l][1]);
        json_end_object(w);
        split[0] += c->labels[l][0], split[1] += c->labels[l][1];
    }
    json_end_array(w);
    json_member_int(w, "train", (int64_t)split[0]);
    json_member_int(w, "test", (int64_t)split[1]);
    json_member_array(w, "how");
    const tally_row *how = tally_by_name(c->how);
    for (size_t i = 0; i < tally_count(c->how); i++) {
        json_begin_object(w);
        json_member_int(w, "label", atoi(how[i].name));
        json_member_string(w, "how", strchr(how[i].name, ' ') + 1);
        json_member_int(w, "n", (int64_t)how[i].counts[0]);
        json_end_object(w);
    }
    json_end_array(w);
    summary_list(w, "languages", tally_by_size(c->languages), tally_count(c->languages), SUMMARY_NAMES, number);
    summary_list(w, "models", tally_by_size(c->models), tally_count(c->models), SUMMARY_NAMES, number);
    for (int k = 0; k < LENGTHS; k++) put_lengths(w, c, (length_kind)k);
    json_end_object(w);
}

wr_status summary_records(const char *dir, json_writer *w) {
    wr_status status = WR_OK;
    shard_meta meta;
    record_counts *c = NULL;
    if (record_walk_meta(dir, SHARD_REWARD, "all", &meta) == WR_E_IO) return WR_OK; /* no rated replies here */
    TRY_ALLOC(c = mem_calloc(1, sizeof *c));
    TRY_ALLOC(c->memory = arena_create());
    TRY(tally_create(&c->how));
    TRY(tally_create(&c->languages));
    TRY(tally_create(&c->models));
    TRY(record_walk(dir, SHARD_REWARD, "all", count_record, c));
    TRY(find_followups(dir, c));
    put_records(w, c, meta.classes);
    TRY(put_examples(w, c));
cleanup:
    if (c) counts_free(c);
    free(c);
    return status;
}
