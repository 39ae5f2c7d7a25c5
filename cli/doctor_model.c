#include "cli/doctor_model.h"

#include "base/file.h"
#include "base/memory_room.h"
#include "base/process_memory.h"
#include "cli/estimate.h"
#include "trainer/train_fit.h"

#include <math.h>
#include <string.h>

const option_spec doctor_model_rows[] = {
    OPTION_TEXT(doctor_model, model, "model", NULL, "DIR|SPEC",
                "also tell what training this model takes: a Hugging Face directory, or a shape as train --new has it"),
    OPTION_INT(doctor_model, ranks, "ranks", "1", "R", 1, 1e6, "with --model: ranks, all on hosts like this one"),
    OPTION_CHOICE(doctor_model, kind, "train", "reward", "reward|lm", "with --model: what is trained"),
    OPTION_INT(doctor_model, micro_tokens, "micro-tokens", "4096", "N", 1, 1e8,
               "with --model: tokens of one forward and backward pass"),
    OPTION_INT(doctor_model, max_length, "max-length", "4096", "N", 2, 1e7,
               "with --model: tokens of a text; at most the model's positions"),
    OPTION_INT(doctor_model, vocabulary, "vocab-size", "32768", "N", 1, 1e7, "with --model SPEC: ids of its tokenizer"),
    OPTION_INT(doctor_model, lora_rank, "lora-rank", "0", "N", 0, 65536, "with --model: train adapters of this rank"),
    OPTION_FLAG(doctor_model, recompute, "recompute", NULL, "with --model: keep only each layer's input"),
    OPTION_FLAG(doctor_model, json, "json", NULL, "with --model: tell that alone, as JSON"),
    {0},
};

enum { NEW_OUTPUTS = 3 }; /* of a head that the model lacks: four levels */

static wr_status make_shape(const doctor_model *o, precision p, model **out) {
    wr_status status = WR_OK;
    const model_head head = strcmp(o->kind, "lm") == 0 ? HEAD_LM : HEAD_SCORE;
    char path[PATH_CAP];
    *out = NULL;
    TRY(path_join(path, o->model, "config.json"));
    if (file_exists(path) || !strchr(o->model, '=')) {
        TRY(model_load_shape(o->model, &(model_load_options){.head = head, .n_outputs = NEW_OUTPUTS, .precision = p},
                             out));
    } else {
        model_config c;
        TRY(wr_context(model_config_from_spec(o->model, &c), "--model"));
        c.V = o->vocabulary;
        model_config_set_head(&c, head, head == HEAD_SCORE ? NEW_OUTPUTS : 0);
        TRY(model_config_check(&c));
        TRY(model_create(&c, out));
    }
    (*out)->precision = p;
    if (o->lora_rank)
        TRY(lora_attach_shape(*out, &(lora_options){.rank = o->lora_rank, .alpha = (double)o->lora_rank}));
cleanup:
    return status;
}

wr_status doctor_model_tell(const doctor_model *o, const update_options *u, precision p, bool probe, strbuf *out) {
    wr_status status = WR_OK;
    model *m = NULL;
    dry_run d = {.ranks = o->ranks, .host_ranks = o->ranks, .room = memory_room_find("").with_swap};
    const estimate e = {strcmp(o->kind, "lm") == 0 ? "train lm" : "train reward", o->model, p, &d};
    TRY(update_parts_check(u, o->ranks));
    TRY(make_shape(o, p, &m));
    const size_t positions = m->config.max_positions,
                 longest = positions && positions < o->max_length ? positions : o->max_length;
    d.load = (train_load){.tokens = longest > o->micro_tokens ? longest : o->micro_tokens,
                          .longest = longest,
                          .head_rows = m->config.head == HEAD_LM ? o->micro_tokens : 0,
                          .tested = o->micro_tokens};
    const train_case c = {
        .m = m, .update = u, .ranks = o->ranks, .recompute = o->recompute, .background = true, .load = d.load};
    d.parameters = m->n_params;
    d.trained = model_trainables(m).n;
    d.seconds = (step_seconds){NAN, NAN, NAN, NAN, NAN, NAN};
    if (probe) TRY(dry_run_seconds(&c, (double)d.load.tokens, &d.seconds));
    d.seconds.tokens = (double)d.load.tokens * o->ranks;
    TRY(train_memory_of(&c, &d.memory));
    d.memory.program = process_memory_now();
    const train_host host = {.ranks = o->ranks, .available = d.room, .program = d.memory.program};
    TRY(train_host_need(&c, &host, &d.need));
    d.fits = !d.room || d.need <= d.room;
    if (!d.fits) TRY(train_fit_changes(&c, m, &host, &d.changes));
    TRY(estimate_text(&e, o->json, out));
    if (!o->json && !d.fits) {
        strbuf_putc(out, '\n');
        TRY(estimate_misfit(&e, out));
        strbuf_putc(out, '\n');
    }
cleanup:
    model_free(m);
    dry_run_free(&d);
    return status < 0 ? status : strbuf_status(out);
}
