/* Rotary frequencies: reading and writing how they are scaled, and computing them. */
#include "model/weights/config_fields.h"
#include "model/weights/family.h"

#include <math.h>
#include <string.h>

typedef struct rope {
    rope_type type;
    double theta, factor, low, high, original;
} rope;

static wr_status read_type(const json_value *r, rope_type *out) {
    const char *type = "default", *old = NULL;
    size_t n = 0;
    const bool has_new = json_get_string(r, "rope_type", &type, &n), has_old = json_get_string(r, "type", &old, &n);
    if ((!has_new && !field_is_absent(json_get(r, "rope_type"))) || (!has_old && !field_is_absent(json_get(r, "type"))))
        return wr_fail(WR_E_FORMAT, "rope_type is not a text");
    if (has_new && has_old && strcmp(type, old) != 0)
        return wr_fail(WR_E_FORMAT, "rope_type \"%.40s\" and type \"%.40s\" differ", type, old);
    if (!has_new && has_old) type = old;
    if (strcmp(type, "default") == 0)
        *out = ROPE_DEFAULT;
    else if (strcmp(type, "linear") == 0)
        *out = ROPE_LINEAR;
    else if (strcmp(type, "llama3") == 0)
        *out = ROPE_LLAMA3;
    else
        return wr_fail(WR_E_FORMAT, "rope_type \"%.40s\" is not supported (default, linear, llama3)", type);
    if (!has_new && !has_old && json_get(r, "factor")) return wr_fail(WR_E_FORMAT, "it has a factor, but no rope_type");
    return WR_OK;
}

/* o: the whole config, whose own members stand in for what the object leaves out. */
static wr_status read_object(const json_value *o, const json_value *r, double theta, size_t max_positions, rope *out) {
    wr_status status = WR_OK;
    *out = (rope){.theta = theta};
    if (r->kind != JSON_OBJECT) return wr_fail(WR_E_FORMAT, "it is not an object");
    for (const json_value *v = r->first; v; v = v->next)
        if (v->kind == JSON_OBJECT)
            return wr_fail(WR_E_FORMAT, "member \"%.60s\" differs by layer, which is not supported", v->key);
    TRY(read_type(r, &out->type));
    TRY(field_must_be_number(r, "partial_rotary_factor", 1));
    TRY(field_double(r, "rope_theta", theta, &out->theta));
    if (out->type != ROPE_DEFAULT) TRY(field_double(r, "factor", 0, &out->factor));
    if (out->type == ROPE_LLAMA3) {
        size_t outside = 0, original = 0;
        TRY(field_double(r, "low_freq_factor", 0, &out->low));
        TRY(field_double(r, "high_freq_factor", 0, &out->high));
        if (!(out->high > out->low)) return wr_fail(WR_E_FORMAT, "high_freq_factor is not above low_freq_factor");
        TRY(field_size(o, "original_max_position_embeddings", max_positions, &outside));
        TRY(field_size(r, "original_max_position_embeddings", outside, &original));
        /* transformers 5 takes the outer one, 4 the inner one */
        if (json_get(o, "original_max_position_embeddings") && original != outside)
            return wr_fail(WR_E_FORMAT, "original_max_position_embeddings is %zu there and %zu outside of it", original,
                           outside);
        out->original = (double)original;
    }
cleanup:
    return status;
}

static bool is_given(const json_value *v) { return !field_is_absent(v) && !(v->kind == JSON_OBJECT && v->length == 0); }

static bool same(const rope *a, const rope *b) {
    return a->type == b->type && a->theta == b->theta && a->factor == b->factor && a->low == b->low &&
           a->high == b->high && a->original == b->original;
}

