/* Reading safetensors: 8 bytes little-endian header length, a JSON header {"name": {"dtype", "shape", "data_offsets":
 * [from, to]}, …, "__metadata__": {…}}, then the data. Nothing in the file is believed before it has been checked
 * against the file's size. */
#include "model/weights/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX ((size_t)100 << 20) /* as the reference implementation */

struct safetensors {
    file_map map;
    arena *names;       /* header DOM: names point into it */
    st_tensor *tensors; /* sorted by data offset */
    size_t *by_name;    /* indexes sorted by name */
    size_t n;
};

static const struct {
    const char *name;
    st_dtype type;
    size_t bits;
} dtypes[] = {
    {"F32", ST_F32, 32},          {"F16", ST_F16, 16},         {"BF16", ST_BF16, 16},    {"I64", ST_I64, 64},
    {"F64", ST_OTHER, 64},        {"I32", ST_OTHER, 32},       {"I16", ST_OTHER, 16},    {"I8", ST_OTHER, 8},
    {"U8", ST_OTHER, 8},          {"U16", ST_OTHER, 16},       {"U32", ST_OTHER, 32},    {"U64", ST_OTHER, 64},
    {"BOOL", ST_OTHER, 8},        {"F8_E4M3", ST_OTHER, 8},    {"F8_E5M2", ST_OTHER, 8}, {"F8_E8M0", ST_OTHER, 8},
    {"C64", ST_OTHER, 64},        {"F4", ST_OTHER, 4},         {"F6_E2M3", ST_OTHER, 6}, {"F6_E3M2", ST_OTHER, 6},
    {"F8_E4M3FNUZ", ST_OTHER, 8}, {"F8_E5M2FNUZ", ST_OTHER, 8}};

/* A size or a position: digits alone. The reference (the Rust package) reads an unsigned integer, and 1.0, 1e3 and -0
 * are none. */
static bool read_size(const json_value *v, size_t *out) {
    int64_t x = 0;
    if (!json_is(v, JSON_NUMBER) || strspn(v->text, "0123456789") != v->length || !json_to_int(v, &x) || x < 0)
        return false;
    *out = (size_t)x;
    return true;
}

static wr_status read_shape(const json_value *shape, st_tensor *t) {
    if (!json_is(shape, JSON_ARRAY)) return wr_fail(WR_E_FORMAT, "shape is not a list");
    if (shape->length > sizeof t->dims / sizeof t->dims[0])
        return wr_fail(WR_E_FORMAT, "shape has more than 8 dimensions");
    for (const json_value *d = shape->first; d; d = d->next)
        if (!read_size(d, &t->dims[t->n_dims++]))
            return wr_fail(WR_E_FORMAT, "shape is not a list of sizes (whole numbers, without a point or an exponent)");
    return WR_OK;
}

/* A member of an entry, which may be there once; in an entry that is a list, by its place. */
static wr_status member(const json_value *entry, const char *key, size_t place, const json_value **out) {
    size_t n = 0;
    *out = NULL;
    if (json_is(entry, JSON_ARRAY)) {
        *out = entry->length == 3 ? json_at(entry, place) : NULL;
        return *out ? WR_OK : wr_fail(WR_E_FORMAT, "entry is not an object");
    }
    if (!json_is(entry, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "entry is not an object");
    for (const json_value *v = entry->first; v; v = v->next)
        if (strcmp(v->key, key) == 0) *out = v, n++;
    return n < 2 ? WR_OK : wr_fail(WR_E_FORMAT, "%s is there twice", key);
}

typedef struct entry {
    st_tensor t;
    size_t order;          /* in the file */
    size_t bits, from, to; /* of an element; of the data */
} entry;

/* What the entry says, as far as it can be read without the file. */
static wr_status parse_entry(const json_value *v, entry *e) {
    wr_status status = WR_OK;
    const json_value *dtype = NULL, *shape = NULL, *offsets = NULL;
    *e = (entry){.t = {.name = v->key}};
    if (strlen(v->key) != v->key_length) return wr_fail(WR_E_FORMAT, "name holds a NUL byte");
    TRY(member(v, "dtype", 0, &dtype));
    TRY(member(v, "shape", 1, &shape));
    TRY(member(v, "data_offsets", 2, &offsets));
    if (!json_is(dtype, JSON_STRING)) return wr_fail(WR_E_FORMAT, "dtype is missing");
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, dtype->text) == 0) e->t.dtype = dtypes[i].type, e->bits = dtypes[i].bits;
    if (e->bits == 0) return wr_fail(WR_E_FORMAT, "dtype \"%.40s\" is unknown", dtype->text);
    TRY(read_shape(shape, &e->t));
    if (!json_is(offsets, JSON_ARRAY) || offsets->length != 2 || !read_size(json_at(offsets, 0), &e->from) ||
        !read_size(json_at(offsets, 1), &e->to))
        return wr_fail(WR_E_FORMAT,
                       "data_offsets are not two byte positions (whole numbers, without a point or an exponent)");
