#include "model/weights/objective_record.h"

#include "base/file.h"
#include "base/logistic.h"
#include "model/weights/config_fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const FILE_NAME = "wildreward.json";
static const size_t FILE_BYTES_MAX = 1 << 20;

static const char *const OWN_NAMES[] = {NULL, "biases", "threshold_steps"}; /* by head_own_kind */

static wr_status parse_own(const json_value *record, head_own_kind kind, head_own *own) {
    const json_value *list = json_get(record, OWN_NAMES[kind]);
    if (field_is_absent(list)) return WR_OK;
    if (!json_is(list, JSON_ARRAY) || list->length < 1 || list->length > HEAD_OWN_MAX || own->kind)
        return wr_fail(WR_E_FORMAT, "field \"wildreward.%s\" is not the only list, of 1 to %d numbers", OWN_NAMES[kind],
                       HEAD_OWN_MAX);
    own->kind = kind;
    for (const json_value *e = list->first; e; e = e->next) {
        const float value = e->kind == JSON_NUMBER ? strtof(e->text, NULL) : NAN;
        if (!isfinite(value))
            return wr_fail(WR_E_FORMAT, "field \"wildreward.%s\": element %u is not a finite number", OWN_NAMES[kind],
                           own->n);
        own->values[own->n++] = value;
    }
    return WR_OK;
}

static wr_status parse_settings(const json_value *list, objective_setting *out) {
    if (field_is_absent(list)) return WR_OK;
    if (!json_is(list, JSON_OBJECT) || list->length > OBJECTIVE_SETTINGS)
        return wr_fail(WR_E_FORMAT, "field \"wildreward.settings\" is not an object of up to %d numbers",
                       OBJECTIVE_SETTINGS);
    for (const json_value *e = list->first; e; e = e->next, out++) {
        if (!json_is(e, JSON_NUMBER) || !json_to_double(e, &out->value) || !isfinite(out->value) || !e->key[0] ||
            strlen(e->key) >= sizeof out->name)
            return wr_fail(WR_E_FORMAT, "field \"wildreward.settings\": \"%.40s\" is not an option and its number",
                           e->key);
        memcpy(out->name, e->key, strlen(e->key));
    }
    return WR_OK;
}

wr_status objective_record_parse(const json_value *record, model_config *c) {
    wr_status status = WR_OK;
    const json_value *name = NULL;
    memset(c->objective, 0, sizeof c->objective); /* configurations are compared and sent as bytes */
    memset(c->settings, 0, sizeof c->settings);
    memset(&c->own, 0, sizeof c->own);
    if (field_is_absent(record)) return WR_OK;
    if (!json_is(record, JSON_OBJECT))
        return wr_fail(WR_E_FORMAT, "the record of the model's objective, \"wildreward\", is not an object");
    name = json_get(record, "objective");
    if (field_is_absent(name)) return WR_OK;
    if (name->kind != JSON_STRING || name->length == 0)
        return wr_fail(WR_E_FORMAT, "field \"wildreward.objective\" is not a name");
    if (name->length >= OBJECTIVE_NAME_CAP || strlen(name->text) != name->length)
        return wr_fail(WR_E_FORMAT, "field \"wildreward.objective\": \"%.40s\" is not supported", name->text);
    memcpy(c->objective, name->text, name->length);
    TRY(parse_settings(json_get(record, "settings"), c->settings));
    TRY(parse_own(record, HEAD_OWN_BIASES, &c->own));
    TRY(parse_own(record, HEAD_OWN_THRESHOLDS, &c->own));
cleanup:
    return status;
}

void head_own_thresholds(const head_own *own, double *theta) {
    for (unsigned k = 0; k < own->n; k++)
        theta[k] = k ? theta[k - 1] + softplus((double)own->values[k]) : (double)own->values[0];
}

static void write_numbers(json_writer *w, const char *name, unsigned n, const double *values) {
    json_member_array(w, name);
    for (unsigned k = 0; k < n; k++) json_double(w, values[k]); /* nine digits: a float's all */
    json_end_array(w);
}

static void write_settings(json_writer *w, const objective_setting *settings) {
    if (!settings->name[0]) return;
    json_member_object(w, "settings");
    for (int i = 0; i < OBJECTIVE_SETTINGS && settings[i].name[0]; i++)
        json_member_double(w, settings[i].name, settings[i].value);
    json_end_object(w);
}

void objective_record_members(json_writer *w, const model_config *c, const head_own *own) {
    double values[HEAD_OWN_MAX];
    json_member_string(w, "objective", c->objective);
    write_settings(w, c->settings);
    for (unsigned k = 0; k < own->n; k++) values[k] = (double)own->values[k];
    if (own->kind) write_numbers(w, OWN_NAMES[own->kind], own->n, values);
    if (own->kind != HEAD_OWN_THRESHOLDS) return;
    head_own_thresholds(own, values);
    write_numbers(w, "thresholds", own->n, values);
}

wr_status objective_record_save(const char *adapter_dir, const model_config *c, const head_own *own,
                                const char *data_hash) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    strbuf text = {0};
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    objective_record_members(&w, c, own);
    if (data_hash) json_member_string(&w, "data_hash", data_hash);
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, adapter_dir, FILE_NAME));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status objective_record_load(const char *adapter_dir, model_config *c) {
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
    TRY(wr_context(objective_record_parse(record, c), "%s", path));
cleanup:
    free(bytes);
    arena_free(a);
    return status;
}
