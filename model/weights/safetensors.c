/* Reading safetensors: 8 bytes little-endian header length, a JSON header {"name": {"dtype", "shape", "data_offsets":
 * [from, to]}, …, "__metadata__": {…}}, then the data. Nothing in the file is believed before it has been checked
 * against the file's size. */
#include "model/weights/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

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
    size_t size;
} dtypes[] = {{"F32", ST_F32, 4},    {"F16", ST_F16, 2},       {"BF16", ST_BF16, 2},    {"I64", ST_I64, 8},
              {"F64", ST_OTHER, 8},  {"I32", ST_OTHER, 4},     {"I16", ST_OTHER, 2},    {"I8", ST_OTHER, 1},
              {"U8", ST_OTHER, 1},   {"U16", ST_OTHER, 2},     {"U32", ST_OTHER, 4},    {"U64", ST_OTHER, 8},
              {"BOOL", ST_OTHER, 1}, {"F8_E4M3", ST_OTHER, 1}, {"F8_E5M2", ST_OTHER, 1}};

static wr_status read_shape(const json_value *shape, st_tensor *t, size_t *elements) {
    if (!json_is(shape, JSON_ARRAY)) return wr_fail(WR_E_FORMAT, "shape is not a list");
    if (shape->length > sizeof t->dims / sizeof t->dims[0])
        return wr_fail(WR_E_FORMAT, "shape has more than 8 dimensions");
    *elements = 1;
    for (const json_value *d = shape->first; d; d = d->next) {
        int64_t x = 0;
        if (!json_to_int(d, &x) || x < 0) return wr_fail(WR_E_FORMAT, "shape is not a list of sizes");
        t->dims[t->n_dims++] = (size_t)x;
        if (__builtin_mul_overflow(*elements, (size_t)x, elements)) return wr_fail(WR_E_FORMAT, "shape overflows");
    }
    return WR_OK;
}

static wr_status read_tensor(const json_value *v, const unsigned char *data, size_t data_bytes, st_tensor *t) {
    wr_status status = WR_OK;
    const char *dtype = NULL;
    size_t n = 0, elements = 0, size = 0, bytes = 0;
    int64_t from = 0, to = 0;
    t->name = v->key;
    if (strlen(v->key) != v->key_length) return wr_fail(WR_E_FORMAT, "name holds a NUL byte");
    if (!json_is(v, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "entry is not an object");
    if (!json_get_string(v, "dtype", &dtype, &n)) return wr_fail(WR_E_FORMAT, "dtype is missing");
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, dtype) == 0) t->dtype = dtypes[i].type, size = dtypes[i].size;
    if (size == 0) return wr_fail(WR_E_FORMAT, "dtype \"%.40s\" is unknown", dtype);
    TRY(read_shape(json_get(v, "shape"), t, &elements));
    const json_value *offsets = json_get(v, "data_offsets");
    if (!json_is(offsets, JSON_ARRAY) || offsets->length != 2 || !json_to_int(json_at(offsets, 0), &from) ||
        !json_to_int(json_at(offsets, 1), &to) || from < 0 || to < from)
        return wr_fail(WR_E_FORMAT, "data_offsets are not two increasing byte positions");
    if ((size_t)to > data_bytes)
        return wr_fail(WR_E_FORMAT, "data ends at byte %lld, but the file has only %zu bytes of data (truncated?)",
                       (long long)to, data_bytes);
    t->bytes = (size_t)(to - from);
    if (__builtin_mul_overflow(elements, size, &bytes) || bytes != t->bytes)
        return wr_fail(WR_E_FORMAT, "shape and dtype need %zu elements of %zu bytes, but data_offsets span %zu bytes",
                       elements, size, t->bytes);
    t->data = data + from;
cleanup:
    return status;
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
    for (size_t i = 1; i < s->n; i++)
        if (strcmp(s->tensors[s->by_name[i - 1]].name, s->tensors[s->by_name[i]].name) == 0)
            return wr_fail(WR_E_FORMAT, "tensor \"%.200s\" is listed twice", s->tensors[s->by_name[i]].name);
    return WR_OK;
}

static wr_status check_metadata(const json_value *v) {
    if (!json_is(v, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "__metadata__ is not an object");
    for (const json_value *e = v->first; e; e = e->next)
        if (e->kind != JSON_STRING) return wr_fail(WR_E_FORMAT, "__metadata__: \"%.200s\" is not a text", e->key);
    return WR_OK;
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
    if (bytes[8] != '{' && header > 0) return wr_fail(WR_E_FORMAT, "header is not a JSON object");
    TRY(wr_context(json_parse(s->names, (const char *)bytes + 8, (size_t)header, &root), "header"));
    if (!json_is(root, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "header is not a JSON object");

    const unsigned char *data = bytes + 8 + header;
    const size_t data_bytes = s->map.n - 8 - (size_t)header;
    s->tensors = mem_calloc(root->length + 1, sizeof *s->tensors);
    TRY_ALLOC(s->tensors);
    s->by_name = mem_calloc(root->length + 1, sizeof *s->by_name);
    TRY_ALLOC(s->by_name);
    for (const json_value *v = root->first; v; v = v->next) {
        if (strcmp(v->key, "__metadata__") == 0) {
            TRY(check_metadata(v));
            continue;
        }
        TRY(wr_context(read_tensor(v, data, data_bytes, &s->tensors[s->n]), "tensor \"%.200s\"", v->key));
        s->n++;
    }
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
