/* Values of a page, in whichever encoding. */
#include "data/source/parquet/parquet_column.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

size_t column_value_width(parquet_type t) {
    switch (t) {
    case PARQUET_INT32:
    case PARQUET_FLOAT:
        return 4;
    case PARQUET_INT64:
    case PARQUET_DOUBLE:
        return 8;
    case PARQUET_INT96:
        return 12;
    default:
        return 0;
    }
}

static void put_real(double v, parquet_value *out) {
    out->valid = fabs(v) <= 0x1p53 && v == trunc(v);
    if (out->valid)
        out->number = (int64_t)v;
    else
        out->real = v;
}

static parquet_value number_at(const parquet_node *leaf, const char *at) {
    enum { JULIAN_1970 = 2440588, DAY = 86400, NANOS = 1000000000 };
    parquet_value out = {.valid = true};
    int32_t i32;
    uint32_t u32;
    uint64_t u64;
    float f32;
    double f64;
    switch (leaf->type) {
    case PARQUET_INT32:
        memcpy(&i32, at, 4);
        out.number = leaf->is_unsigned ? (int64_t)(uint32_t)i32 : i32;
        break;
    case PARQUET_INT64:
        memcpy(&out.number, at, 8);
        out.valid = !leaf->is_unsigned || out.number >= 0;
        break;
    case PARQUET_FLOAT:
        memcpy(&f32, at, 4);
        put_real((double)f32, &out);
        break;
    case PARQUET_DOUBLE:
        memcpy(&f64, at, 8);
        put_real(f64, &out);
        break;
    default: /* INT96: nanoseconds of the day, Julian day */
        memcpy(&u64, at, 8);
        memcpy(&u32, at + 8, 4);
        out.number = ((int64_t)u32 - JULIAN_1970) * DAY + (int64_t)(u64 / NANOS);
        out.length = (uint32_t)(u64 % NANOS);
    }
    return out;
}

static void look_ahead(column_reader *c) {
    c->have_length = c->end - c->at >= 4;
    if (c->have_length) memcpy(&c->next_length, c->at, 4);
}

/* Texts stay where they are. The NUL behind one takes the place of the next one's length, or of the page's slack. */
static bool read_texts(column_reader *c, parquet_value *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!c->have_length || c->next_length > (size_t)(c->end - c->at) - 4) return false;
        out[i] = (parquet_value){.text = c->at + 4, .length = c->next_length};
        c->at += 4 + (size_t)c->next_length;
        look_ahead(c);
        *c->at = '\0';
        out[i].valid = utf8_valid_prefix(out[i].text, out[i].length) == out[i].length;
    }
    return true;
}

static bool read_numbers(column_reader *c, parquet_value *out, size_t n) {
    size_t width = column_value_width(c->leaf->type);
    if ((size_t)(c->end - c->at) / width < n) return false;
    for (size_t i = 0; i < n; i++, c->at += width) out[i] = number_at(c->leaf, c->at);
    return true;
}

bool column_read_values(column_reader *c, parquet_value *out, size_t n) {
    uint32_t indices[COLUMN_BATCH];
    uint8_t bits[COLUMN_BATCH];
    switch (c->form) {
    case VALUES_PLAIN:
        return c->leaf->type == PARQUET_BYTE_ARRAY ? read_texts(c, out, n) : read_numbers(c, out, n);
    case VALUES_INDICES:
        if (!hybrid_read(&c->runs, indices, n)) return false;
        for (size_t i = 0; i < n; i++) {
            if (indices[i] >= c->n_dictionary) return false;
            out[i] = c->dictionary[indices[i]];
        }
        return true;
    case VALUES_RUNS:
        if (!hybrid_read_bytes(&c->runs, bits, n)) return false;
        break;
    default:
        if (!bits_read((const uint8_t *)c->at, (size_t)(c->end - c->at), &c->bit, bits, n)) return false;
    }
    for (size_t i = 0; i < n; i++) out[i] = (parquet_value){.number = bits[i], .valid = true};
    return true;
}

static wr_status damaged(const char *what) { return wr_fail(WR_E_FORMAT, "damaged page: %s", what); }

wr_status column_start_values(column_reader *c, int encoding, size_t count, page_buffer **buffer, size_t from,
                              size_t to) {
    wr_status status = WR_OK;
    page_buffer *plain = NULL;
    parquet_type type = c->leaf->type;
    size_t width = column_value_width(type), length = 0;
    char *at = (*buffer)->bytes + from, *end = (*buffer)->bytes + to;
    c->form = type == PARQUET_BOOLEAN ? VALUES_BITS : VALUES_PLAIN;
    c->bit = 0;
    switch (encoding) {
    case ENCODING_PLAIN:
        break;
    case ENCODING_PLAIN_DICTIONARY:
    case ENCODING_RLE_DICTIONARY:
        if (!c->has_dictionary) TRY(damaged("it has dictionary indices, and the chunk no dictionary"));
        c->form = VALUES_INDICES;
        unsigned bits = at < end ? (unsigned char)*at++ : 0; /* a page of nulls may have no bytes */
        if (bits > 32) TRY(damaged("dictionary indices of over 32 bits"));
        c->runs = hybrid_reader_make(at, (size_t)(end - at), bits);
        break;
    case ENCODING_RLE:
        if (type != PARQUET_BOOLEAN) goto unknown;
        uint32_t bytes = 0;
        if (end - at >= 4) memcpy(&bytes, at, 4);
        if (bytes > 0 && bytes > (size_t)(end - at) - 4) TRY(damaged("booleans reach beyond it"));
        c->form = VALUES_RUNS;
        c->runs = hybrid_reader_make(bytes ? at + 4 : at, bytes, 1);
        break;
    case ENCODING_DELTA_BINARY_PACKED:
        if (type != PARQUET_INT32 && type != PARQUET_INT64) goto unknown;
        if (at < end) TRY(delta_numbers_to_plain(c->pool, at, (size_t)(end - at), count, width, &plain, &length));
        break;
    case ENCODING_DELTA_LENGTH_BYTE_ARRAY:
    case ENCODING_DELTA_BYTE_ARRAY:
        if (type != PARQUET_BYTE_ARRAY) goto unknown;
        if (at < end)
            TRY(delta_texts_to_plain(c->pool, at, (size_t)(end - at), count, encoding == ENCODING_DELTA_BYTE_ARRAY,
                                     &plain, &length));
        break;
    case ENCODING_BYTE_STREAM_SPLIT:
        if (width == 0 || width == 12) goto unknown;
        TRY(stream_split_to_plain(c->pool, at, (size_t)(end - at), width, &plain, &length));
        break;
    default:
    unknown:
        TRY(wr_fail(
            WR_E_FORMAT,
            "encoding number %d of %s values is not supported: write the file with plain or dictionary encoding",
            encoding, parquet_type_name(type)));
    }
    if (plain) {
        page_pool_give(c->pool, *buffer);
        *buffer = plain;
        at = plain->bytes, end = at + length;
    }
    c->at = at, c->end = end;
    look_ahead(c);
cleanup:
    return status;
}
