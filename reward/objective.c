#include "reward/objective.h"

#include "base/options.h"

#include <stdio.h>
#include <string.h>

#define OBJECTIVE_ROW(name) &name##_objective,
static const objective *const objectives[] = {OBJECTIVES(OBJECTIVE_ROW)};
static const size_t n_objectives = sizeof objectives / sizeof *objectives;

const objective *objective_find(const char *name) {
    if (!name[0]) return objectives[0];
    for (size_t i = 0; i < n_objectives; i++)
        if (strcmp(objectives[i]->name, name) == 0) return objectives[i];
    return NULL;
}

objective_use objective_with_defaults(const objective *kind, int classes) {
    objective_use u = {.kind = kind, .classes = classes, .outputs = classes > 0 ? kind->outputs(classes) : 0};
    settings_of_defaults(kind->options, u.settings);
    return u;
}

wr_status objective_from_options(const options *o, objective_use *out) {
    wr_status status = WR_OK;
    const objective *kind = objective_find(options_str(o, "objective"));
    *out = objective_with_defaults(kind, 0);
    for (size_t k = 0; k < n_objectives; k++)
        if (objectives[k] != kind)
            TRY(settings_refuse(o, objectives[k]->options, "objective", objectives[k]->name, kind->name));
    settings_of_options(o, kind->options, out->settings);
cleanup:
    return status;
}

void objective_note(const objective_use *u, model_config *c) {
    const objective_use plain = objective_with_defaults(u->kind, 0);
    objective_setting *s = c->settings;
    memset(c->objective, 0, sizeof c->objective);
    memset(c->settings, 0, sizeof c->settings);
    snprintf(c->objective, sizeof c->objective, "%s", u->kind->name);
    for (size_t i = 0; u->kind->options[i].name; i++) {
        if (u->settings[i] == plain.settings[i]) continue;
        snprintf(s->name, sizeof s->name, "%s", u->kind->options[i].name);
        s++->value = u->settings[i];
    }
}

static wr_status take_settings(const model_config *c, const char *model, objective_use *u) {
    const option_spec *o = u->kind->options;
    for (size_t k = 0; k < OBJECTIVE_SETTINGS && c->settings[k].name[0]; k++) {
        const objective_setting *s = &c->settings[k];
        size_t i = 0;
        while (o[i].name && strcmp(o[i].name, s->name) != 0) i++;
        if (!o[i].name)
            return wr_fail(WR_E_MISMATCH,
                           "%s: its objective %s was trained with the option \"%s\", which this version does not have",
                           model, u->kind->name, s->name);
        if (!(s->value >= o[i].min && s->value <= o[i].max))
            return wr_fail(WR_E_FORMAT, "%s: its objective's option \"%s\" is %g, not within %g and %g", model, s->name,
                           s->value, o[i].min, o[i].max);
        u->settings[i] = s->value;
    }
    return WR_OK;
}

#define OBJECTIVE_LIST(name) ", " #name
wr_status objective_of_model(const model_config *c, const char *model, objective_use *out) {
    static const char names[] = OBJECTIVES(OBJECTIVE_LIST);
    const objective *kind = objective_find(c->objective);
    if (!kind)
        return wr_fail(WR_E_MISMATCH,
                       "%s: its score head was trained by the objective \"%s\", which this version does not have (it "
                       "has: %s)",
                       model, c->objective, names + 2);
    const head_own_kind beside = kind->own ? kind->own(2).kind : HEAD_OWN_NONE;
    if (c->own.kind != beside)
        return wr_fail(WR_E_FORMAT, "%s: its record of the objective %s %s", model, kind->name,
                       beside == HEAD_OWN_BIASES       ? "lacks \"biases\""
                       : beside == HEAD_OWN_THRESHOLDS ? "lacks \"threshold_steps\""
                                                       : "has biases or thresholds, which it does not use");
    *out = objective_with_defaults(kind, 0);
    out->outputs = config_logits(c);
    return take_settings(c, model, out);
}

size_t objective_rows(const objective *kind, int classes) { return kind->own ? 1 : kind->outputs(classes); }

head_own objective_own(const objective *kind, int classes) { return kind->own ? kind->own(classes) : (head_own){0}; }

bool objective_violates(const objective_use *u, const float *z) {
    double p[HEAD_OWN_MAX];
    if (!u->kind->passes || u->classes < 2 || u->classes > HEAD_OWN_MAX) return false;
    u->kind->passes(u, z, p);
    for (int k = 1; k < u->classes - 1; k++)
        if (p[k] > p[k - 1]) return true;
    return false;
}
