#include "cli/command.h"

const command *const commands[COMMAND_COUNT] = {
    &cmd_doctor, &cmd_synth,    &cmd_prepare,  &cmd_inspect, &cmd_train_lm,   &cmd_train_reward, &cmd_evaluate,
    &cmd_score,  &cmd_logprobs, &cmd_tokenize, &cmd_sample,  &cmd_dpo_online, &cmd_merge,        &cmd_status,
    &cmd_report, &cmd_bench,    &cmd_agree,    &cmd_export,  &cmd_pairs,      &cmd_study_users,
};

int exit_code(wr_status s) { return s >= 0 ? 0 : s == WR_E_USAGE ? 2 : s == WR_E_INTERRUPTED ? 75 : 1; }
