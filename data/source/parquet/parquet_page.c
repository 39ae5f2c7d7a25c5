#include "data/source/parquet/parquet_page.h"

#include "base/mem.h"
#include "data/source/parquet/parquet_thrift.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FREE_BUFFERS = 16, READ_PIECE = 256 << 10 };

static void drop(page_pool *p, page_buffer *b) {
    p->held -= b->capacity;
    free(b);
}

wr_status page_pool_take(page_pool *p, size_t bytes, page_buffer **out) {
    enum { STEP = 64 << 10 };
    page_buffer **best = NULL, *b;
    *out = NULL;
    /* The smallest that is large enough, so that the large ones are there for large pages. */
    for (page_buffer **link = &p->free; *link; link = &(*link)->next)
        if ((*link)->capacity >= bytes && (!best || (*link)->capacity < (*best)->capacity)) best = link;
    if (best) {
        b = *best;
        *best = b->next;
        p->n_free--;
        *out = b;
        return WR_OK;
    }
    if (bytes > PAGE_MEMORY_LIMIT) bytes = PAGE_MEMORY_LIMIT + 1;
    size_t capacity = (bytes + bytes / 8 + STEP) / STEP * STEP;
    if (p->held + bytes > PAGE_MEMORY_LIMIT)
        while ((b = p->free)) {
            p->free = b->next;
            p->n_free--;
            drop(p, b);
        }
    if (bytes > PAGE_MEMORY_LIMIT || p->held > PAGE_MEMORY_LIMIT - bytes)
        return wr_fail(WR_E_FORMAT, "pages of over %d MiB at once; write the file with smaller pages",
                       PAGE_MEMORY_LIMIT >> 20);
    if (!(b = mem_realloc(NULL, sizeof *b + capacity + PAGE_SLACK, 1))) return WR_E_NOMEM;
    b->capacity = capacity;
    b->next = NULL;
    p->held += capacity;
    *out = b;
    return WR_OK;
}

void page_pool_retire(page_pool *p, page_buffer *b) {
    if (!b) return;
    b->next = p->retired;
    p->retired = b;
}

void page_pool_give(page_pool *p, page_buffer *b) {
    if (!b) return;
    if (p->n_free >= FREE_BUFFERS) {
        drop(p, b);
        return;
    }
    b->next = p->free;
    p->free = b;
    p->n_free++;
}

void page_pool_release(page_pool *p) {
    for (page_buffer *b; (b = p->retired);) {
        p->retired = b->next;
        page_pool_give(p, b);
    }
}

void page_pool_free(page_pool *p) {
    page_pool_release(p);
    for (page_buffer *b; (b = p->free);) {
        p->free = b->next;
        drop(p, b);
    }
    p->n_free = 0;
}

static uint32_t size_field(thrift *t, thrift_type type) {
    int64_t v = thrift_int(t, type);
    if (v < 0 || v > INT32_MAX) t->bad = true;
    return t->bad ? 0 : (uint32_t)v;
}

/* The header proper of each kind of page; the fields have other numbers in each. One that must be there and is not
 * would pass for 0. */
static void read_page_kind(thrift *t, page_header *h, int kind) {
    enum { OF_DATA = 5, OF_DICTIONARY = 7, OF_V2 = 8 };
    static const unsigned required[] = {[OF_DATA] = 0x1E, [OF_DICTIONARY] = 0x06, [OF_V2] = 0x7E}; /* bit i: field i */
    unsigned seen = 0;
    for (thrift_field f = {0}; thrift_next(t, &f);) {
        seen |= f.id < 32 ? 1u << f.id : 0;
        if (f.id == 1)
            h->values = size_field(t, f.type);
        else if (f.id == (kind == OF_V2 ? 4 : 2))
            h->encoding = (int)size_field(t, f.type);
        else if (kind == OF_DATA && f.id == 3)
            h->def_encoding = (int)size_field(t, f.type);
        else if (kind == OF_DATA && f.id == 4)
            h->rep_encoding = (int)size_field(t, f.type);
        else if (kind == OF_V2 && f.id == 5)
            h->def_bytes = size_field(t, f.type);
        else if (kind == OF_V2 && f.id == 6)
            h->rep_bytes = size_field(t, f.type);
        else if (kind == OF_V2 && f.id == 7)
            h->is_compressed = thrift_bool(t, f.type);
        else
            thrift_skip(t, f.type);
    }
    if (!t->bad && (seen & required[kind]) != required[kind]) t->bad = true;
}

