#include "model/weights/objective_record.h"

#include "base/file.h"
#include "model/weights/config_fields.h"

#include <stdlib.h>
#include <string.h>

static const char *const FILE_NAME = "wildreward.json";
static const size_t FILE_BYTES_MAX = 1 << 20;

wr_status objective_record_parse(const json_value *record, char out[OBJECTIVE_NAME_CAP]) {
    const json_value *name = NULL;
    memset(out, 0, OBJECTIVE_NAME_CAP); /* configurations are compared and sent as bytes */
    if (field_is_absent(record)) return WR_OK;
    if (!json_is(record, JSON_OBJECT))
        return wr_fail(WR_E_FORMAT, "the record of the model's objective, \"wildreward\", is not an object");
    name = json_get(record, "objective");
    if (field_is_absent(name)) return WR_OK;
    if (name->kind != JSON_STRING || name->length == 0)
        return wr_fail(WR_E_FORMAT, "field \"wildreward.objective\" is not a name");
    if (name->length >= OBJECTIVE_NAME_CAP || strlen(name->text) != name->length)
        return wr_fail(WR_E_FORMAT, "field \"wildreward.objective\": \"%.40s\" is not supported", name->text);
    memcpy(out, name->text, name->length);
    return WR_OK;
}

wr_status objective_record_save(const char *adapter_dir, const char *name) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    strbuf text = {0};
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    json_member_string(&w, "objective", name);
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, adapter_dir, FILE_NAME));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status objective_record_load(const char *adapter_dir, char out[OBJECTIVE_NAME_CAP]) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *bytes = NULL;
    size_t n = 0;
    const json_value *record = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(path_join(path, adapter_dir, FILE_NAME));
    if (file_exists(path)) {
        TRY(file_read(path, FILE_BYTES_MAX, &bytes, &n));
        TRY(wr_context(json_parse(a, bytes, n, &record), "%s", path));
    }
    TRY(wr_context(objective_record_parse(record, out), "%s", path));
cleanup:
    free(bytes);
    arena_free(a);
    return status;
}
