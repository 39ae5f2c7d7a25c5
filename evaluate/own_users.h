/* Which users a model was trained on, where files tell. LOCAL. */
#ifndef WR_EVALUATE_OWN_USERS_H
#define WR_EVALUATE_OWN_USERS_H

#include "evaluate/reward_records.h"

/* Sets r->own where the model in model_dir, or the adapter on it (NULL: none), records that it was trained on DATA's
 * reward-train-*.wrs (data_hash), by the users in their footers; else r->own_why. WR_E_NOMEM alone is an error. */
wr_status own_users_find(const char *model_dir, const char *adapter_dir, const char *data_dir, reward_records *r);

#endif
