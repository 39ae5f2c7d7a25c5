/* Rotary frequencies: reading and writing how they are scaled, and computing them. */
#include "model/weights/config_fields.h"

#include "model/weights/family.h"

#include <math.h>
#include <string.h>

#define LONGROPE_ORIGINAL 4096 /* original_max_position_embeddings of transformers' Phi3Config where it is missing */

/* What is read of one object; what its type does not use is 0. */
typedef struct rope {
    rope_type type;
    double theta, factor, low, high, original, share, attention;
    double shorts[ROPE_FACTORS_MAX], longs[ROPE_FACTORS_MAX];
} rope;

/* The names of a type; longrope has old ones. */
static const char *const names[] = {
    [ROPE_DEFAULT] = "default", [ROPE_LINEAR] = "linear", [ROPE_LLAMA3] = "llama3", [ROPE_LONGROPE] = "longrope"};

static wr_status read_type(const model_family *f, const json_value *r, rope_type *out) {
    const char *type = "default", *old = NULL;
    size_t n = 0;
    const bool has_new = json_get_string(r, "rope_type", &type, &n), has_old = json_get_string(r, "type", &old, &n);
    if ((!has_new && !field_is_absent(json_get(r, "rope_type"))) || (!has_old && !field_is_absent(json_get(r, "type"))))
        return wr_fail(WR_E_FORMAT, "rope_type is not a text");
    if (has_new && has_old && strcmp(type, old) != 0)
        return wr_fail(WR_E_FORMAT, "rope_type \"%.40s\" and type \"%.40s\" differ", type, old);
    if (!has_new && has_old) type = old;
    if (!has_new && !has_old && json_get(r, "factor")) return wr_fail(WR_E_FORMAT, "it has a factor, but no rope_type");
    if (f->partial_rope && (strcmp(type, "su") == 0 || strcmp(type, "yarn") == 0)) type = names[ROPE_LONGROPE];
    for (rope_type t = ROPE_DEFAULT; t <= ROPE_LONGROPE; t++) {
        if (t != ROPE_DEFAULT && f->partial_rope != (t == ROPE_LONGROPE)) continue;
        *out = t;
        if (strcmp(type, names[t]) == 0) return WR_OK;
    }
    return wr_fail(WR_E_FORMAT, "rope_type \"%.40s\" is not supported (%s)", type,
                   f->partial_rope ? "default, longrope" : "default, linear, llama3");
}

static wr_status read_share(const json_value *o, const model_config *c, double fallback, double *out) {
    wr_status status = WR_OK;
    *out = 1;
    if (!config_family(c)->partial_rope) return field_must_be_number(o, "partial_rotary_factor", 1);
    TRY(field_double(o, "partial_rotary_factor", fallback, out));
    if (*out > 1 || (double)c->D * *out < 1)
        return wr_fail(WR_E_FORMAT,
                       "field \"partial_rotary_factor\" is %g, which leaves none of a head's %zu elements, "
                       "or more than there are",
                       *out, c->D);
cleanup:
    return status;
}

static wr_status read_llama3(const json_value *o, const json_value *r, size_t max_positions, rope *out) {
    wr_status status = WR_OK;
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
cleanup:
    return status;
}

/* A factor for each pair of elements that is turned. */
static wr_status read_factors(const json_value *r, const char *key, size_t n, double *out) {
    const json_value *list = json_get(r, key);
    size_t i = 0;
    if (!json_is(list, JSON_ARRAY) || list->length != n)
        return wr_fail(WR_E_FORMAT, "%s is not a list of %zu numbers, one for two elements of a head that are turned",
                       key, n);
    for (const json_value *v = list->first; v; v = v->next, i++)
        if (!json_to_double(v, &out[i]) || !((float)out[i] > 0) || isinf((float)out[i]))
            return wr_fail(WR_E_FORMAT, "%s holds what is not a positive number", key);
    return WR_OK;
}