/* The table of layer kind `key` in `kinds`, else an unscaled one. outside: of its base in the config's own members. */
static wr_status read_kind(const json_value *o, const json_value *kinds, const char *key, const char *outside,
                           double theta, size_t max_positions, rope *out) {
    wr_status status = WR_OK;
    const json_value *v = json_get(kinds, key);
    TRY(field_double(o, outside, theta, &theta));
    *out = (rope){.theta = theta};
    if (field_is_absent(v)) goto cleanup;
    TRY(wr_context(read_object(o, v, theta, max_positions, out), "field \"rope_parameters\", member \"%s\"", key));
    if (json_get(o, outside) && out->theta != theta)
        return wr_fail(WR_E_FORMAT,
                       "field \"rope_parameters\", member \"%s\": its rope_theta (%g) is not the config's %s (%g)", key,
                       out->theta, outside, theta);
cleanup:
    return status;
}

/* Two tables: one of the layers that see all, rope_theta and rope_scaling in older files, and rope_local_base_freq of
 * those with a window, which is not stretched. */
static wr_status read_two(const json_value *o, const model_family *f, model_config *c, rope *full) {
    wr_status status = WR_OK;
    static const char *const keys[] = {"full_attention", "sliding_attention"};
    const json_value *kinds = json_get(o, "rope_parameters"), *scaling = json_get(o, "rope_scaling");
    rope local, scaled;
    if (!field_is_absent(kinds) && kinds->kind != JSON_OBJECT)
        return wr_fail(WR_E_FORMAT, "field \"rope_parameters\" is not an object");
    for (const json_value *v = kinds ? kinds->first : NULL; v; v = v->next)
        if (strcmp(v->key, keys[0]) != 0 && strcmp(v->key, keys[1]) != 0)
            return wr_fail(WR_E_FORMAT, "field \"rope_parameters\": member \"%.60s\" is not supported (%s, %s)", v->key,
                           keys[0], keys[1]);
    TRY(read_kind(o, kinds, keys[0], "rope_theta", f->theta, c->max_positions, full));
    TRY(read_kind(o, kinds, keys[1], "rope_local_base_freq", f->local_theta, c->max_positions, &local));
    if (local.type != ROPE_DEFAULT)
        return wr_fail(WR_E_FORMAT,
                       "field \"rope_parameters\", member \"%s\": a rope_type other than default is not supported",
                       keys[1]);
    c->rope_local_theta = local.theta;
    if (!is_given(scaling)) goto cleanup;
    TRY(wr_context(read_object(o, scaling, full->theta, c->max_positions, &scaled), "field \"rope_scaling\""));
    if (!json_get(scaling, "rope_type")) /* the class does not look at the older name of the member */
        return wr_fail(WR_E_FORMAT, "field \"rope_scaling\" has no rope_type");
    if (is_given(json_get(kinds, keys[0])) && !same(full, &scaled))
        return wr_fail(WR_E_FORMAT, "fields \"rope_parameters\" and \"rope_scaling\" say different things");
    *full = scaled;
cleanup:
    return status;
}

wr_status config_read_rope(const json_value *o, model_config *c) {
    static const char *const names[] = {"rope_parameters", "rope_scaling"};
    wr_status status = WR_OK;
    double theta = 0;
    rope r[2], *chosen = &r[0];
    bool has[2] = {false, false};
    const model_family *f = config_family(c);
    TRY(field_must_be_number(o, "partial_rotary_factor", 1));
    TRY(field_double(o, "rope_theta", f->theta > 0 ? f->theta : 10000.0, &theta));
    r[0] = (rope){.theta = theta};
    if (f->local_theta > 0) TRY(read_two(o, f, c, &r[0]));
    for (int i = 0; i < 2 && f->local_theta == 0; i++) {
        const json_value *v = json_get(o, names[i]);
        if (!is_given(v)) continue;
        TRY(wr_context(read_object(o, v, theta, c->max_positions, &r[i]), "field \"%s\"", names[i]));
        has[i] = true;
        if (json_get(o, "rope_theta") && r[i].theta != theta)
            return wr_fail(WR_E_FORMAT, "field \"%s\": its rope_theta (%g) is not the config's rope_theta (%g)",
                           names[i], r[i].theta, theta);
        chosen = &r[i];
    }
    if (has[0] && has[1]) {
        /* rope_theta may stand in one of them alone */
        if (!json_get(json_get(o, names[1]), "rope_theta")) r[1].theta = r[0].theta;
        if (!same(&r[0], &r[1]))
            return wr_fail(WR_E_FORMAT, "fields \"rope_parameters\" and \"rope_scaling\" say different things");
    }
    c->rope = chosen->type;
    c->rope_theta = chosen->theta;
    c->rope_factor = chosen->factor;
    c->rope_low_freq_factor = chosen->low;
    c->rope_high_freq_factor = chosen->high;
    c->rope_original_positions = chosen->original;
cleanup:
    return status;
}

