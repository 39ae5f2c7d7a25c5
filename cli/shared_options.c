#include "cli/command.h"

#include "base/log.h"
#include <string.h>

const option_spec jsonl_options[] = {
    {.name = "in", .kind = OPT_STRING, .default_value = "-", .arg = "FILE", .help = "JSONL to read, plain or compressed; - is standard input"},
    {.name = "out", .kind = OPT_STRING, .default_value = "-", .arg = "FILE", .help = "JSONL to write, zstd where it ends in .zst; - is standard output"},
    {0},
};

const option_spec precision_options[] = {
    {.name = "precision", .kind = OPT_CHOICE, .default_value = "auto", .arg = "f32|bf16|auto", .help = "arithmetic of the model"},
    {0},
};

int exit_code(wr_status s) {
    return s >= 0 ? 0 : s == WR_E_USAGE ? 2 : s == WR_E_INTERRUPTED ? 75 : 1;
}

wr_status check_precision(const options *o) {
    const char *precision = options_str(o, "precision");
    if (precision && strcmp(precision, "bf16") == 0) {
        return wr_fail(WR_E_USAGE, "--precision bf16: this version computes in f32 only; use f32 or auto");
    }
    if (precision && strcmp(precision, "auto") == 0 && log_rank() == 0) {
        log_info("precision f32 (auto: this version computes in f32 only)");
    }
    return WR_OK;
}
