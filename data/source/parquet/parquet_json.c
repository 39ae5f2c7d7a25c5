/* Rows are put together from the entries of their leaves (Dremel's levels): a leaf's definition level says how deep its
 * path is there, its repetition level which list goes on. */
#include "data/source/parquet/parquet_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_ENTRIES = 1 << 20 }; /* of one leaf in one row; above, the file is taken for damaged */

typedef struct entry {
    uint8_t def, rep;
    bool has;
    parquet_value value;
} entry;

typedef struct leaf_entries {
    entry *e; /* of the row */
    size_t n, capacity, at;
} leaf_entries;

typedef struct part {
    const parquet_node *node;
    const parquet_node *repeated; /* a list's; NULL: a struct or leaf */
    size_t slot, slots;           /* its leaves are [slot, slot + slots) */
    bool column;                  /* a leaf right below the root */
    struct part *first, *next;
} part;

struct parquet_json {
    const char *path, *json_text, *time;
    arena *memory;
    part *root;
    const parquet_node **leaves;
    size_t n;
    column_reader *readers; /* (n) */
    leaf_entries *entries;  /* (n) */
    page_pool pool;
    page_codec codec;
    size_t group;
    bool utf8;
};

/* --- the plan --- */

typedef struct planner {
    parquet_json *j;
    parquet_json_want want;
    const void *context;
    const parquet_node *column;
} planner;

static wr_status refuse(const parquet_json *j, const parquet_node *node, const char *why) {
    char name[512];
    parquet_path(node, name, sizeof name);
    return wr_fail(WR_E_FORMAT, "%s: column %s %s", j->path, name, why);
}

static bool is_list(const parquet_node *n) { return n->children == 1 && n->first->repetition == PARQUET_REPEATED; }

/* What repeats in a list, or the one member of the group that does. */
static const parquet_node *element_of(const parquet_node *repeated) {
    if (repeated->type != PARQUET_GROUP || repeated->children != 1 || repeated->first->repetition == PARQUET_REPEATED)
        return repeated;
    return strcmp(repeated->name, "array") == 0 && repeated->first->type != PARQUET_GROUP ? repeated : repeated->first;
}

static wr_status plan(planner *p, const parquet_node *node, bool inside, bool members, part **out);

static wr_status plan_children(planner *p, const parquet_node *node, bool members, part *to) {
    wr_status status = WR_OK;
    part **last = &to->first;
    for (const parquet_node *c = node->first; c; c = c->next) {
        if (members && !p->want(p->context, p->column, c)) continue;
        TRY(plan(p, c, false, false, last));
        if (*last) last = &(*last)->next;
    }
cleanup:
    return status;
}

/* *out stays NULL where nothing in the node is read. members: its members are asked for. */
static wr_status plan(planner *p, const parquet_node *node, bool inside, bool members, part **out) {
    wr_status status = WR_OK;
    parquet_json *j = p->j;
    part *x = NULL;
    if (node->nothing) return WR_OK;
    TRY_ALLOC(x = arena_alloc(j->memory, sizeof *x));
    *x = (part){.node = node, .slot = j->n};
    if (!inside && node->repetition == PARQUET_REPEATED) {
        x->repeated = node;
        TRY(plan(p, node, true, members, &x->first));
    } else if (node->type == PARQUET_GROUP && node->map) {
        TRY(refuse(j, node, "is a MAP, which is not read: write it as a struct or as JSON text"));
    } else if (node->type == PARQUET_GROUP && is_list(node)) {
        const parquet_node *element = element_of(node->first);
        x->repeated = node->first;
        TRY(plan(p, element, element == node->first, members, &x->first));
    } else if (node->type == PARQUET_GROUP) {
        TRY(plan_children(p, node, members, x));
    } else {
        if (node->other) {
            char why[96];
            snprintf(why, sizeof why, "is %s, which is not read: write it as text or a plain number", node->other);
            TRY(refuse(j, node, why));
        }
        if (node->type == PARQUET_FIXED)
            TRY(refuse(j, node, "is FIXED_LEN_BYTE_ARRAY, which is not read: write it as text"));
        x->column = node->parent && !node->parent->parent;
        j->leaves[j->n++] = node;
    }
    x->slots = j->n - x->slot;
    if (x->slots) *out = x;
cleanup:
    return status;
}

