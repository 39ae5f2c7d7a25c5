/* Fields of a config.json, each read or refused by name; and the parts of model/weights/config.h that have a file of
 * their own. Internal to model/. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_CONFIG_FIELDS_H
#define WR_MODEL_WEIGHTS_CONFIG_FIELDS_H

#include "model/weights/config.h"

bool field_is_absent(const json_value *v); /* not there, or null */
/* fallback 0: the field must be there. */
wr_status field_size(const json_value *o, const char *key, size_t fallback, size_t *out);
/* Above 0. fallback 0: the field must be there. */
wr_status field_double(const json_value *o, const char *key, double fallback, double *out);
wr_status field_bool(const json_value *o, const char *key, bool fallback, bool *out);
/* null is -1; `fallback` when it is not there. */
wr_status field_id(const json_value *o, const char *key, int32_t fallback, int32_t *out);

/* What must have its harmless value, or be absent, because another one is not computed here. */
wr_status field_must_be_bool(const json_value *o, const char *key, bool harmless);
wr_status field_must_be_absent(const json_value *o, const char *key, bool or_empty); /* or_empty: {} will do */
wr_status field_must_be_number(const json_value *o, const char *key, double harmless);

/* The shortest number that reads back as the same double, always with a point or an exponent. */
void field_write_double(json_writer *w, const char *key, double x);
void field_write_number(json_writer *w, double x); /* the same as an element of an array */

/* rope_parameters (transformers 5) or rope_theta and rope_scaling (4). Needs max_positions. */
wr_status config_read_rope(const json_value *o, model_config *c);
void config_write_rope(json_writer *w, const model_config *c);

/* layer_types, sliding_window, no_rope_layers and what stands in for them. Needs L. */
wr_status config_read_layers(const json_value *o, model_config *c);
void config_write_layers(json_writer *w, const model_config *c);
/* No rotary embedding in each so many-th layer; 0: in all layers one, as it is. */
void config_turn_layers(model_config *c, size_t unturned_every);
/* What follows from which layers have a window: no window where none has, and rotary tables. */
void config_settle_layers(model_config *c);

#endif
