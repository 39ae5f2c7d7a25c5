/* What a score head was trained by, as this program records it: the objective's name, its options where they were not
 * the defaults, and its own parameters beside the head. config.json has them under "wildreward"; an adapter's folder, whose own files have no place for them, in
 * wildreward.json:
 *
 *     "objective": "coral", "biases": [1.02, 0.66, 0.31]
 *     "objective": "thresholds", "threshold_steps": [-1.03, 0.52, 0.6], "thresholds": [-1.03, -0.04, 1]
 *     "objective": "regression", "settings": {"huber-delta": 2}, "biases": [2.61]
 *
 * biases and threshold_steps are model_config.own's values, with all digits of a float; thresholds follow from them, are
 * for people, and not read. Which names there are is the reward's business (reward/objective.h): here they are carried
 * along. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_OBJECTIVE_RECORD_H
#define WR_MODEL_WEIGHTS_OBJECTIVE_RECORD_H

#include "base/json.h"
#include "model/weights/config.h"

/* Into c->objective, settings and own, all empty where the record itself or its name is not there. WR_E_FORMAT: no name,
 * or one too long to be known; parameters or options that are not finite numbers, or too many. */
wr_status objective_record_parse(const json_value *record, model_config *c);
/* The record's members, into an object. own: c's, as it is now. */
void objective_record_members(json_writer *w, const model_config *c, const head_own *own);
/* data_hash: of what it was trained on, which evaluate/own_users.h reads; NULL: not told. */
wr_status objective_record_save(const char *adapter_dir, const model_config *c, const head_own *own,
                                const char *data_hash);
wr_status objective_record_load(const char *adapter_dir, model_config *c);

/* theta (n) of HEAD_OWN_THRESHOLDS. */
void head_own_thresholds(const head_own *own, double *theta);

#endif
