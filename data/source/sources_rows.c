/* Opening the text of a file, and its next row by the state it is in: data/source/rows_text.h. */
#include "data/source/rows_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static wr_status create(const char *path, size_t limit, text_rows **out) {
    wr_status status = WR_OK;
    text_rows *r = mem_calloc(1, sizeof *r);
    if (!r) return WR_E_NOMEM;
    r->fd = -1;
    r->limit = limit;
    TRY_ALLOC(r->path = mem_strdup(path));
    *out = r;
    r = NULL;
cleanup:
    text_rows_close(r);
    return status;
}

wr_status text_rows_open(const char *path, size_t limit, const csv_columns *csv, text_rows **out) {
    wr_status status = create(path, limit, out);
    if (status >= 0) status = instream_open(path, &(*out)->in);
    if (status >= 0 && csv) status = csv_json_create(csv, &(*out)->fields);
    if (status >= 0) (*out)->csv = csv;
    if (status < 0) text_rows_close(*out), *out = NULL;
    return status;
}

wr_status text_rows_open_plain(const char *path, uint64_t size, size_t limit, text_rows **out) {
    wr_status status = create(path, limit, out);
    if (status < 0) return status;
    (*out)->size = size;
    (*out)->fd = open(path, O_RDONLY | O_CLOEXEC);
    if ((*out)->fd < 0) status = wr_fail(WR_E_IO, "cannot open %s: %s", path, strerror(errno));
    if (status >= 0) status = text_rows_seek(*out, 0);
    if (status < 0) text_rows_close(*out), *out = NULL;
    return status;
}

void text_rows_close(text_rows *r) {
    if (!r) return;
    instream_close(r->in);
    csv_json_free(r->fields);
    if (r->fd >= 0) close(r->fd);
    free(r->text);
    free(r->path);
    free(r);
}

/* The line in which the byte before `offset` lies is skipped: where that byte ends a line, the next row begins at
 * `offset` itself. */
wr_status text_rows_seek(text_rows *r, uint64_t offset) {
    r->start = r->scanned = r->end = 0;
    r->read = r->offset = offset ? offset - 1 : 0;
    r->line = offset ? 0 : 1;
    r->state = offset ? ROWS_REST : ROWS_SNIFF;
    r->mark = 0;
    r->ended = r->member_ended = false;
    return WR_OK;
}

static wr_status next_member(text_rows *r) {
    r->start = r->scanned = r->end = 0;
    if (!r->in) { /* one member, which has been read */
        r->ended = true;
        return WR_END;
    }
    wr_status status = instream_member(r->in);
    r->ended = status == WR_END;
    r->state = r->ended ? ROWS_NO_MEMBER : ROWS_SNIFF;
    r->member_ended = false;
    r->line = 1;
    return status;
}

wr_status text_rows_next(text_rows *r, uint64_t bound, text_row *out) {
    wr_status status = WR_OK;
    *out = (text_row){0};
    bool first = r->state == ROWS_SNIFF && r->offset == 0; /* plain lines start here */
    while (!out->text) {
        if (r->ended) return WR_END;
        switch (r->state) {
        case ROWS_NO_MEMBER:
            status = next_member(r);
            first = true;
            break;
        case ROWS_SNIFF:
            status = rows_sniff(r, first);
            break;
        case ROWS_REST:
            status = rows_skip_line(r, bound);
            break;
        case ROWS_LINES:
            status = rows_next_line(r, bound, out);
            break;
        case ROWS_CSV:
            status = rows_next_csv(r, bound, out);
            break;
        default:
            status = rows_next_element(r, bound, out);
        }
        if (status != WR_OK) return status;
        if (r->state != ROWS_SNIFF) first = false;
    }
    return WR_OK;
}

uint64_t text_rows_position(const text_rows *r) { return r->offset; }

bool text_rows_ended(const text_rows *r) { return r->ended; }