/* transformers takes the original length from outside of the object, always. */
static wr_status read_longrope(const json_value *o, const json_value *r, const model_config *c, rope *out) {
    wr_status status = WR_OK;
    size_t original = 0;
    const double dim = floor((double)c->D * out->share);
    if (fmod(dim, 2) != 0)
        return wr_fail(WR_E_FORMAT,
                       "partial_rotary_factor leaves %g elements of a head, but longrope needs an even "
                       "number",
                       dim);
    TRY(read_factors(r, "short_factor", (size_t)dim / 2, out->shorts));
    TRY(read_factors(r, "long_factor", (size_t)dim / 2, out->longs));
    if (!field_is_absent(json_get(r, "factor"))) TRY(field_double(r, "factor", 0, &out->factor));
    if (!field_is_absent(json_get(r, "attention_factor"))) TRY(field_double(r, "attention_factor", 0, &out->attention));
    TRY(field_size(o, "original_max_position_embeddings", LONGROPE_ORIGINAL, &original));
    if (original < 2) return wr_fail(WR_E_FORMAT, "original_max_position_embeddings is below 2");
    out->original = (double)original;
cleanup:
    return status;
}

/* o: the whole config, whose own members stand in for what the object leaves out. */
static wr_status read_object(const json_value *o, const json_value *r, const rope *outer, const model_config *c,
                             rope *out) {
    wr_status status = WR_OK;
    *out = *outer;
    if (r->kind != JSON_OBJECT) return wr_fail(WR_E_FORMAT, "it is not an object");
    for (const json_value *v = r->first; v; v = v->next)
        if (v->kind == JSON_OBJECT)
            return wr_fail(WR_E_FORMAT, "member \"%.60s\" differs by layer, which is not supported", v->key);
    TRY(read_type(config_family(c), r, &out->type));
    TRY(read_share(r, c, outer->share, &out->share));
    TRY(field_double(r, "rope_theta", outer->theta, &out->theta));
    if (out->type == ROPE_LINEAR || out->type == ROPE_LLAMA3) TRY(field_double(r, "factor", 0, &out->factor));
    if (out->type == ROPE_LLAMA3) TRY(read_llama3(o, r, c->max_positions, out));
    if (out->type == ROPE_LONGROPE) TRY(read_longrope(o, r, c, out));
cleanup:
    return status;
}

static bool is_given(const json_value *v) { return !field_is_absent(v) && !(v->kind == JSON_OBJECT && v->length == 0); }

static bool same_factors(const double *a, const double *b) {
    size_t i = 0;
    while (i < ROPE_FACTORS_MAX && a[i] == b[i]) i++;
    return i == ROPE_FACTORS_MAX;
}

static bool same(const rope *a, const rope *b) {
    return a->type == b->type && a->theta == b->theta && a->factor == b->factor && a->low == b->low &&
           a->high == b->high && a->original == b->original && a->share == b->share && a->attention == b->attention &&
           same_factors(a->shorts, b->shorts) && same_factors(a->longs, b->longs);
}

/* The table of layer kind `key` in `kinds`, else an unscaled one. outside: of its base in the config's own members. */
static wr_status read_kind(const json_value *o, const json_value *kinds, const char *key, const char *outside,
                           double theta, const model_config *c, rope *out) {
    wr_status status = WR_OK;
    const json_value *v = json_get(kinds, key);
    rope outer;
    memset(&outer, 0, sizeof outer);
    outer.share = 1;
    TRY(field_double(o, outside, theta, &outer.theta));
    *out = outer;
    if (field_is_absent(v)) goto cleanup;
    TRY(wr_context(read_object(o, v, &outer, c, out), "field \"rope_parameters\", member \"%s\"", key));
    if (json_get(o, outside) && out->theta != outer.theta)
        return wr_fail(WR_E_FORMAT,
                       "field \"rope_parameters\", member \"%s\": its rope_theta (%g) is not the config's %s (%g)", key,
                       out->theta, outside, outer.theta);
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
    TRY(read_kind(o, kinds, keys[0], "rope_theta", f->rope_theta, c, full));
    TRY(read_kind(o, kinds, keys[1], "rope_local_base_freq", f->local_theta, c, &local));
    if (local.type != ROPE_DEFAULT)
        return wr_fail(WR_E_FORMAT,
                       "field \"rope_parameters\", member \"%s\": a rope_type other than default is not supported",
                       keys[1]);
    c->rope_local_theta = local.theta;
    if (!is_given(scaling)) goto cleanup;
    rope plain = *full;
    plain.type = ROPE_DEFAULT, plain.factor = plain.low = plain.high = plain.original = 0;
    TRY(wr_context(read_object(o, scaling, &plain, c, &scaled), "field \"rope_scaling\""));
    if (!json_get(scaling, "rope_type")) /* the class does not look at the older name of the member */
        return wr_fail(WR_E_FORMAT, "field \"rope_scaling\" has no rope_type");
    if (is_given(json_get(kinds, keys[0])) && !same(full, &scaled))
        return wr_fail(WR_E_FORMAT, "fields \"rope_parameters\" and \"rope_scaling\" say different things");
    *full = scaled;
cleanup:
    return status;
}