cleanup:
    return status;
}

static wr_status check_entry(entry *e, const unsigned char *data, size_t data_bytes) {
    size_t elements = 1, bits = 0;
    st_tensor *t = &e->t;
    for (int d = 0; d < t->n_dims; d++)
        if (__builtin_mul_overflow(elements, t->dims[d], &elements)) return wr_fail(WR_E_FORMAT, "shape overflows");
    if (e->to < e->from) return wr_fail(WR_E_FORMAT, "data_offsets are not two increasing byte positions");
    if (e->to > data_bytes)
        return wr_fail(WR_E_FORMAT, "data ends at byte %zu, but the file has only %zu bytes of data (truncated?)",
                       e->to, data_bytes);
    t->bytes = e->to - e->from;
    if (__builtin_mul_overflow(elements, e->bits, &bits) || bits % 8 || bits / 8 != t->bytes)
        return wr_fail(WR_E_FORMAT, "shape and dtype need %zu elements of %zu bits, but data_offsets span %zu bytes",
                       elements, e->bits, t->bytes);
    t->data = data + e->from;
    return WR_OK;
}

static int by_key(const void *x, const void *y) {
    const entry *a = x, *b = y;
    const int c = strcmp(a->t.name, b->t.name);
    return c ? c : (a->order > b->order) - (a->order < b->order);
}

static int by_offset(const void *x, const void *y) {
    const st_tensor *a = x, *b = y;
    if (a->data != b->data) return (const char *)a->data < (const char *)b->data ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1; /* empty tensors first */
    return strcmp(a->name, b->name);
}

static int by_name(const void *x, const void *y, void *tensors) {
    const st_tensor *t = tensors;
    return strcmp(t[*(const size_t *)x].name, t[*(const size_t *)y].name);
}

/* The data must be covered exactly once: each tensor starts where the one before it ends. */
static wr_status check_layout(const safetensors *s, const unsigned char *data, size_t data_bytes) {
    const unsigned char *end = data;
    for (size_t i = 0; i < s->n; i++) {
        const unsigned char *start = s->tensors[i].data;
        if (start != end)
            return wr_fail(WR_E_FORMAT, "tensor \"%.200s\" %s", s->tensors[i].name,
                           start < end ? "overlaps another one" : "follows a hole in the data");
        end = start + s->tensors[i].bytes;
    }
    if (end != data + data_bytes)
        return wr_fail(WR_E_FORMAT, "%zu bytes at the end belong to no tensor", (size_t)(data + data_bytes - end));
    return WR_OK;
}

static wr_status check_metadata(const json_value *v) {
    if (json_is(v, JSON_NULL)) return WR_OK;
    if (!json_is(v, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "__metadata__ is not an object");
    for (const json_value *e = v->first; e; e = e->next)
        if (e->kind != JSON_STRING) return wr_fail(WR_E_FORMAT, "__metadata__: \"%.200s\" is not a text", e->key);
    return WR_OK;
}

/* Where the reference's JSON parser is stricter than this program's: nesting, numbers beyond a double, half a surrogate
 * pair in an escape. */
static wr_status check_json(const json_value *v, int depth) {
    wr_status status = WR_OK;
    double x = 0;
    if (v->kind == JSON_NUMBER && (!json_to_double(v, &x) || !isfinite(x)))
        return wr_fail(WR_E_FORMAT, "header holds a number out of range");
    if (v->kind != JSON_ARRAY && v->kind != JSON_OBJECT) return WR_OK;
    if (depth >= 127) return wr_fail(WR_E_FORMAT, "header is nested too deeply");
    for (const json_value *c = v->first; c; c = c->next) TRY(check_json(c, depth + 1));
cleanup:
    return status;
}

static unsigned escaped_unit(const char *p, const char *end) {
    char hex[5] = "";
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return 0;
    memcpy(hex, p + 2, 4);
    return (unsigned)strtoul(hex, NULL, 16);
}

static bool has_half_pair(const char *p, const char *end) {
    for (; p < end; p++) {
        if (*p != '\\') continue;
        const unsigned unit = escaped_unit(p, end);
        if (unit >= 0xDC00 && unit <= 0xDFFF) return true;
        if (unit >= 0xD800 && unit <= 0xDBFF) {
            const unsigned low = escaped_unit(p + 6, end);
            if (low < 0xDC00 || low > 0xDFFF) return true;
            p += 6;
        }
        p++;
    }
    return false;
}

/* The tensors of the header, each checked against the file. Of two entries of one name, the later counts, as with the
 * reference, and the earlier must at least be readable. */
static wr_status read_entries(safetensors *s, const json_value *root, const unsigned char *data, size_t data_bytes) {
    wr_status status = WR_OK;
    size_t n = 0, metadata = 0;
    entry *e = mem_calloc(root->length + 1, sizeof *e);
    TRY_ALLOC(e);
    for (const json_value *v = root->first; v; v = v->next) {
        if (strcmp(v->key, "__metadata__") == 0) {
            TRY(check_metadata(v));
            if (metadata++) TRY(wr_fail(WR_E_FORMAT, "__metadata__ is there twice"));
            continue;
        }
        TRY(wr_context(parse_entry(v, &e[n]), "tensor \"%.200s\"", v->key));
        e[n].order = n;
        n++;
    }
    qsort(e, n, sizeof *e, by_key);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && strcmp(e[i].t.name, e[i + 1].t.name) == 0) continue;
        TRY(wr_context(check_entry(&e[i], data, data_bytes), "tensor \"%.200s\"", e[i].t.name));
        s->tensors[s->n++] = e[i].t;
    }
