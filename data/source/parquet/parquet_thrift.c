#include "data/source/parquet/parquet_thrift.h"

enum { SKIP_DEPTH = 32 }; /* Parquet's own structs are 6 deep */

static void fail(thrift *t, bool cut) {
    if (!t->bad) t->cut = cut;
    t->bad = true;
    t->at = t->end;
}

static uint8_t byte(thrift *t) {
    if (t->at == t->end) {
        fail(t, true);
        return 0;
    }
    return *t->at++;
}

static uint64_t varint(thrift *t) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = byte(t);
        value |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) return t->bad ? 0 : value;
    }
    fail(t, false);
    return 0;
}

static int64_t zigzag(thrift *t) {
    uint64_t v = varint(t);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

bool thrift_next(thrift *t, thrift_field *f) {
    uint8_t head = byte(t);
    f->type = head & 0x0F;
    if (t->bad || f->type == THRIFT_STOP) return false;
    int64_t id = head >> 4 ? f->id + (head >> 4) : zigzag(t);
    if (f->type > THRIFT_STRUCT || id < 0 || id > INT16_MAX) fail(t, false);
    f->id = (int)id;
    return !t->bad;
}

int64_t thrift_int(thrift *t, thrift_type type) {
    if (type == THRIFT_I8) return (int8_t)byte(t);
    if (type == THRIFT_I16 || type == THRIFT_I32 || type == THRIFT_I64) return zigzag(t);
    fail(t, false);
    return 0;
}

bool thrift_bool(thrift *t, thrift_type type) {
    if (type != THRIFT_TRUE && type != THRIFT_FALSE) fail(t, false);
    return type == THRIFT_TRUE;
}

const char *thrift_binary(thrift *t, thrift_type type, size_t *n) {
    *n = 0;
    if (type != THRIFT_BINARY) fail(t, false);
    uint64_t length = varint(t);
    if (t->bad) return "";
    if (length > (size_t)(t->end - t->at)) {
        fail(t, true);
        return "";
    }
    const char *text = (const char *)t->at;
    t->at += length;
    *n = (size_t)length;
    return text;
}

size_t thrift_list(thrift *t, thrift_type type, thrift_type *element) {
    *element = THRIFT_STOP;
    if (type != THRIFT_LIST && type != THRIFT_SET) fail(t, false);
    uint8_t head = byte(t);
    uint64_t n = head >> 4 == 15 ? varint(t) : head >> 4;
    *element = head & 0x0F;
    /* An empty list has no elements to have a type: fastparquet writes 0 for it. */
    if ((*element == THRIFT_STOP && n > 0) || *element > THRIFT_STRUCT) fail(t, false);
    if (!t->bad && n > (size_t)(t->end - t->at)) fail(t, true);
    return t->bad ? 0 : (size_t)n;
}

bool thrift_struct(thrift *t, thrift_type type) {
    if (type != THRIFT_STRUCT) fail(t, false);
    return !t->bad;
}

static void skip(thrift *t, thrift_type type, bool in_list, unsigned depth) {
    size_t n;
    thrift_type element;
    thrift_field f = {0};
    if (depth > SKIP_DEPTH) fail(t, false);
    if (t->bad) return;
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        if (in_list) byte(t);
        break;
    case THRIFT_I8:
        byte(t);
        break;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        varint(t);
        break;
    case THRIFT_DOUBLE:
        if (t->end - t->at < 8)
            fail(t, true);
        else
            t->at += 8;
        break;
    case THRIFT_BINARY:
        thrift_binary(t, type, &n);
        break;
    case THRIFT_LIST:
    case THRIFT_SET:
        for (n = thrift_list(t, type, &element); n > 0 && !t->bad; n--) skip(t, element, true, depth + 1);
        break;
    case THRIFT_MAP:
        n = (size_t)varint(t);
        if (n == 0) break;
        element = byte(t);
        for (; n > 0 && !t->bad; n--) {
            skip(t, element >> 4, true, depth + 1);
            skip(t, element & 0x0F, true, depth + 1);
        }
        break;
    case THRIFT_STRUCT:
        while (thrift_next(t, &f)) skip(t, f.type, false, depth + 1);
        break;
    default:
        fail(t, false);
    }
}

void thrift_skip(thrift *t, thrift_type type) { skip(t, type, false, 0); }
