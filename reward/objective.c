#include "reward/objective.h"

#include "base/options.h"

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

#define OBJECTIVE_LIST(name) ", " #name
wr_status objective_of_model(const model_config *c, const char *model, objective_use *out) {
    static const char names[] = OBJECTIVES(OBJECTIVE_LIST);
    const objective *kind = objective_find(c->objective);
    if (!kind)
        return wr_fail(WR_E_MISMATCH,
                       "%s: its score head was trained by the objective \"%s\", which this version does not have (it "
                       "has: %s)",
                       model, c->objective, names + 2);
    *out = objective_with_defaults(kind, 0);
    out->outputs = c->n_outputs;
    return WR_OK;
}