wr_status config_read_rope(const json_value *o, model_config *c) {
    static const char *const objects[] = {"rope_parameters", "rope_scaling"};
    wr_status status = WR_OK;
    const model_family *f = config_family(c);
    rope outer, r[2], *chosen = &outer;
    bool has[2] = {false, false};
    memset(&outer, 0, sizeof outer);
    TRY(field_double(o, "rope_theta", f->rope_theta > 0 ? f->rope_theta : 10000.0, &outer.theta));
    TRY(read_share(o, c, 1, &outer.share));
    if (f->local_theta > 0) TRY(read_two(o, f, c, &outer));
    for (int i = 0; i < 2 && f->local_theta == 0; i++) {
        const json_value *v = json_get(o, objects[i]);
        if (!is_given(v)) continue;
        TRY(wr_context(read_object(o, v, &outer, c, &r[i]), "field \"%s\"", objects[i]));
        has[i] = true;
        if (json_get(o, "rope_theta") && r[i].theta != outer.theta)
            return wr_fail(WR_E_FORMAT, "field \"%s\": its rope_theta (%g) is not the config's rope_theta (%g)",
                           objects[i], r[i].theta, outer.theta);
        chosen = &r[i];
    }
    if (has[0] && has[1]) {
        /* transformers takes rope_scaling alone: what it lacks is the config's or the class's, not rope_parameters' */
        if (!same(&r[0], &r[1]))
            return wr_fail(WR_E_FORMAT, "fields \"rope_parameters\" and \"rope_scaling\" say different things");
    }
    c->rope = chosen->type;
    c->rope_theta = chosen->theta;
    c->rope_share = chosen->share == 1 ? 0 : chosen->share;
    c->rope_factor = chosen->factor;
    c->rope_low_freq_factor = chosen->low;
    c->rope_high_freq_factor = chosen->high;
    c->rope_original_positions = chosen->original;
    c->rope_attention_factor = chosen->attention;
    memcpy(c->rope_short, chosen->shorts, sizeof c->rope_short);
    memcpy(c->rope_long, chosen->longs, sizeof c->rope_long);
cleanup:
    return status;
}

static void write_factors(json_writer *w, const char *key, const model_config *c, const double *factors) {
    json_member_array(w, key);
    for (size_t i = 0; i < model_config_rotary(c) / 2; i++) field_write_number(w, factors[i]);
    json_end_array(w);
}

/* The members of a stretched type. */
static void write_stretch(json_writer *w, const model_config *c) {
    if (c->rope_factor > 0) field_write_double(w, "factor", c->rope_factor);
    if (c->rope == ROPE_LLAMA3) {
        field_write_double(w, "low_freq_factor", c->rope_low_freq_factor);
        field_write_double(w, "high_freq_factor", c->rope_high_freq_factor);
        json_member_int(w, "original_max_position_embeddings", (int64_t)c->rope_original_positions);
    }
    if (c->rope == ROPE_LONGROPE) {
        if (c->rope_attention_factor > 0) field_write_double(w, "attention_factor", c->rope_attention_factor);
        write_factors(w, "short_factor", c, c->rope_short);
        write_factors(w, "long_factor", c, c->rope_long);
    }
}

static double share_of(const model_config *c) { return c->rope_share > 0 ? c->rope_share : 1; }

