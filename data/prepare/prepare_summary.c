#include "data/prepare/prepare_summary.h"

#include "base/file.h"
#include "data/prepare/summary_parts.h"

#include <stdlib.h>
#include <string.h>

bool prepare_summary_wanted(const char *dir) {
    char path[PATH_CAP];
    return dir_exists(dir) && path_join(path, dir, "meta.json") >= 0 && file_exists(path) &&
           path_join(path, dir, "metrics.jsonl") >= 0 && !file_exists(path);
}

wr_status prepare_summary(const char *dir, strbuf *out) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *text = NULL;
    size_t n;
    const json_value *meta = NULL;
    json_writer w = json_writer_make(out);
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(path_join(path, dir, "meta.json"));
    TRY(file_read(path, 64 << 20, &text, &n));
    TRY(wr_context(json_parse(a, text, n, &meta), "%s", path));
    if (!json_is(meta, JSON_OBJECT)) TRY(wr_fail(WR_E_FORMAT, "%s: not a JSON object", path));
    json_begin_object(&w);
    json_member_string(&w, "dir", dir);
    json_member_copy(&w, "meta", meta);
    TRY(summary_turns(dir, &w));
    TRY(summary_users(dir, &w));
    TRY(summary_records(dir, &w));
    json_end_object(&w);
    TRY(strbuf_status(out));
cleanup:
    free(text);
    arena_free(a);
    return status;
}
