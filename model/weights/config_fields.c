#include "model/weights/config_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool field_is_absent(const json_value *v) { return v == NULL || v->kind == JSON_NULL; }

wr_status field_size(const json_value *o, const char *key, size_t fallback, size_t *out) {
    int64_t x = 0;
    if (field_is_absent(json_get(o, key))) {
        if (fallback == 0) return wr_fail(WR_E_FORMAT, "field \"%s\" is missing", key);
        *out = fallback;
        return WR_OK;
    }
    if (!json_get_int(o, key, &x) || x <= 0 || x > INT32_MAX)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a positive integer below 2^31", key);
    *out = (size_t)x;
    return WR_OK;
}

wr_status field_double(const json_value *o, const char *key, double fallback, double *out) {
    *out = fallback;
    if (field_is_absent(json_get(o, key)))
        return fallback == 0 ? wr_fail(WR_E_FORMAT, "field \"%s\" is missing", key) : WR_OK;
    if (!json_get_double(o, key, out) || !isfinite(*out) || *out <= 0)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a positive number", key);
    return WR_OK;
}

wr_status field_bool(const json_value *o, const char *key, bool fallback, bool *out) {
    *out = fallback;
    if (field_is_absent(json_get(o, key)) || json_get_bool(o, key, out)) return WR_OK;
    return wr_fail(WR_E_FORMAT, "field \"%s\" is not true or false", key);
}

wr_status field_id(const json_value *o, const char *key, int32_t fallback, int32_t *out) {
    const json_value *v = json_get(o, key);
    int64_t x = 0;
    *out = v ? -1 : fallback;
    if (field_is_absent(v)) return WR_OK;
    if (!json_get_int(o, key, &x) || x < -1 || x > INT32_MAX)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a token id", key);
    *out = (int32_t)x;
    return WR_OK;
}

wr_status field_must_be_bool(const json_value *o, const char *key, bool harmless) {
    const json_value *v = json_get(o, key);
    if (field_is_absent(v) || (v->kind == JSON_BOOL && v->boolean == harmless)) return WR_OK;
    return wr_fail(WR_E_FORMAT, "field \"%s\" is not %s, which is not supported", key, harmless ? "true" : "false");
}

wr_status field_must_be_absent(const json_value *o, const char *key, bool or_empty) {
    const json_value *v = json_get(o, key);
    if (field_is_absent(v) || (or_empty && v->kind == JSON_OBJECT && v->length == 0)) return WR_OK;
    return wr_fail(WR_E_FORMAT, "field \"%s\" is set, which is not supported", key);
}

wr_status field_must_be_number(const json_value *o, const char *key, double harmless) {
    double x = 0;
    if (field_is_absent(json_get(o, key)) || (json_get_double(o, key, &x) && x == harmless)) return WR_OK;
    return wr_fail(WR_E_FORMAT, "field \"%s\" is not %g, which is not supported", key, harmless);
}

void field_write_double(json_writer *w, const char *key, double x) {
    json_key(w, key);
    field_write_number(w, x);
}

void field_write_number(json_writer *w, double x) {
    char text[32];
    json_value v = {.kind = JSON_NUMBER, .text = text};
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    if (!strpbrk(text, ".e")) memcpy(text + strlen(text), ".0", sizeof ".0"); /* at most 17 digits: there is room */
    v.length = strlen(text);
    json_copy(w, &v);
}