cleanup:
    free(e);
    return status;
}

static wr_status read_header(safetensors *s) {
    wr_status status = WR_OK;
    const unsigned char *bytes = s->map.bytes;
    const json_value *root = NULL;
    uint64_t header = 0;
    if (s->map.n < 8) return wr_fail(WR_E_FORMAT, "not a safetensors file: %zu bytes (truncated?)", s->map.n);
    for (int i = 7; i >= 0; i--) header = header << 8 | bytes[i];
    if (header > HEADER_MAX)
        return wr_fail(WR_E_FORMAT, "not a safetensors file: it announces a header of %llu bytes",
                       (unsigned long long)header);
    if (header > s->map.n - 8)
        return wr_fail(WR_E_FORMAT, "header of %llu bytes does not fit the file's %zu bytes (truncated?)",
                       (unsigned long long)header, s->map.n);
    const char *const text = (const char *)bytes + 8;
    TRY(wr_context(json_parse(s->names, text, (size_t)header, &root), "header"));
    if (!json_is(root, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "header is not a JSON object");
    TRY(check_json(root, 0));
    if (has_half_pair(text, text + header)) return wr_fail(WR_E_FORMAT, "header holds half of a surrogate pair");

    const unsigned char *data = bytes + 8 + header;
    const size_t data_bytes = s->map.n - 8 - (size_t)header;
    s->tensors = mem_calloc(root->length + 1, sizeof *s->tensors);
    TRY_ALLOC(s->tensors);
    s->by_name = mem_calloc(root->length + 1, sizeof *s->by_name);
    TRY_ALLOC(s->by_name);
    TRY(read_entries(s, root, data, data_bytes));
    qsort(s->tensors, s->n, sizeof *s->tensors, by_offset);
    for (size_t i = 0; i < s->n; i++) s->by_name[i] = i;
    qsort_r(s->by_name, s->n, sizeof *s->by_name, by_name, s->tensors);
    TRY(check_layout(s, data, data_bytes));
cleanup:
    return status;
}

wr_status safetensors_open(const char *path, safetensors **out) {
    wr_status status = WR_OK;
    safetensors *s = mem_calloc(1, sizeof *s);
    *out = NULL;
    TRY_ALLOC(s);
    s->names = arena_create();
    TRY_ALLOC(s->names);
    TRY(file_map_open(path, &s->map));
    TRY(wr_context(read_header(s), "%s", path));
    *out = s;
    s = NULL;
cleanup:
    safetensors_close(s);
    return status;
}

void safetensors_close(safetensors *s) {
    if (!s) return;
    file_map_close(&s->map);
    arena_free(s->names);
    free(s->tensors);
    free(s->by_name);
    free(s);
}

size_t safetensors_count(const safetensors *s) { return s->n; }

const st_tensor *safetensors_at(const safetensors *s, size_t i) { return i < s->n ? &s->tensors[i] : NULL; }

const st_tensor *safetensors_find(const safetensors *s, const char *name) {
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(s->tensors[s->by_name[mid]].name, name);
        if (c == 0) return &s->tensors[s->by_name[mid]];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}