wr_status page_header_parse(const void *bytes, size_t n, page_header *out, size_t *used) {
    thrift t = {.at = bytes, .end = (const uint8_t *)bytes + n};
    int seen = 0;
    bool sized[4] = {0};
    *out = (page_header){.is_compressed = true, .def_encoding = ENCODING_RLE, .rep_encoding = ENCODING_RLE};
    for (thrift_field f = {0}; thrift_next(&t, &f);) {
        if (f.id >= 1 && f.id <= 3) sized[f.id] = true;
        switch (f.id) {
        case 1:
            out->type = (int)size_field(&t, f.type);
            break;
        case 2:
            out->uncompressed = size_field(&t, f.type);
            break;
        case 3:
            out->compressed = size_field(&t, f.type);
            break;
        case 4:
            out->crc = (uint32_t)thrift_int(&t, f.type);
            out->has_crc = true;
            break;
        case 5:
        case 7:
        case 8:
            if (thrift_struct(&t, f.type)) read_page_kind(&t, out, f.id);
            seen = f.id;
            break;
        default:
            thrift_skip(&t, f.type);
        }
    }
    if (t.bad && t.cut) return WR_END;
    /* An index page may have an empty header of its own, which nobody reads; a kind to come may hold values, so that it
     * cannot be passed over. */
    static const int kinds[] = {[PAGE_DATA] = 5, [PAGE_INDEX] = 0, [PAGE_DICTIONARY] = 7, [PAGE_DATA_V2] = 8};
    if (t.bad || !(sized[1] && sized[2] && sized[3]) || (out->type <= PAGE_DATA_V2 && seen != kinds[out->type]))
        return wr_fail(WR_E_FORMAT, "damaged page header");
    if (out->type > PAGE_DATA_V2)
        return wr_fail(WR_E_FORMAT, "pages of kind %d are not known: damaged, or written by a program that is too new",
                       out->type);
    *used = n - (size_t)(t.end - t.at);
    return WR_OK;
}

void chunk_stream_start(chunk_stream *s, int fd, uint64_t start, uint64_t compressed, uint64_t limit) {
    s->fd = fd;
    s->at = start < limit ? start : limit;
    s->limit = limit;
    s->planned = compressed < limit - s->at ? s->at + compressed : limit;
    s->from = s->filled = 0;
}

bool chunk_stream_beyond(const chunk_stream *s, bool dictionary) {
    enum { LEFT_OUT = 100 }; /* bytes, as Arrow allows for */
    uint64_t at = s->at - (s->filled - s->from);
    return at >= s->planned && at - s->planned >= (dictionary ? LEFT_OUT : 0);
}

wr_status chunk_stream_need(chunk_stream *s, size_t *n) {
    size_t have = s->filled - s->from;
    if (have >= *n) return WR_OK;
    uint64_t left = s->limit - s->at, planned = s->planned > s->at ? s->planned - s->at : 0;
    size_t missing = *n - have;
    /* Past its stated end a chunk is read only as far as its pages say: old writers left headers out of the size. */
    uint64_t want = missing > READ_PIECE ? missing : READ_PIECE;
    if (want > planned) want = planned > missing ? planned : missing;
    if (want > left) want = left;
    if (s->from) memmove(s->window, s->window + s->from, have);
    s->from = 0;
    s->filled = have;
    if (have + want > s->capacity) {
        char *grown = mem_realloc(s->window, have + want, 1);
        if (!grown) return WR_E_NOMEM;
        s->window = grown;
        s->capacity = have + want;
    }
    while (want > 0) {
        ssize_t got = pread(s->fd, s->window + s->filled, want, (off_t)s->at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return wr_fail(WR_E_IO, "cannot read: %s", strerror(errno));
        if (got == 0) return wr_fail(WR_E_IO, "the file became shorter while it was read");
        s->filled += (size_t)got;
        s->at += (uint64_t)got;
        want -= (uint64_t)got;
    }
    if (s->filled < *n) *n = s->filled;
    return WR_OK;
}

void chunk_stream_free(chunk_stream *s) {
    free(s->window);
    *s = (chunk_stream){0};
}
