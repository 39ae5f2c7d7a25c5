/* What people call an option who come from other trainers (TRL, transformers, OpenRLHF, verl): the nearest name by
 * spelling would send them elsewhere. */
#include "base/options_internal.h"

#include <string.h>

/* Words, then the names here that mean it, the first that the command has is meant. */
enum { MOST_WORDS = 9, MOST_NAMES = 3 };
static const struct {
    const char *words[MOST_WORDS + 1], *names[MOST_NAMES + 1];
} known[] = {
    {{"epochs", "epoch", "num-epochs", "num-train-epochs", "max-epochs", "max-steps", "num-steps", "total-steps",
      "iters"},
     {"steps"}},
    {{"batch-size", "batch", "train-batch-size", "per-device-train-batch-size", "global-batch-size",
      "rollout-batch-size", "bs"},
     {"global-batch", "prompts-per-step", "batch-tokens"}},
    {{"gradient-accumulation-steps", "micro-train-batch-size", "micro-batch-size", "micro-batch"}, {"micro-tokens"}},
    {{"learning-rate", "actor-learning-rate", "critic-learning-rate", "max-lr", "peak-lr"}, {"lr"}},
    {{"lr-scheduler", "lr-scheduler-type", "scheduler"}, {"lr-schedule"}},
    {{"warmup-steps", "warmup", "lr-warmup-ratio", "num-warmup-steps"}, {"warmup-ratio"}},
    {{"max-grad-norm", "max-norm", "clip-grad", "gradient-clipping", "grad-norm"}, {"grad-clip"}},
    {{"adam-beta1"}, {"beta1"}},
    {{"adam-beta2"}, {"beta2"}},
    {{"adam-epsilon", "adam-eps", "epsilon"}, {"eps"}},
    {{"l2", "wd"}, {"weight-decay"}},
    {{"max-seq-length", "max-seq-len", "max-len", "model-max-length", "seq-length", "seq-len", "context-length"},
     {"max-length", "max-prompt-tokens", "sequence"}},
    {{"max-new-tokens", "max-completion-length", "max-response-length", "generate-max-len", "max-gen-len",
      "response-length"},
     {"max-tokens"}},
    {{"max-prompt-length", "prompt-max-len", "max-prompt-len"}, {"max-prompt-tokens"}},
    {{"num-generations", "n-samples-per-prompt", "num-return-sequences", "num-samples", "n-samples"}, {"n"}},
    {{"model-name-or-path", "model-name", "model-path", "pretrain", "pretrained", "base-model", "policy"}, {"model"}},
    {{"reward-model", "reward-model-path", "reward-pretrain", "rm", "reward-funcs", "remote-rm-url"}, {"reward"}},
    {{"dataset", "dataset-name", "train-file", "train-data", "prompt-data", "dataset-path", "train-files"},
     {"data", "prompts"}},
    {{"output-dir", "output", "output-path", "save-path", "save-dir", "outdir", "o"}, {"out"}},
    {{"input", "input-file", "input-data", "infile"}, {"in", "data"}},
    {{"lora-r", "peft-rank"}, {"lora-rank"}},
    {{"target-modules", "lora-target-modules", "lora-target"}, {"lora-targets"}},
    {{"gradient-checkpointing", "activation-checkpointing"}, {"recompute"}},
    {{"dtype", "torch-dtype", "bf16", "fp16", "mixed-precision", "param-dtype"}, {"precision"}},
    {{"save-steps", "save-every", "save-freq", "save-interval"}, {"checkpoint-every"}},
    {{"eval-steps", "eval-freq", "eval-interval"}, {"eval-every"}},
    {{"save-total-limit", "max-ckpt-num", "max-checkpoints"}, {"keep"}},
    {{"resume-from-checkpoint", "load-checkpoint", "continue"}, {"resume"}},
    {{"force", "overwrite-output-dir", "f"}, {"overwrite"}},
};

/* Equal, with '-' and '_' the same letter. */
static bool same(const char *a, const char *b) {
    for (; *a && *b; a++, b++) {
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_'))) {
            return false;
        }
    }
    return *a == *b;
}

/* What stands behind the last dot: "train.batch_size" and "optim.lr" have sections before it. */
static const char *bare(const char *key) {
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

const char *option_near(const char *word, const char *const *names) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        for (size_t k = 0; known[i].words[k]; k++) {
            for (size_t m = 0; same(bare(word), known[i].words[k]) && known[i].names[m]; m++) {
                for (size_t n = 0; names[n]; n++) {
                    if (same(bare(names[n]), known[i].names[m])) {
                        return names[n];
                    }
                }
            }
        }
    }
    /* `--optim.lr` and `--train.seed`: the option itself, with a section that the command line does not have. */
    for (size_t n = 0; bare(word) != word && names[n]; n++) {
        if (same(bare(names[n]), bare(word))) {
            return names[n];
        }
    }
    return nearest_name(word, names);
}