/* transformers 4 reads rope_theta and rope_scaling. 5 reads rope_scaling, else rope_parameters, and rope_theta where
 * that has none. Of Phi-3, 4 wants no more in rope_scaling than type and two lists, and both read original length and
 * share of a head beside the objects. */
void config_write_rope(json_writer *w, const model_config *c) {
    const bool partial = config_family(c)->partial_rope;
    field_write_double(w, "rope_theta", c->rope_theta);
    if (partial) field_write_double(w, "partial_rotary_factor", share_of(c));
    if (c->rope == ROPE_LONGROPE)
        json_member_int(w, "original_max_position_embeddings", (int64_t)c->rope_original_positions);
    if (c->rope == ROPE_DEFAULT) {
        json_member_null(w, "rope_scaling");
    } else {
        json_member_object(w, "rope_scaling");
        json_member_string(w, c->rope == ROPE_LONGROPE ? "type" : "rope_type", names[c->rope]);
        write_stretch(w, c);
        json_end_object(w);
    }
    if (c->rope_local_theta > 0) field_write_double(w, "rope_local_base_freq", c->rope_local_theta);
    json_member_object(w, "rope_parameters");
    if (c->rope_local_theta > 0) {
        json_member_object(w, "sliding_attention");
        field_write_double(w, "rope_theta", c->rope_local_theta);
        json_member_string(w, "rope_type", names[ROPE_DEFAULT]);
        json_end_object(w);
        json_member_object(w, "full_attention");
    }
    field_write_double(w, "rope_theta", c->rope_theta);
    json_member_string(w, "rope_type", names[c->rope]);
    if (partial) field_write_double(w, "partial_rotary_factor", share_of(c));
    if (c->rope == ROPE_LONGROPE)
        json_member_int(w, "original_max_position_embeddings", (int64_t)c->rope_original_positions);
    if (c->rope != ROPE_DEFAULT) write_stretch(w, c);
    json_end_object(w);
    if (c->rope_local_theta > 0) json_end_object(w);
}

/* --- computing ---------------------------------------------------------------------------------------------------- */

/* Elements that are turned; an odd number is turned as one more. */
static size_t turned(const model_config *c) { return (size_t)((double)c->D * share_of(c)); }

size_t model_config_rotary(const model_config *c) { return turned(c) + turned(c) % 2; }

size_t model_config_rope_switch(const model_config *c) {
    return c->rope == ROPE_LONGROPE ? (size_t)c->rope_original_positions : SIZE_MAX;
}

/* sqrt(1 + ln s / ln original), s how many times longer than that rows may be (Ding et al. 2024, LongRoPE, eq. 6). */
float model_config_rope_scale(const model_config *c) {
    const double s = c->rope_factor > 0 ? c->rope_factor : (double)c->max_positions / c->rope_original_positions;
    if (c->rope != ROPE_LONGROPE) return 1;
    if (c->rope_attention_factor > 0) return (float)c->rope_attention_factor;
    return s > 1 ? (float)sqrt(1 + log(s) / log(c->rope_original_positions)) : 1;
}

/* Every operation in f32 and in the order of transformers' modeling_rope_utils.py. */
static float frequency(const model_config *c, const double *factors, size_t i) {
    const float power = powf((float)c->rope_theta, (float)(2 * i) / (float)turned(c));
    return c->rope == ROPE_LONGROPE ? 1.0f / ((float)factors[i] * power) : 1.0f / power;
}

void model_config_rope_long(const model_config *c, float *inverse_frequency) {
    for (size_t i = 0; i < model_config_rotary(c) / 2; i++) inverse_frequency[i] = frequency(c, c->rope_long, i);
}

void model_config_rope(const model_config *c, float *inverse_frequency) {
    const float factor = (float)c->rope_factor, low = (float)c->rope_low_freq_factor,
                span = (float)(c->rope_high_freq_factor - c->rope_low_freq_factor);
    const float original = (float)c->rope_original_positions;
    const float longest = (float)(c->rope_original_positions / c->rope_low_freq_factor);
    const float shortest = (float)(c->rope_original_positions / c->rope_high_freq_factor);
    for (size_t i = 0; i < model_config_rotary(c) / 2; i++) {
        float f = frequency(c, c->rope_short, i);
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
