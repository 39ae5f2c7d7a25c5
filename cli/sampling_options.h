/* How replies are sampled: the options that sample, evaluate --prompts and dpo online share, and the one check of them.
 */
#ifndef WR_CLI_SAMPLING_OPTIONS_H
#define WR_CLI_SAMPLING_OPTIONS_H

#include "base/options.h"
#include "sampler/sampler.h"

extern const option_spec sampling_table[]; /* --temperature --top-k --top-p */

/* Those, and the command's own --n, --max-tokens and --seed. WR_E_USAGE as sampling_options_check. */
wr_status sampling_from_options(const options *o, sampling_options *out);

#endif
