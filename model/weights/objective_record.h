/* What a score head was trained by, as this program records it: the objective's name, and its own parameters beside
 * the head. config.json has them under "wildreward"; an adapter's folder, whose own files have no place for them, in
 * wildreward.json:
 *
 *     "objective": "coral", "biases": [1.02, 0.66, 0.31]
 *     "objective": "thresholds", "threshold_steps": [-1.03, 0.52, 0.6], "thresholds": [-1.03, -0.04, 1]
 *
 * biases and threshold_steps are model_config.own's values, with all digits of a float; thresholds follow from them, are
 * for people, and not read. Which names there are is the reward's business (reward/objective.h): here they are carried
 * along. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_OBJECTIVE_RECORD_H
#define WR_MODEL_WEIGHTS_OBJECTIVE_RECORD_H

#include "base/json.h"
#include "model/weights/config.h"

/* Of the record itself: "" when it or its member is not there. WR_E_FORMAT: not a name, or one too long to be known;
 * parameters that are not finite numbers, or too many. */
wr_status objective_record_parse(const json_value *record, char name[OBJECTIVE_NAME_CAP], head_own *own);
/* The record's members, into an object. */
void objective_record_members(json_writer *w, const char *name, const head_own *own);
wr_status objective_record_save(const char *adapter_dir, const char *name, const head_own *own);
wr_status objective_record_load(const char *adapter_dir, char name[OBJECTIVE_NAME_CAP], head_own *own);

/* theta (n) of HEAD_OWN_THRESHOLDS. */
void head_own_thresholds(const head_own *own, double *theta);

#endif
