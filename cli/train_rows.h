/* Options of training that its commands and studies share, all of train_options, and what they ask of them. LOCAL but
 * where a world is given. */
#ifndef WR_CLI_TRAIN_ROWS_H
#define WR_CLI_TRAIN_ROWS_H

#include "base/options.h"
#include "trainer/train.h"

extern const option_spec start_rows[];          /* --data --model --new */
extern const option_spec length_rows[];         /* --steps --global-batch */
extern const option_spec schedule_of_train[];   /* what training has otherwise than schedule_rows */
extern const option_spec record_rows[];         /* --max-length --micro-tokens */
extern const option_spec objective_name_rows[]; /* --objective */
extern const option_spec rate_rows[];           /* of reward models: --label-smoothing --lr --head-lr-scale */
extern const option_spec order_rows[];          /* of reward models: --order --share-prefixes */

/* WR_E_USAGE: both or none of --model and --new; adapters on new weights. */
wr_status train_start_check(const train_options *t);
/* COLLECTIVE. WR_E_NOMEM as memory_check says. */
wr_status train_memory_fits(world *w, const train_options *t, model_head head);
/* The objective that the options name. WR_E_USAGE: it does not take --label-smoothing, or options of another one. */
wr_status train_objective(const options *o, train_options *t);
/* The default of --lr, by what is trained. */
wr_status train_rate(options *o, const char *tuned, const char *adapters, const char *fresh);

#endif
