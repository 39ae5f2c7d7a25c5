#include "cli/sampling_options.h"

#include "sampler/sampling.h"

const option_spec sampling_table[] = {
    {.name = "temperature",
     .kind = OPT_FLOAT,
     .default_value = "1",
     .arg = "T",
     .help = "of sampled replies; 0: always the most probable token",
     .min = 0,
     .max = 1e6},
    {.name = "top-k",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "K",
     .help = "only the K most probable tokens; 0: all",
     .min = 0,
     .max = 1e9},
    {.name = "top-p",
     .kind = OPT_FLOAT,
     .default_value = "1",
     .arg = "P",
     .help = "only the most probable tokens that reach P together, above 0; 1: all",
     .min = 0,
     .max = 1},
    {0},
};

wr_status sampling_from_options(const options *o, sampling_options *out) {
    *out = (sampling_options){.n = (size_t)options_int(o, "n"),
                              .max_tokens = (size_t)options_int(o, "max-tokens"),
                              .temperature = options_float(o, "temperature"),
                              .top_k = (size_t)options_int(o, "top-k"),
                              .top_p = options_float(o, "top-p"),
                              .seed = (uint64_t)options_int(o, "seed")};
    return sampling_options_check(out);
}
