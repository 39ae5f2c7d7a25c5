#include "cli/path_hint.h"

#include "base/file.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HINT = 512 };

static bool has(const char *dir, const char *name) {
    char path[PATH_CAP];
    struct stat info;
    return path_join(path, dir, name) >= 0 && stat(path, &info) == 0;
}

static bool has_shards(const char *dir) {
    char **names = NULL;
    size_t n = 0;
    if (dir_list(dir, "", ".wrs", &names, &n) < 0) return false;
    names_free(names, n);
    return n > 0;
}

/* The newest step-N of a run that has no model yet; "" without one. */
static void newest_step(const char *run, char out[HINT]) {
    char path[PATH_CAP], **names = NULL;
    size_t n = 0;
    long long newest = -1;
    out[0] = '\0';
    if (path_join(path, run, "checkpoints") < 0 || dir_list(path, "step-", "", &names, &n) < 0) return;
    for (size_t i = 0; i < n; i++) {
        char *end;
        long long step = strtoll(names[i] + 5, &end, 10);
        if (*end == '\0' && step > newest) newest = step;
    }
    names_free(names, n);
    if (newest >= 0) snprintf(out, HINT, "; its newest weights are in %.200s/checkpoints/step-%lld", run, newest);
}

/* What is wrong with `path` where a model (a reward model, a tokenizer) is wanted. */
static void for_model(const char *path, bool tokenizer, char out[HINT]) {
    char step[HINT];
    if (!dir_exists(path)) {
        if (file_exists(path)) {
            if (!tokenizer) snprintf(out, HINT, "is a file; give the folder that it is in");
        } else {
            snprintf(out, HINT,
                     "does not exist, and nothing is downloaded: fetch the folder first (config.json, *.safetensors, "
                     "tokenizer.json)");
        }
    } else if (has(path, tokenizer ? "tokenizer.json" : "config.json")) {
        return;
    } else if (has(path, "state.json") && (has(path, "model") || has(path, "adapter"))) {
        snprintf(out, HINT, "is a checkpoint: give %.200s/%s", path,
                 has(path, "model") ? "model" : "adapter as --adapter, and the base model as --model");
    } else if (has(path, "checkpoints") || has(path, "metrics.jsonl")) {
        newest_step(path, step);
        if (has(path, "model"))
            snprintf(out, HINT, "is the folder of a run: give %.200s/model", path);
        else if (has(path, "adapter"))
            snprintf(out, HINT,
                     "is the folder of a run that trained an adapter: give %.200s/adapter as --adapter, and the base "
                     "model as --model",
                     path);
        else
            snprintf(out, HINT, "is the folder of a run that has not ended%.300s", step);
    } else if (has(path, "adapter_config.json")) {
        snprintf(out, HINT, "is a LoRA adapter: give it as --adapter, and the base model as --model");
    } else if (has(path, "meta.json") && (has_shards(path) || has(path, "turns.jsonl.zst"))) {
        snprintf(out, HINT, "is a folder that prepare wrote: data, not a model");
    } else if (has(path, "summary.json") && has(path, "truth.jsonl.zst")) {
        snprintf(out, HINT, "is a practice world of synth, not a model");
    }
}

/* … where a prepared folder is wanted. */
static void for_data(const char *path, char out[HINT]) {
    if (!dir_exists(path)) {
        if (file_exists(path))
            snprintf(out, HINT, "is a file; make a folder of it first: wildreward prepare %.200s --out DATA", path);
        else
            snprintf(out, HINT, "does not exist; wildreward prepare makes such a folder");
    } else if (has_shards(path)) {
        return;
    } else if (has(path, "checkpoints") || has(path, "metrics.jsonl") || has(path, "state.json")) {
        snprintf(out, HINT, "is the folder of a run, not one that prepare wrote");
    } else if (has(path, "config.json") || has(path, "adapter_config.json")) {
        snprintf(out, HINT, "is a model, not a folder that prepare wrote");
    } else if (has(path, "summary.json") && has(path, "chats.jsonl.zst")) {
        snprintf(out, HINT,
                 "is a practice world; make a folder of it first: wildreward prepare %.200s/chats.jsonl.zst --out DATA",
                 path);
    }
}

static void for_adapter(const char *path, char out[HINT]) {
    if (has(path, "adapter_config.json")) return;
    if (has(path, "adapter"))
        snprintf(out, HINT, "is the folder of a run or a checkpoint: give %.200s/adapter", path);
    else if (has(path, "config.json"))
        snprintf(out, HINT, "is a whole model: give it as --model");
}

wr_status path_hint(wr_status status, const options *o) {
    static const char *const models[] = {"model", "reward", "tokenizer"};
    char hint[HINT] = "";
    const char *name = NULL, *path = NULL;
    if (!o || (status != WR_E_IO && status != WR_E_FORMAT && status != WR_E_MISMATCH && status != WR_E_USAGE))
        return status;
    char *message = mem_strdup(wr_error()); /* looking may leave one of its own */
    const bool left = wr_error_left_to_others();
    for (size_t i = 0; i < 5 && !hint[0]; i++) {
        name = i < 3 ? models[i] : i == 3 ? "data" : "adapter";
        path = options_str(o, name);
        if (!path || strncmp(path, "rule:", 5) == 0 || strstr(path, "://")) continue;
        if (i < 3)
            for_model(path, i == 2, hint);
        else if (i == 3)
            for_data(path, hint);
        else
            for_adapter(path, hint);
    }
    if (!message) return status;
    if (hint[0] && strlen(message) < 1200)
        wr_fail(status, "%s; --%s %.200s %s", message, name, path, hint);
    else
        wr_fail(status, "%s", message);
    if (left) wr_error_leave_to_others();
    free(message);
    return status;
}
