/* Files of a suite to its items. A row that is none of the suite's ends the reading, for a number of a part of a suite
 * passes for the suite's; so does one text of many that a model cannot read leave out its row, which is told. */
#include "evaluate/suites/suite_rows.h"

#include "base/hash.h"
#include "base/log.h"
#include "data/source/table_rows.h"

#include <stdio.h>
#include <string.h>

typedef struct file_reader {
    const suite *kind;
    suite_reader reader;
    size_t rows, limit;
} file_reader;

static void drop_texts(suite_set *s, size_t from) {
    while (s->n_texts > from) token_ids_free(&s->texts[--s->n_texts]);
}

/* What a row is to a suite that it was not given to. */
static bool would_do(const suite *kind, const char *path, const json_value *row) {
    suite_set set;
    suite_reader r = {.set = &set, .path = path, .row = arena_create()};
    bool fits = suite_set_init(&set) >= 0 && r.row && kind->read(&r, row) >= 0;
    suite_set_free(&set);
    arena_free(r.row);
    return fits;
}

/* "; as it stands it is a row of --suite NAME" */
static const char *other_suite(const suite *kind, const char *path, const json_value *row) {
    const suite *other;
    for (size_t i = 0; (other = suite_at(i)); i++)
        if (other != kind && would_do(other, path, row)) return other->name;
    return NULL;
}

static wr_status explain(const file_reader *f, const json_value *row, const char *where) {
    char why[512];
    snprintf(why, sizeof why, "%s", wr_error());
    const char *other = other_suite(f->kind, f->reader.path, row);
    return wr_fail(WR_E_FORMAT, "%s: %s; rows of --suite %s have %s%s%s", where, why, f->kind->name, f->kind->needs,
                   other ? ": this is one of --suite " : "", other ? other : "");
}

static wr_status no_row(const file_reader *f, const char *what, const char *where) {
    char why[512];
    snprintf(why, sizeof why, "%s", what);
    return wr_fail(WR_E_FORMAT, "%s: %s; files of --suite %s are JSON lines, one JSON array, CSV or Parquet", where,
                   why, f->kind->name);
}

/* Of role and text of every message that the replies answer. */
static uint64_t prompt_of(const suite_reader *r) {
    uint64_t hash = 0;
    for (size_t i = 0; i < r->n_before; i++) {
        const chat_message *m = &r->before[i];
        hash = hash64(m->role, strlen(m->role), hash + 1);
        hash = hash64(m->content, m->length, hash);
    }
    return hash;
}

static wr_status keep(suite_reader *r, const char *where) {
    wr_status status = WR_OK;
    suite_set *s = r->set;
    if (r->refused) {
        if (!s->left_out++) log_warn("left out: %s: %s", where, r->refused);
        drop_texts(s, r->item.first);
        return WR_OK;
    }
    if (r->none) {
        s->undecided++;
        return WR_OK;
    }
    if (!r->item.prompt) r->item.prompt = prompt_of(r);
    TRY_ALLOC(r->item.where = arena_strndup(s->memory, where, strlen(where)));
    VEC_PUSH(s->items, s->n, s->items_capacity, r->item);
cleanup:
    return status;
}

static wr_status take_row(void *context, const char *line, size_t n, row_fault fault, const char *where) {
    wr_status status = WR_OK;
    file_reader *f = context;
    suite_reader *r = &f->reader;
    const json_value *row = NULL;
    if (f->limit && r->set->n + r->set->left_out + r->set->undecided >= f->limit) return WR_OK;
    f->rows++;
    arena_reset(r->row);
    if (fault != ROW_GOOD) return no_row(f, fault == ROW_CSV ? line : row_fault_name(fault), where);
    const wr_status parsed = json_parse(r->row, line, n, &row);
    TRY(parsed == WR_E_FORMAT ? no_row(f, wr_error(), where) : parsed);
    if (!json_is(row, JSON_OBJECT)) TRY(no_row(f, "no JSON object", where));
    r->item = (suite_item){.first = r->set->n_texts};
    r->before = NULL;
    r->n_before = 0;
    r->none = false;
    r->refused = NULL;
    r->variables = NULL;
    const wr_status read = f->kind->read(r, row);
    TRY(read == WR_E_FORMAT ? explain(f, row, where) : wr_context(read, "%s", where));
    TRY(keep(r, where));
cleanup:
    return status;
}

wr_status suite_read_file(const suite *kind, const char *path, const suite_encoder *encoder, size_t limit,
                          suite_set *set) {
    wr_status status = WR_OK;
    file_reader f = {
        .kind = kind, .limit = limit, .reader = {.set = set, .encoder = encoder, .path = path, .row = arena_create()}};
    TRY_ALLOC(f.reader.row);
    TRY(table_rows_each(path, &kind->columns, NULL, take_row, &f));
    if (!f.rows && !(limit && set->n + set->left_out + set->undecided >= limit))
        TRY(wr_fail(WR_E_FORMAT, "%s: no row in it; rows of --suite %s have %s", path, kind->name, kind->needs));
cleanup:
    arena_free(f.reader.row);
    return status;
}
