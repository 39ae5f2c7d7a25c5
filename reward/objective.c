#include "reward/objective.h"

#include "base/options.h"

#include <stdlib.h>
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
    for (size_t i = 0; kind->options[i].name; i++) {
        const char *value = kind->options[i].default_value;
        u.settings[i] = kind->options[i].kind == OPT_FLAG ? value && strcmp(value, "true") == 0
                        : value                           ? strtod(value, NULL)
                                                          : 0;
    }
    return u;
}

static double number_of(const options *o, const option_spec *row) {
    if (row->kind == OPT_FLAG) return options_flag(o, row->name);
    return row->kind == OPT_INT ? (double)options_int(o, row->name) : options_float(o, row->name);
}

/* An option that says what would be without it does no harm, and a run's config.yaml lists them all. */
static wr_status refuse_options(const objective *other, const objective *kind, const options *o) {
    const objective_use without = objective_with_defaults(other, 0);
    for (size_t i = 0; other->options[i].name; i++)
        if (number_of(o, &other->options[i]) != without.settings[i])
            return wr_fail(WR_E_USAGE, "--%s is an option of --objective %s, and the objective is %s",
                           other->options[i].name, other->name, kind->name);
    return WR_OK;
}

wr_status objective_from_options(const options *o, objective_use *out) {
    wr_status status = WR_OK;
    const objective *kind = objective_find(options_str(o, "objective"));
    *out = objective_with_defaults(kind, 0);
    for (size_t k = 0; k < n_objectives; k++)
        if (objectives[k] != kind) TRY(refuse_options(objectives[k], kind, o));
    for (size_t i = 0; kind->options[i].name; i++) out->settings[i] = number_of(o, &kind->options[i]);
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