static void write_object(json_writer *w, const char *key, const model_config *c, bool with_theta) {
    static const char *const names[] = {[ROPE_DEFAULT] = "default", [ROPE_LINEAR] = "linear", [ROPE_LLAMA3] = "llama3"};
    json_member_object(w, key);
    if (with_theta) field_write_double(w, "rope_theta", c->rope_theta);
    json_member_string(w, "rope_type", names[c->rope]);
    if (c->rope != ROPE_DEFAULT) field_write_double(w, "factor", c->rope_factor);
    if (c->rope == ROPE_LLAMA3) {
        field_write_double(w, "low_freq_factor", c->rope_low_freq_factor);
        field_write_double(w, "high_freq_factor", c->rope_high_freq_factor);
        json_member_int(w, "original_max_position_embeddings", (int64_t)c->rope_original_positions);
    }
    json_end_object(w);
}

/* transformers 4 reads rope_theta and rope_scaling. 5 reads rope_scaling, else rope_parameters, and rope_theta where
 * that has none. */
void config_write_rope(json_writer *w, const model_config *c) {
    field_write_double(w, "rope_theta", c->rope_theta);
    if (c->rope == ROPE_DEFAULT)
        json_member_null(w, "rope_scaling");
    else
        write_object(w, "rope_scaling", c, false);
    if (c->rope_local_theta == 0) {
        write_object(w, "rope_parameters", c, true);
        return;
    }
    field_write_double(w, "rope_local_base_freq", c->rope_local_theta);
    json_member_object(w, "rope_parameters");
    write_object(w, "full_attention", c, true);
    json_member_object(w, "sliding_attention");
    field_write_double(w, "rope_theta", c->rope_local_theta);
    json_member_string(w, "rope_type", "default");
    json_end_object(w);
    json_end_object(w);
}

/* Every operation in f32 and in the order of transformers' modeling_rope_utils.py. */
void model_config_rope(const model_config *c, float *inverse_frequency) {
    const float factor = (float)c->rope_factor, low = (float)c->rope_low_freq_factor,
                span = (float)(c->rope_high_freq_factor - c->rope_low_freq_factor);
    const float original = (float)c->rope_original_positions;
    const float longest = (float)(c->rope_original_positions / c->rope_low_freq_factor);
    const float shortest = (float)(c->rope_original_positions / c->rope_high_freq_factor);
    for (size_t i = 0; i < c->D / 2; i++) {
        float f = 1.0f / powf((float)c->rope_theta, (float)(2 * i) / (float)c->D);
        if (c->rope == ROPE_LINEAR) f /= factor;
        if (c->rope == ROPE_LLAMA3) {
            const float wave = 1.0f / f * (float)(2 * 3.141592653589793);
            const float smooth = (1.0f / wave * original - low) / span;
            if (wave > longest)
                f /= factor;
            else if (!(wave < shortest))
                f = (1.0f - smooth) * f / factor + smooth * f;
        }
        inverse_frequency[i] = f;
    }
}

void model_config_rope_of(const model_config *c, int table, float *inverse_frequency) {
    model_config one = *c;
    if (table > 0) {
        one.rope = ROPE_DEFAULT;
        one.rope_theta = c->rope_local_theta;
    }
    model_config_rope(&one, inverse_frequency);
}
