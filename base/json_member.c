#include "base/json.h"

void json_member_string(json_writer *w, const char *key, const char *s) {
    json_key(w, key);
    json_string(w, s);
}

void json_member_string_n(json_writer *w, const char *key, const char *s, size_t n) {
    json_key(w, key);
    json_string_n(w, s, n);
}

void json_member_int(json_writer *w, const char *key, int64_t v) {
    json_key(w, key);
    json_int(w, v);
}

void json_member_count(json_writer *w, const char *key, uint64_t n) { json_member_int(w, key, (int64_t)n); }

void json_member_double(json_writer *w, const char *key, double v) {
    json_key(w, key);
    json_double(w, v);
}

void json_member_bool(json_writer *w, const char *key, bool v) {
    json_key(w, key);
    json_bool(w, v);
}

void json_member_null(json_writer *w, const char *key) {
    json_key(w, key);
    json_null(w);
}

void json_member_copy(json_writer *w, const char *key, const json_value *v) {
    json_key(w, key);
    json_copy(w, v);
}

void json_member_object(json_writer *w, const char *key) {
    json_key(w, key);
    json_begin_object(w);
}

void json_member_array(json_writer *w, const char *key) {
    json_key(w, key);
    json_begin_array(w);
}
