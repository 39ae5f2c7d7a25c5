/* Any bytes: the JSON parser answers or refuses. What it accepts is written and read again to the same text: writing
 * loses nothing. */
#include "base/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_copy(const json_value *v, strbuf *out) {
    json_writer w = json_writer_make(out);
    json_copy(&w, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    arena *a = arena_create();
    const json_value *v, *again;
    strbuf first = {0}, second = {0};
    if (a && json_parse(a, (const char *)data, size, &v) >= 0) {
        write_copy(v, &first);
        if (json_parse(a, strbuf_str(&first), first.len, &again) < 0) __builtin_trap();
        write_copy(again, &second);
        if (first.len != second.len || memcmp(strbuf_str(&first), strbuf_str(&second), first.len) != 0)
            __builtin_trap();
    }
    strbuf_free(&first);
    strbuf_free(&second);
    arena_free(a);
    return 0;
}
