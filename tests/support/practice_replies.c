#include "tests/support/practice_replies.h"

#include <math.h>
#include <string.h>

practice_task *task_of(const char *json) {
    arena *a = arena_create();
    const json_value *v;
    practice_task *t = NULL;
    assert_ok(json_parse(a, json, strlen(json), &v));
    assert_ok(practice_task_from_json(v, &t));
    arena_free(a);
    return t;
}

double quality_of(const practice_task *t, const char *reply, size_t length) {
    double quality = NAN;
    assert_ok(practice_check(t, reply, length, &quality));
    return quality;
}
