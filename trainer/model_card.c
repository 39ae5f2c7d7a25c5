#include "trainer/model_card.h"

#include "base/file.h"
#include "base/json.h"
#include "base/stream.h"
#include "reward/objective.h"

#include <stdlib.h>
#include <string.h>

/* The last evaluation of RUN/metrics.jsonl, as text; empty where there is none. */
static wr_status last_evaluation(const char *run, strbuf *out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    const char *line;
    size_t n;
    instream *in = NULL;
    TRY(path_join(path, run, "metrics.jsonl"));
    if (!file_exists(path)) goto cleanup;
    TRY(instream_open(path, &in));
    for (wr_status s; (s = instream_line(in, &line, &n)) != WR_END;) {
        TRY(s);
        if (!strstr(line, "\"eval_time_s\":")) continue;
        strbuf_clear(out);
        strbuf_append(out, line, n);
    }
    TRY(strbuf_status(out));
cleanup:
    instream_close(in);
    return status;
}

static void put_heading(strbuf *b, const char *what, const model *m, bool template) {
    const bool reward = m->config.head == HEAD_SCORE, dpo = strcmp(what, "dpo") == 0;
    strbuf_printf(b,
                  "---\nlibrary_name: transformers\npipeline_tag: %s\ntags:\n- wildreward\n%s---\n\n# %s\n\n"
                  "%s, %.1f million parameters, made by `wildreward`.\n",
                  reward ? "text-classification" : "text-generation",
                  reward ? "- reward-model\n"
                  : dpo  ? "- dpo\n"
                         : "",
                  reward ? "Reward model"
                  : dpo  ? "Policy improved by online DPO"
                         : "Language model",
                  m->config.architecture, (double)m->n_params / 1e6);
    if (!reward) return;
    objective_use use;
    if (objective_of_model(&m->config, "model", &use) >= 0)
        strbuf_printf(b,
                      "\nObjective `%s`, %zu output%s a reply; score: %s. What it reads is written by %s: use "
                      "`wildreward score`, or write the text so before you give it to transformers.\n",
                      use.kind->name, m->config.n_outputs, m->config.n_outputs == 1 ? "" : "s", use.kind->rule->formula,
                      template ? "the template in `template.txt`" : "its chat template, or ready made");
}

static void put_hash(strbuf *b, const char *what, const char *hash) {
    if (*hash) strbuf_printf(b, "| %s | `%s` |\n", what, hash);
}

static wr_status put_evaluation(strbuf *b, const char *line, size_t n) {
    wr_status status = WR_OK;
    const json_value *v = NULL;
    arena *memory = arena_create();
    TRY_ALLOC(memory);
    TRY(json_parse(memory, line, n, &v));
    strbuf_puts(b, "\n## Evaluation\n\nThe run's last, on records of the test side.\n\n| | |\n|---|---|\n");
    for (const json_value *x = v->first; x; x = x->next)
        if (strcmp(x->key, "eval_time_s") != 0 && json_is(x, JSON_NUMBER))
            strbuf_printf(b, "| `%s` | %s |\n", x->key, x->text);
cleanup:
    arena_free(memory);
    return status;
}

wr_status model_card_write(const char *run, const char *what, const model *m, const checkpoint_state *state,
                           const save_options *how) {
    wr_status status = WR_OK;
    char dir[PATH_CAP], path[PATH_CAP];
    strbuf card = {0}, line = {0};
    put_heading(&card, what, m, how->template_text != NULL);
    TRY(last_evaluation(run, &line));
    if (line.len) TRY(put_evaluation(&card, line.data, line.len));
    strbuf_printf(&card, "\n## Made from\n\n| | |\n|---|---|\n| steps | %lld |\n| seed | %llu |\n",
                  (long long)state->step, (unsigned long long)state->seed);
    put_hash(&card, "data", state->data_hash);
    put_hash(&card, "parent model", state->parent_hash);
    put_hash(&card, "options", state->terms->hash);
    strbuf_printf(&card, "\nThe options, as `wildreward %s --config` takes them:\n\n```yaml\n%s```\n",
                  strcmp(what, "dpo") == 0       ? "dpo online"
                  : m->config.head == HEAD_SCORE ? "train reward"
                                                 : "train lm",
                  state->terms->config_yaml);
    TRY(strbuf_status(&card));
    TRY(path_join(dir, run, "model"));
    TRY(path_join(path, dir, "README.md"));
    TRY(file_write_atomic(path, card.data, card.len));
cleanup:
    strbuf_free(&card);
    strbuf_free(&line);
    return status;
}
