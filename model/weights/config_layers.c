/* What differs between layers: reading and writing it. Which have a window, in three spellings, the later ones of newer
 * files:
 *
 *     one number for all layers                                 sliding_window
 *     a switch, a number and the first layer that has it        use_sliding_window, sliding_window, max_window_layers
 *     a number, for all layers but every n-th                   sliding_window, sliding_window_pattern
 *     a kind for each layer, which goes before the others       layer_types
 *
 * Which have no rotary embedding: no_rope_layers, 0 for those, or each no_rope_layer_interval-th.
 *
 * A file whose fields the reference's classes take for different models, or that asks for a window without a width, is
 * refused by the field. */
#include "model/weights/config_fields.h"
#include "model/weights/family.h"

#include <string.h>

static const char full_attention[] = "full_attention", sliding_attention[] = "sliding_attention";

/* layer_types, where it is there. */
static wr_status read_types(const json_value *o, model_config *c, bool *given, bool *any_windowed) {
    const json_value *list = json_get(o, "layer_types");
    size_t l = 0;
    *any_windowed = false;
    *given = !field_is_absent(list);
    if (!*given) return WR_OK;
    if (list->kind != JSON_ARRAY) return wr_fail(WR_E_FORMAT, "field \"layer_types\" is not a list");
    for (const json_value *v = list->first; v; v = v->next, l++) {
        const bool windowed = v->kind == JSON_STRING && strcmp(v->text, sliding_attention) == 0;
        if (!windowed && (v->kind != JSON_STRING || strcmp(v->text, full_attention) != 0))
            return wr_fail(WR_E_FORMAT, "field \"layer_types\": \"%.40s\" is not supported (%s, %s)",
                           v->text ? v->text : "", full_attention, sliding_attention);
        *any_windowed = *any_windowed || windowed;
        if (l < c->L) c->layers[l].windowed = windowed;
    }
    if (*any_windowed && l != c->L)
        return wr_fail(WR_E_FORMAT, "field \"layer_types\" names %zu layers, but \"num_hidden_layers\" is %zu", l,
                       c->L);
    return WR_OK;
}

/* sliding_window: 0 where it is null, or missing in a family that has none then. */
static wr_status read_width(const json_value *o, const model_family *f, size_t *window) {
    const json_value *v = json_get(o, "sliding_window");
    *window = 0;
    return (v && v->kind == JSON_NULL) || (!v && f->window_width == 0)
               ? WR_OK
               : field_size(o, "sliding_window", f->window_width, window);
}

static bool all_windowed(const model_config *c) {
    for (size_t l = 0; l < c->L; l++)
        if (!c->layers[l].windowed) return false;
    return true;
}

static bool any_windowed(const model_config *c) {
    for (size_t l = 0; l < c->L; l++)
        if (c->layers[l].windowed) return true;
    return false;
}

/* One width for all layers. With layer_types, AutoModel takes such a file for a Ministral and the family's own class
 * does not look at them: both must mean the same. */
static wr_status read_one(const json_value *o, const model_family *f, model_config *c, bool given) {
    wr_status status = WR_OK;
    TRY(read_width(o, f, &c->window));
    if (given && c->window && !all_windowed(c))
        return wr_fail(WR_E_FORMAT, "field \"layer_types\" does not say what \"sliding_window\" says: that is another "
                                    "model to transformers' AutoModel than to its own class");
    for (size_t l = 0; l < c->L; l++) c->layers[l].windowed = c->window > 0;
cleanup:
    return status;
}

static wr_status read_switch(const json_value *o, const model_family *f, model_config *c, bool given) {
    wr_status status = WR_OK;
    const char *const first_name = "max_window_layers";
    const json_value *first = json_get(o, first_name);
    bool on = false;
    int64_t from = 28;
    TRY(field_bool(o, "use_sliding_window", false, &on));
    if (on) TRY(read_width(o, f, &c->window));
    if (given || c->window == 0) goto cleanup;
    if (first && (!json_to_int(first, &from) || from < 0))
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a number of layers", first_name);
    for (size_t l = 0; l < c->L; l++) c->layers[l].windowed = l >= (size_t)from;
cleanup:
    return status;
}

/* Every n-th layer sees all. The classes want a width even where no layer has a window. */
static wr_status read_others(const json_value *o, const model_family *f, model_config *c, bool given) {
    wr_status status = WR_OK;
    size_t every = f->full_every;
    TRY(read_width(o, f, &c->window));
    if (c->window == 0) return wr_fail(WR_E_FORMAT, "field \"sliding_window\" is null, which gives no width");
    if (given) goto cleanup;
    const json_value *field = f->full_every_field ? json_get(o, f->full_every_field) : NULL;
    if (field && field->kind == JSON_NULL)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is null, which is no number of layers", f->full_every_field);
    if (field) TRY(field_size(o, f->full_every_field, every, &every));
    for (size_t l = 0; l < c->L; l++) c->layers[l].windowed = (l + 1) % every != 0;
cleanup:
    return status;
}

