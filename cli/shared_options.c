#include "cli/command.h"

const option_spec jsonl_options[] = {
    {.name = "in",
     .kind = OPT_STRING,
     .default_value = "-",
     .arg = "FILE",
     .help = "JSONL to read, plain or compressed; - is standard input"},
    {.name = "out",
     .kind = OPT_STRING,
     .default_value = "-",
     .arg = "FILE",
     .help = "JSONL to write, zstd where it ends in .zst; - is standard output"},
    {0},
};

int exit_code(wr_status s) { return s >= 0 ? 0 : s == WR_E_USAGE ? 2 : s == WR_E_INTERRUPTED ? 75 : 1; }
