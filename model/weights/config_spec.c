/* --new SPEC: the shape of a model that starts from nothing. */
#include "model/weights/config_fields.h"

#include "base/decimal.h"
#include "model/weights/family.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_status read_number(const char *key, const char *text, size_t *out) {
    unsigned long x = strtoul(text, NULL, 10);
    if (text[0] < '0' || text[0] > '9' || !decimal_whole(text) || x > ((unsigned long)1 << 24))
        return wr_fail(WR_E_USAGE, "model spec: %s=%s is not a number between 0 and 2^24%s", key, text,
                       decimal_hint(text));
    *out = (size_t)x;
    return WR_OK;
}

static wr_status read_theta(const char *text, double *out) {
    *out = strtod(text, NULL);
    if (!decimal_real(text) || !isfinite(*out) || !(*out >= 1))
        return wr_fail(WR_E_USAGE, "model spec: rope-theta=%s is not a number from 1", text);
    return WR_OK;
}

/* Windows and rotary tables as the family's class has them where a config.json says nothing; window: that of all layers
 * that may have one (0: none, or the width of the class where it always has one). */
static void set_layers(model_config *c, size_t window, double theta) {
    const model_family *f = config_family(c);
    c->rope_theta = theta > 0 ? theta : f->rope_theta > 0 ? f->rope_theta : 10000.0;
    if (f->query_scale > 0) c->query_scale = (double)c->D;
    c->window = window == 0 && f->window == WINDOW_OTHERS ? f->window_width : window;
    for (size_t l = 0; l < c->L && l < LAYERS_MAX && c->window > 0; l++)
        c->layers[l].windowed = f->window == WINDOW_OTHERS ? (l + 1) % f->full_every != 0 : f->window != WINDOW_NONE;
    config_settle_layers(c);
}

wr_status model_config_from_spec(const char *spec, model_config *out) {
    wr_status status = WR_OK;
    size_t layers = 4, hidden = 128, heads = 4, kv_heads = 0, head_dim = 0, ffn = 0, positions = 1024, tied = 1,
           window = 0;
    const struct {
        const char *name;
        size_t *value;
    } keys[] = {{"layers", &layers},           {"hidden", &hidden},     {"heads", &heads},
                {"kv-heads", &kv_heads},       {"head-dim", &head_dim}, {"ffn", &ffn},
                {"max-positions", &positions}, {"tied", &tied},         {"window", &window}};
    const char *type = "llama";
    double theta = 0;
    char text[256], *seen[sizeof text];
    size_t n_seen = 0;
    if (strlen(spec) >= sizeof text) return wr_fail(WR_E_USAGE, "model spec is longer than 255 characters");
    snprintf(text, sizeof text, "%s", spec);
    for (char *save = NULL, *item = strtok_r(text, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(item, '=');
        size_t i = 0;
        if (!equals) return wr_fail(WR_E_USAGE, "model spec: \"%s\" is not key=value", item);
        *equals = '\0';
        for (size_t k = 0; k < n_seen; k++)
            if (strcmp(seen[k], item) == 0) return wr_fail(WR_E_USAGE, "model spec: \"%s\" is given twice", item);
        seen[n_seen++] = item;
        if (strcmp(item, "type") == 0) {
            type = equals + 1;
            continue;
        }
        if (strcmp(item, "rope-theta") == 0) {
            TRY(read_theta(equals + 1, &theta));
            continue;
        }
        while (i < sizeof keys / sizeof keys[0] && strcmp(keys[i].name, item) != 0) i++;
        if (i == sizeof keys / sizeof keys[0])
            return wr_fail(WR_E_USAGE,
                           "model spec: unknown key \"%s\" (layers, hidden, heads, kv-heads, head-dim, ffn, "
                           "max-positions, tied, window, type, rope-theta)",
                           item);
        TRY(read_number(item, equals + 1, keys[i].value));
    }
    if (heads == 0 || hidden == 0 || hidden % heads)
        return wr_fail(WR_E_USAGE, "model spec: hidden=%zu is not a multiple of heads=%zu", hidden, heads);
    /* Unset widths follow the given ones in the proportions of the default (kv-heads 2 of 4, ffn 3 x hidden). */
    if (kv_heads == 0) kv_heads = heads % 2 ? heads : heads / 2;
    if (ffn == 0) ffn = 3 * hidden;
    if (head_dim == 0) head_dim = hidden / heads;
    if (positions == 0) return wr_fail(WR_E_USAGE, "model spec: max-positions must be at least 1");
    memset(out, 0, sizeof *out); /* sent as bytes */
    out->C = hidden;
    out->H = heads;
    out->G = kv_heads;
    out->D = head_dim;
    out->F = ffn;
    out->L = layers;
    out->V = 1;
    out->max_positions = positions;
    out->norm_eps = 1e-5;
    out->tied = tied != 0;
    /* sqrt(2/(5C)) (Nguyen & Salazar 2019): 0.02 at C = 1000, and not too small for narrow models */
    out->init_std = sqrt(0.4 / (double)hidden);
    out->bos_id = out->eos_id = out->pad_id = -1;
    if (model_config_set_type(out, type) < 0) return wr_context(WR_E_USAGE, "model spec \"%s\"", spec);
    config_turn_layers(out, config_family(out)->unturned_every);
    set_layers(out, window, theta);
    model_config_set_head(out, HEAD_LM, 0);
    if (model_config_check(out) < 0) return wr_context(WR_E_USAGE, "model spec \"%s\"", spec);
    out->V = 0;
cleanup:
    return status;
}