wr_status parquet_json_plan(const parquet_footer *f, const char *path, parquet_json_want want, const void *context,
                            const char *json_text, const char *time, parquet_json **out) {
    wr_status status = WR_OK;
    parquet_json *j = NULL;
    *out = NULL;
    TRY_ALLOC(j = mem_calloc(1, sizeof *j));
    j->path = path, j->json_text = json_text, j->time = time;
    TRY_ALLOC(j->memory = arena_create());
    TRY_ALLOC(j->leaves = arena_alloc(j->memory, (f->leaves + 1) * sizeof *j->leaves));
    TRY_ALLOC(j->root = arena_alloc(j->memory, sizeof *j->root));
    *j->root = (part){.node = f->root};
    planner p = {.j = j, .want = want, .context = context};
    part **last = &j->root->first;
    for (const parquet_node *c = f->root->first; c; c = c->next) {
        p.column = c;
        if (!want(context, c, NULL)) continue;
        TRY(plan(&p, c, false, true, last));
        if (*last) last = &(*last)->next;
    }
    if (!j->n) TRY(wr_fail(WR_E_FORMAT, "%s: none of its columns is one that is read", path));
    TRY_ALLOC(j->readers = mem_calloc(j->n + 1, sizeof *j->readers));
    TRY_ALLOC(j->entries = mem_calloc(j->n + 1, sizeof *j->entries));
    *out = j;
    j = NULL;
cleanup:
    parquet_json_free(j);
    return status;
}

void parquet_json_free(parquet_json *j) {
    if (!j) return;
    for (size_t i = 0; j->readers && i < j->n; i++) column_free(&j->readers[i]);
    for (size_t i = 0; j->entries && i < j->n; i++) free(j->entries[i].e);
    page_pool_free(&j->pool);
    page_codec_free(&j->codec);
    free(j->readers);
    free(j->entries);
    arena_free(j->memory);
    free(j);
}

const parquet_node *const *parquet_json_leaves(const parquet_json *j, size_t *n) {
    *n = j->n;
    return j->leaves;
}

/* --- rows --- */

static wr_status in_column(const parquet_json *j, size_t slot, wr_status status) {
    char name[512];
    if (status >= 0) return status;
    parquet_path(j->leaves[slot], name, sizeof name);
    return wr_context(status, "%s: row group %zu, column %s", j->path, j->group, name);
}

wr_status parquet_json_start(parquet_json *j, int fd, uint64_t limit, size_t group, const parquet_group *g) {
    wr_status status = WR_OK;
    j->group = group;
    page_pool_release(&j->pool);
    for (size_t i = 0; i < j->n; i++) {
        if (j->readers[i].pool) column_close(&j->readers[i]);
        column_open(&j->readers[i], j->leaves[i], &g->chunks[i], fd, limit, &j->pool, &j->codec);
        if (g->chunks[i].encrypted)
            TRY(in_column(j, i, wr_fail(WR_E_FORMAT, "encryption is not supported: write the file without it")));
        if (g->chunks[i].foreign)
            TRY(in_column(j, i, wr_fail(WR_E_FORMAT, "data in another file are not supported: write one whole file")));
    }
cleanup:
    return status;
}

static wr_status take_entries(column_reader *c, leaf_entries *l) {
    wr_status status = column_at(c);
    l->n = l->at = 0;
    if (status == WR_END) TRY(wr_fail(WR_E_FORMAT, "fewer rows than the row group has"));
    TRY(status);
    if (c->reps[c->i] != 0) TRY(wr_fail(WR_E_FORMAT, "damaged page: a row starts within a list"));
    do {
        if (l->n >= ROW_ENTRIES) TRY(wr_fail(WR_E_FORMAT, "damaged page: a row of over %d values", ROW_ENTRIES));
        TRY(mem_reserve((void **)&l->e, &l->capacity, l->n + 1, sizeof *l->e));
        entry *e = &l->e[l->n++];
        *e = (entry){.def = c->defs[c->i], .rep = c->reps[c->i]};
        const parquet_value *v = column_take(c);
        if ((e->has = v != NULL)) e->value = *v;
        status = column_at(c);
        TRY(status);
    } while (status == WR_OK && c->reps[c->i] != 0);
    status = WR_OK;
cleanup:
    return status;
}

/* The entry at which the part's first leaf stands, or NULL past the row. */
static const entry *here(const parquet_json *j, const part *x) {
    const leaf_entries *l = &j->entries[x->slot];
    return l->at < l->n ? &l->e[l->at] : NULL;
}

