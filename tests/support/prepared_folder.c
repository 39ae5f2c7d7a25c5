#include "tests/support/prepared_folder.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/stream.h"

#include <stdlib.h>

prepare_options prepare_options_for(const char *const *source, const char *out, const char *format) {
    /* The defaults ask for ten words of a reply and five of a query. */
    return (prepare_options){.sources = source,
                             .n_sources = 1,
                             .out_dir = out,
                             .format = format,
                             .vocab_size = 300,
                             .seed = 3,
                             .test_instances = -1,
                             .max_length = 512,
                             .shard_records = 50,
                             .filters = filter_options_default()};
}

int64_t counted_in_meta(const json_value *meta, const char *stage, const char *name) {
    int64_t n = -1;
    json_get_int(json_get(json_get(meta, "funnel"), stage), name, &n);
    return n;
}

const json_value *load_meta(arena *a, const char *out) {
    char path[PATH_CAP], *text;
    size_t n;
    const json_value *v;
    path_join(path, out, "meta.json");
    assert_int_equal(file_read(path, 0, &text, &n), WR_OK);
    assert_int_equal(json_parse(a, text, n, &v), WR_OK);
    free(text);
    return v;
}

size_t lines_of(const char *out, const char *name) {
    char path[PATH_CAP];
    instream *in;
    const char *line;
    size_t n, count_lines = 0;
    path_join(path, out, name);
    assert_int_equal(instream_open(path, &in), WR_OK);
    while (instream_line(in, &line, &n) == WR_OK) count_lines++;
    instream_close(in);
    return count_lines;
}

void same_folder(const char *a, const char *b) {
    char **names, x[HASH_HEX], y[HASH_HEX], path[PATH_CAP];
    size_t n;
    assert_int_equal(dir_list(a, "", "", &names, &n), WR_OK);
    assert_true(n > 8);
    for (size_t i = 0; i < n; i++) {
        path_join(path, a, names[i]);
        assert_int_equal(hash_file_hex(path, x), WR_OK);
        path_join(path, b, names[i]);
        assert_int_equal(hash_file_hex(path, y), WR_OK);
        assert_string_equal(x, y);
    }
    names_free(names, n);
}
