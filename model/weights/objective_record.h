/* The name of what a score head was trained by, as this program records it: config.json has it under "wildreward"; an
 * adapter's folder, whose own files have no place for it, in wildreward.json. Which names there are is the reward's
 * business (reward/objective.h): here one is carried along. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_OBJECTIVE_RECORD_H
#define WR_MODEL_WEIGHTS_OBJECTIVE_RECORD_H

#include "base/json.h"
#include "model/weights/config.h"

/* Of the record itself: "" when it or its member is not there. WR_E_FORMAT: not a name, or one too long to be known. */
wr_status objective_record_parse(const json_value *record, char out[OBJECTIVE_NAME_CAP]);
wr_status objective_record_save(const char *adapter_dir, const char *name);
wr_status objective_record_load(const char *adapter_dir, char out[OBJECTIVE_NAME_CAP]);

#endif
