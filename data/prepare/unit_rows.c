/* The rows of a .read file: blocks of packed conversations. A block is u32 bytes, u32 conversations, u64 XXH3 of the
 * bytes, and the bytes. They are not compressed: written once and read three times, most often from the page cache,
 * even the fastest zstd would take a tenth of all the time. */
#include "data/prepare/unit_rows.h"

#include "data/shard/bytes.h"

#include <stdlib.h>
#include <xxhash.h>

enum { HEAD = 16 };

wr_status rows_append(unit_writer *u, const strbuf *rows, size_t n) {
    wr_status status = WR_OK;
    strbuf head = {0};
    TRY(strbuf_status(rows));
    if (rows->len > UINT32_MAX) TRY(wr_fail(WR_E_FORMAT, "a block of conversations has %zu bytes", rows->len));
    bytes_put_u32(&head, (uint32_t)rows->len);
    bytes_put_u32(&head, (uint32_t)n);
    bytes_put_u64(&head, XXH3_64bits(strbuf_str(rows), rows->len));
    TRY(strbuf_status(&head));
    TRY(unit_append(u, head.data, head.len));
    TRY(unit_append(u, strbuf_str(rows), rows->len));
cleanup:
    strbuf_free(&head);
    return status;
}

struct spill_reader {
    unit_reader *file;
    arena *arena;
    uint64_t at;
    char *bytes;
    size_t capacity;
    spilled *rows;
    size_t row_capacity;
    const uint8_t *answers;
    size_t turns;
};

wr_status spill_reader_open(const char *dir, unit_id id, size_t n_annotators, spill_reader **out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    size_t n;
    *out = NULL;
    spill_reader *r = mem_calloc(1, sizeof *r);
    TRY_ALLOC(r);
    TRY_ALLOC(r->arena = arena_create());
    TRY(unit_path(path, dir, id, ".read"));
    TRY(unit_open(path, &r->file));
    const void *table = unit_table(r->file, &n);
    bytes_reader t = bytes_reader_make(table, n);
    r->turns = bytes_get_count(&t, n_annotators);
    r->answers = bytes_take(&t, r->turns * n_annotators);
    if (t.bad) TRY(unit_damaged(r->file, "answers"));
    *out = r;
    r = NULL;
cleanup:
    spill_reader_close(r);
    return status;
}

void spill_reader_close(spill_reader *r) {
    if (!r) return;
    unit_close(r->file);
    arena_free(r->arena);
    free(r->bytes);
    free(r->rows);
    free(r);
}

const uint8_t *spill_reader_answers(const spill_reader *r, size_t *turns) {
    *turns = r->turns;
    return r->answers;
}

wr_status spill_reader_next(spill_reader *r, const spilled **rows, size_t *n) {
    wr_status status = WR_OK;
    unsigned char head[HEAD];
    uint64_t body = unit_body(r->file);
    if (r->at == body) return WR_END;
    if (body - r->at < HEAD) return unit_damaged(r->file, "rows");
    TRY(unit_read_at(r->file, head, HEAD, r->at));
    bytes_reader h = bytes_reader_make(head, HEAD);
    size_t bytes = bytes_get_u32(&h), count = bytes_get_u32(&h);
    uint64_t sum = bytes_get_u64(&h);
    r->at += HEAD;
    if (bytes > body - r->at || count > bytes / 8) TRY(unit_damaged(r->file, "rows"));
    TRY(mem_reserve((void **)&r->bytes, &r->capacity, bytes + 1, 1));
    TRY(mem_reserve((void **)&r->rows, &r->row_capacity, count + 1, sizeof *r->rows));
    TRY(unit_read_at(r->file, r->bytes, bytes, r->at));
    r->at += bytes;
    if (XXH3_64bits(r->bytes, bytes) != sum) TRY(unit_damaged(r->file, "checksum of rows"));
    arena_reset(r->arena);
    bytes_reader b = bytes_reader_make(r->bytes, bytes);
    for (size_t i = 0; i < count; i++) {
        r->rows[i].number = bytes_get_u32(&b);
        size_t n_record = bytes_get_u32(&b);
        const void *record = bytes_take(&b, n_record);
        if (!record) TRY(unit_damaged(r->file, "rows"));
        TRY(conversation_unpack(r->arena, record, n_record, &r->rows[i].c));
    }
    *rows = r->rows;
    *n = count;
cleanup:
    return status;
}