static wr_status read_unturned_windows(const json_value *o, const model_family *f, model_config *c, bool given) {
    wr_status status = WR_OK;
    bool on = false;
    TRY(field_bool(o, "use_sliding_window", false, &on));
    if (given || on) TRY(read_width(o, f, &c->window));
    for (size_t l = 0; l < c->L && !given; l++)
        c->layers[l].windowed = c->window > 0 && c->layers[l].rope == LAYER_ROPE_NONE;
cleanup:
    return status;
}

/* --- layers without rotary embedding ------------------------------------------------------------------------------ */

void config_turn_layers(model_config *c, size_t unturned_every) {
    for (size_t l = 0; l < c->L && unturned_every; l++)
        c->layers[l].rope = (l + 1) % unturned_every == 0 ? LAYER_ROPE_NONE : 0;
}

static wr_status read_turned(const json_value *o, const model_family *f, model_config *c) {
    wr_status status = WR_OK;
    static const char name[] = "no_rope_layers";
    const json_value *list = json_get(o, name);
    size_t every = 0, l = 0;
    if (f->unturned_every == 0) return WR_OK;
    if (field_is_absent(list)) {
        TRY(field_size(o, "no_rope_layer_interval", f->unturned_every, &every));
        config_turn_layers(c, every);
        return WR_OK;
    }
    if (list->kind != JSON_ARRAY || list->length < c->L)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a list of %zu numbers, one a layer", name, c->L);
    for (const json_value *v = list->first; v && l < c->L; v = v->next, l++) {
        int64_t turned = 0;
        if (!json_to_int(v, &turned) || turned < 0 || turned > 1)
            return wr_fail(WR_E_FORMAT, "field \"%s\" holds what is neither 0 nor 1", name);
        c->layers[l].rope = turned ? 0 : LAYER_ROPE_NONE;
    }
cleanup:
    return status;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

void config_settle_layers(model_config *c) {
    const model_family *f = config_family(c);
    /* configurations are compared as bytes */
    if (f->window != WINDOW_OTHERS && !any_windowed(c)) c->window = 0;
    if (f->local_theta > 0)
        for (size_t l = 0; l < c->L; l++) c->layers[l].rope = c->layers[l].windowed;
}

wr_status config_read_layers(const json_value *o, model_config *c) {
    wr_status status = WR_OK;
    const model_family *f = config_family(c);
    bool given = false, any = false;
    if (c->L > LAYERS_MAX)
        return wr_fail(WR_E_FORMAT, "field \"num_hidden_layers\" is %zu, above %d", c->L, LAYERS_MAX);
    TRY(read_turned(o, f, c));
    TRY(read_types(o, c, &given, &any));
    switch (f->window) {
    case WINDOW_NONE:
        if (any) return wr_fail(WR_E_FORMAT, "field \"layer_types\": \"%s\" is not supported", sliding_attention);
        TRY(field_must_be_absent(o, "sliding_window", false));
        break;
    case WINDOW_ALL:
        TRY(read_one(o, f, c, given));
        break;
    case WINDOW_SWITCH:
        TRY(read_switch(o, f, c, given));
        break;
    case WINDOW_UNTURNED:
        TRY(read_unturned_windows(o, f, c, given));
        break;
    case WINDOW_OTHERS:
        TRY(read_others(o, f, c, given));
        break;
    }
    if (c->window == 0 && any)
        return wr_fail(WR_E_FORMAT, "field \"layer_types\" has %s, but \"sliding_window\" gives no width%s",
                       sliding_attention, f->window == WINDOW_SWITCH ? " (\"use_sliding_window\")" : "");
    config_settle_layers(c);
cleanup:
    return status;
}

void config_write_layers(json_writer *w, const model_config *c) {
    const model_family *f = config_family(c);
    size_t first = c->L;
    while (first > 0 && c->layers[first - 1].windowed) first--;
    if (f->window == WINDOW_SWITCH || f->window == WINDOW_UNTURNED)
        json_member_bool(w, "use_sliding_window", c->window > 0);
    if (f->window == WINDOW_SWITCH) json_member_count(w, "max_window_layers", first);
    if (f->unturned_every) {
        json_member_array(w, "no_rope_layers");
        for (size_t l = 0; l < c->L; l++) json_int(w, c->layers[l].rope != LAYER_ROPE_NONE);
        json_end_array(w);
    }
    if (f->window == WINDOW_NONE) return;
    if (c->window)
        json_member_count(w, "sliding_window", c->window);
    else
        json_member_null(w, "sliding_window");
    if (f->window == WINDOW_ALL || (f->window == WINDOW_SWITCH && c->window == 0)) return;
    json_member_array(w, "layer_types");
    for (size_t l = 0; l < c->L; l++) json_string(w, c->layers[l].windowed ? sliding_attention : full_attention);
    json_end_array(w);
}
