#include "study/study_folder.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool there(const char *folder, const char *name) {
    char path[PATH_CAP];
    return path_join(path, folder, name) >= 0 && (file_exists(path) || dir_exists(path));
}

static wr_status refuse_foreign(const char *folder) {
    static const char *const names[] = {"config.yaml", "cells", "results.csv", "results.json", "report.html"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        /* asked again: another process may have begun it just now */
        if (there(folder, names[i]) && !there(folder, "study.json"))
            return wr_fail(WR_E_USAGE, "%s: holds %s, and is no folder of a study; give another --out", folder,
                           names[i]);
    return WR_OK;
}

static bool is_text(const json_value *v, const char *key, const char *wanted) {
    const char *text;
    size_t n;
    return json_get_string(v, key, &text, &n) && strcmp(text, wanted) == 0;
}

static wr_status check_study(const char *folder, const char *path, const study_terms *t) {
    wr_status status = WR_OK;
    char *text = NULL, config[PATH_CAP];
    const json_value *v = NULL;
    size_t n = 0;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(file_read(path, 1 << 16, &text, &n));
    if (json_parse(a, text, n, &v) < 0 || !json_get(v, "study"))
        TRY(wr_fail(WR_E_FORMAT, "%s: no study.json of a study, or damaged; give another --out", path));
    if (!is_text(v, "study", t->kind))
        TRY(wr_fail(WR_E_MISMATCH, "%s: is of another kind of study than %s; give another --out", folder, t->kind));
    if (!is_text(v, "train_hash", t->train_hash) || !is_text(v, "test_hash", t->test_hash))
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: the study was begun with other data than --data; give the same, or another --out", folder));
    TRY(path_join(config, folder, "config.yaml"));
    if (t->options->same && file_exists(config))
        TRY(wr_context(t->options->same(t->options->context, config, NULL), "%s", folder));
cleanup:
    free(text);
    arena_free(a);
    return status;
}

wr_status study_folder_write(const char *folder, const char *name, const strbuf *text) {
    char path[PATH_CAP];
    wr_status status = strbuf_status(text);
    if (status >= 0) status = path_join(path, folder, name);
    return status < 0 ? status : file_write_atomic(path, strbuf_str(text), text->len);
}

static wr_status begin_study(const char *folder, const study_terms *t) {
    wr_status status = WR_OK;
    strbuf text = {0};
    json_writer j = json_writer_make(&text);
    json_begin_object(&j);
    json_member_string(&j, "study", t->kind);
    json_member_string(&j, "train_hash", t->train_hash);
    json_member_string(&j, "test_hash", t->test_hash);
    json_end_object(&j);
    strbuf_putc(&text, '\n');
    TRY(refuse_foreign(folder));
    TRY(dir_make(folder));
    TRY(study_folder_write(folder, "study.json", &text));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status study_folder_open(const char *folder, const study_terms *t) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    strbuf config = {0};
    strbuf_printf(&config, "%s%s", t->options->about ? t->options->about : "", t->options->config_yaml);
    TRY(path_join(path, folder, "study.json"));
    TRY(file_exists(path) ? check_study(folder, path, t) : begin_study(folder, t));
    TRY(path_join(path, folder, "config.yaml"));
    if (!file_exists(path)) TRY(study_folder_write(folder, "config.yaml", &config));
    TRY(path_join(path, folder, "cells"));
    TRY(dir_make(path));
cleanup:
    strbuf_free(&config);
    return status;
}
