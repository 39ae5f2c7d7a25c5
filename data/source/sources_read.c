/* Blocks of text. Block k of a file holds the rows whose first byte lies in [k B, (k + 1) B) of its uncompressed
 * text. */
#include "data/source/sources_internal.h"

#include <string.h>

wr_status sources_blocks(sources *s, size_t file, size_t *n) {
    const source_file *f = &s->files[file];
    *n = SIZE_MAX;
    if (f->kind == SOURCE_PARQUET) return source_parquet_blocks(s, file, n);
    if (f->kind == SOURCE_PLAIN) *n = (size_t)(f->size / s->o.block_bytes + (f->size % s->o.block_bytes != 0));
    return WR_OK;
}

/* The reader of the file, before the rows that begin at `from`. */
static wr_status go_to(sources *s, size_t file, uint64_t from) {
    wr_status status = WR_OK;
    const source_file *f = &s->files[file];
    bool plain = f->kind == SOURCE_PLAIN;
    if (s->open_file != file || !s->rows || (s->done > from && !plain)) {
        source_close_file(s);
        TRY(plain ? text_rows_open_plain(f->path, f->size, ROW_LIMIT, &s->rows)
                  : text_rows_open(f->path, ROW_LIMIT, NULL, &s->rows));
        s->open_file = file;
        s->done = 0;
    }
    if (plain && s->done != from) TRY(text_rows_seek(s->rows, from));
cleanup:
    return status;
}

/* Once a row: without printf. */
static void put_number(strbuf *out, uint64_t v) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    strbuf_append(out, digits + at, sizeof digits - at);
}

static wr_status name_place(sources *s, const text_row *r, size_t block, bool plain) {
    bool bytes = plain && block > 0;
    strbuf_clear(&s->where);
    strbuf_puts(&s->where, text_rows_name(s->rows));
    strbuf_puts(&s->where, bytes ? ": byte " : ":");
    put_number(&s->where, bytes ? r->start + 1 : r->line);
    return strbuf_status(&s->where);
}

static wr_status give_row(sources *s, const text_row *r, size_t block, bool plain, source_row_fn fn, void *context) {
    wr_status status = WR_OK;
    conversation c = {0};
    row_fault fault = r->fault;
    arena_reset(s->memory);
    TRY(name_place(s, r, block, plain));
    if (fault == ROW_GOOD)
        TRY(conversation_parse_shown(s->memory, r->text, r->length, s->map, s->o.shown, s->o.user_key_header, &c,
                                     &fault));
    const field_map *second = field_map_second(s->o.fields);
    if (fault == ROW_FIELD && second) {
        const conversation first = c;
        arena_reset(s->memory);
        TRY(conversation_parse_shown(s->memory, r->text, r->length, second, s->o.shown, s->o.user_key_header, &c,
                                     &fault));
        if (fault == ROW_FIELD && c.wrong == second->names[FIELD_MESSAGES]) {
            c = first;
            if (c.wrong == s->map->names[FIELD_MESSAGES]) c.wrong = "conversation (or messages)";
        }
    }
    if (fault == ROW_FIELD) {
        conversation_name_wrong(&c, &s->where);
        TRY(strbuf_status(&s->where));
    }
    if (fault == ROW_GOOD && s->o.drop_toxic && c.toxic) fault = ROW_TOXIC;
    if (fault == ROW_GOOD && s->o.drop_redacted && c.redacted) fault = ROW_REDACTED;
    TRY(fn(context, fault == ROW_GOOD ? &c : NULL, fault, s->where.data));
cleanup:
    return status;
}

static wr_status read_rows(sources *s, size_t file, size_t block, source_row_fn fn, void *context, uint64_t *bytes) {
    wr_status status = WR_OK;
    bool plain = s->files[file].kind == SOURCE_PLAIN;
    uint64_t from, to;
    if (__builtin_mul_overflow((uint64_t)block, (uint64_t)s->o.block_bytes, &from) ||
        __builtin_add_overflow(from, (uint64_t)s->o.block_bytes, &to))
        return WR_END;
    if (plain && from >= s->files[file].size) return WR_END;
    TRY(go_to(s, file, from));
    for (;;) {
        text_row r;
        wr_status got = text_rows_next(s->rows, to, &r);
        TRY(got);
        if (got == WR_END) break;
        if (r.start < from) continue; /* of an earlier block */
        if (bytes) *bytes += text_rows_position(s->rows) - r.start;
        TRY(give_row(s, &r, block, plain, fn, context));
    }
    s->done = to;
    if (text_rows_ended(s->rows) && text_rows_position(s->rows) <= from) status = WR_END;
cleanup:
    if (status < 0) source_close_file(s); /* wherever it stands now, it does not go on from there */
    return status;
}

wr_status sources_read(sources *s, size_t file, size_t block, source_row_fn fn, void *context, uint64_t *bytes) {
    if (s->files[file].kind == SOURCE_PARQUET) return source_parquet_read(s, file, block, fn, context, bytes);
    return read_rows(s, file, block, fn, context, bytes);
}