static void pass(parquet_json *j, const part *x) {
    for (size_t i = x->slot; i < x->slot + x->slots; i++) j->entries[i].at++;
}

void parquet_put_real(json_writer *w, double v) {
    char digits[32];
    if (isfinite(v))
        json_raw(w, digits, (size_t)snprintf(digits, sizeof digits, "%.17g", v)); /* all that a double has */
    else
        json_null(w);
}

static wr_status put_number(const parquet_json *j, const part *x, const parquet_value *v, json_writer *w) {
    const parquet_node *leaf = x->node;
    const bool real = leaf->type == PARQUET_FLOAT || leaf->type == PARQUET_DOUBLE;
    char time[PARQUET_TIMESTAMP];
    if (leaf->unit || leaf->type == PARQUET_INT96 || (x->column && j->time && strcmp(leaf->name, j->time) == 0)) {
        json_string(w, parquet_timestamp(leaf, v, time));
        return WR_OK;
    }
    if (real && !v->valid && !x->column)
        return refuse(j, leaf, "has numbers with a fraction, which is not read: write it as text");
    if (real && !v->valid)
        parquet_put_real(w, v->real);
    else if (leaf->type == PARQUET_BOOLEAN)
        json_bool(w, v->number);
    else if (!v->valid) { /* unsigned, above INT64_MAX */
        char digits[24];
        json_raw(w, digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)v->number));
    } else {
        json_int(w, v->number);
        if (real && !x->column) strbuf_puts(w->out, ".0");
    }
    return WR_OK;
}

static wr_status put_leaf(parquet_json *j, const part *x, const entry *e, json_writer *w) {
    if (!e->has) {
        json_null(w);
    } else if (x->node->type != PARQUET_BYTE_ARRAY) {
        return put_number(j, x, &e->value, w);
    } else if (x->column && j->json_text && strcmp(x->node->name, j->json_text) == 0) {
        j->utf8 &= e->value.valid;
        json_of_text(w, e->value.text, e->value.length); /* no JSON: no list either */
    } else {
        j->utf8 &= e->value.valid;
        json_string_n(w, e->value.text, e->value.length);
    }
    return WR_OK;
}

static wr_status out_of_step(const parquet_json *j, const part *x) {
    return in_column(j, x->slot, wr_fail(WR_E_FORMAT, "damaged page: lists of one row differ in length"));
}

static wr_status put(parquet_json *j, const part *x, json_writer *w) {
    wr_status status = WR_OK;
    const entry *e = here(j, x);
    if (!e) return out_of_step(j, x);
    if (x->repeated != x->node && e->def < x->node->max_def && x->node->type == PARQUET_GROUP) {
        json_null(w);
        pass(j, x);
    } else if (x->repeated) {
        json_begin_array(w);
        if (e->def < x->repeated->max_def) {
            pass(j, x);
        } else {
            do {
                TRY(put(j, x->first, w));
                e = here(j, x);
            } while (e && e->rep == x->repeated->max_rep);
        }
        json_end_array(w);
    } else if (x->node->type == PARQUET_GROUP) {
        json_begin_object(w);
        for (const part *c = x->first; c; c = c->next) {
            json_key(w, c->node->name);
            TRY(put(j, c, w));
        }
        json_end_object(w);
    } else {
        TRY(put_leaf(j, x, e, w));
        pass(j, x);
    }
cleanup:
    return status;
}

wr_status parquet_json_next(parquet_json *j, strbuf *line, bool *utf8) {
    wr_status status = WR_OK;
    page_pool_release(&j->pool);
    strbuf_clear(line);
    j->utf8 = true;
    for (size_t i = 0; i < j->n; i++) TRY(in_column(j, i, take_entries(&j->readers[i], &j->entries[i])));
    json_writer w = json_writer_make(line);
    json_begin_object(&w);
    for (const part *c = j->root->first; c; c = c->next) {
        json_key(&w, c->node->name);
        TRY(put(j, c, &w));
        for (size_t i = c->slot; i < c->slot + c->slots; i++)
            if (j->entries[i].at != j->entries[i].n) TRY(out_of_step(j, c));
    }
    json_end_object(&w);
    *utf8 = j->utf8;
    TRY(strbuf_status(line));
cleanup:
    return status;
}

wr_status parquet_json_finish(const parquet_json *j) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < j->n; i++)
        if (column_left(&j->readers[i])) TRY(in_column(j, i, wr_fail(WR_E_FORMAT, "more rows than the row group has")));
cleanup:
    return status;
}
