/* Any bytes as a row: the scanner and the DOM agree on its fault and on every value, for each kind of log; the packed
 * form comes back the same, and any bytes are unpacked or refused. The first byte chooses the log. The row lies at the
 * very end of its memory, so that reading behind it is found. */
#include "tests/support/conversation_dom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"wildchat", "lmsys", "sharegpt"};
    const field_map *map;
    conversation c;
    if (size == 0 || field_map_open(names[data[0] % 3], &map) < 0) return 0;
    size_t n = size - 1;
    char *line = malloc(n ? n : 1);
    arena *a = arena_create();
    if (line && a) {
        memcpy(line, data + 1, n);
        const char *difference = conversation_disagreement(a, line, n, map);
        if (difference) {
            fprintf(stderr, "%s differs\n", difference);
            __builtin_trap();
        }
        if (conversation_unpack(a, line, n, &c) == WR_OK) {
            strbuf again = {0};
            conversation_pack(&c, &again);
            strbuf_free(&again);
        }
    }
    arena_free(a);
    free(line);
    return 0;
}
