/* What of a run's config.yaml its state depends on. LOCAL. */
#ifndef WR_STATUS_RUN_CONFIG_H
#define WR_STATUS_RUN_CONFIG_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct run_config {
    bool there, readable; /* readable: a mapping with any key */
    const char *command;  /* which wrote it, by the options that it alone has; NULL: not told */
    int64_t steps;        /* that the run is to have; 0: not told */
    int64_t eval_every, patience, lora_rank;
    bool lora_merge;
} run_config;

/* A file that is not there, or whose text is none of a run, is no error. WR_E_IO: it cannot be read. */
wr_status run_config_read(const char *path, run_config *out);
void run_config_of(const char *text, size_t n, run_config *out);

#endif
