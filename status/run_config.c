#include "status/run_config.h"

#include "base/file.h"
#include "base/yaml_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int64_t count_of(const char *value) {
    char *end;
    const long long n = strtoll(value, &end, 10);
    return end != value && *end == 0 && n > 0 ? n : 0;
}

static void take(const char *key, const char *value, run_config *c) {
    static const struct {
        const char *key, *command;
    } own[] = {{"prompts_per_step", "dpo online"}, {"objective", "train reward"}, {"loss_on", "train lm"}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(key, own[i].key) == 0) c->command = own[i].command;
    if (strcmp(key, "steps") == 0) c->steps = count_of(value);
    if (strcmp(key, "eval_every") == 0) c->eval_every = count_of(value);
    if (strcmp(key, "patience") == 0) c->patience = count_of(value);
    if (strcmp(key, "lora_rank") == 0) c->lora_rank = count_of(value);
    if (strcmp(key, "lora_merge") == 0) c->lora_merge = strcmp(value, "true") == 0;
    c->readable = true;
}

/* Keys and values of the document's own mapping; of what lies deeper nothing is wanted. */
static void read_events(yaml_events *y, run_config *c) {
    char key[64] = "";
    int depth = 0;
    bool awaits_value = false, more = true;
    while (more) {
        yaml_event_t e = {0};
        if (yaml_events_next(y, &e) < 0) return;
        const bool begins = e.type == YAML_MAPPING_START_EVENT || e.type == YAML_SEQUENCE_START_EVENT;
        const bool ends = e.type == YAML_MAPPING_END_EVENT || e.type == YAML_SEQUENCE_END_EVENT;
        const char *text = e.type == YAML_SCALAR_EVENT ? (const char *)e.data.scalar.value : "";
        if (depth == 1 && e.type == YAML_SCALAR_EVENT && !awaits_value)
            snprintf(key, sizeof key, "%s", text), awaits_value = true;
        else if (depth == 1 && (e.type == YAML_SCALAR_EVENT || begins)) {
            if (!begins) take(key, text, c);
            awaits_value = false;
        }
        depth += begins - ends;
        more = e.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
}

void run_config_of(const char *text, size_t n, run_config *out) {
    yaml_events y = {.path = "config.yaml", .fault = WR_E_FORMAT};
    long long steps;
    *out = (run_config){.there = true, .lora_merge = true};
    if (!yaml_parser_initialize(&y.parser)) return;
    yaml_parser_set_input_string(&y.parser, (const unsigned char *)text, n);
    read_events(&y, out);
    yaml_parser_delete(&y.parser);
    /* Of a run that was not told how many, but found it out (trainer/run_loop.c). */
    const char *at = strstr(text, "\n# steps in all: ");
    if (at && sscanf(at, "\n# steps in all: %lld\n", &steps) == 1 && steps > 0) out->steps = steps;
}

wr_status run_config_read(const char *path, run_config *out) {
    char *text = NULL;
    size_t n = 0;
    struct stat info;
    *out = (run_config){.lora_merge = true};
    if (stat(path, &info) != 0 && errno == ENOENT) return WR_OK;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return wr_fail(WR_E_IO, "cannot read %s: it is no file", path);
    const wr_status status = file_read(path, 1 << 20, &text, &n);
    if (status >= 0) run_config_of(text, n, out);
    free(text);
    return status;
}
