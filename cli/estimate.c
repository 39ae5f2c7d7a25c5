#include "cli/estimate.h"

#include "base/json.h"

#include <math.h>

const option_spec dry_run_rows[] = {
    OPTION_FLAG(estimate_options, dry, "dry-run", NULL,
                "do not train: read and check the data, and tell the memory of a rank and the seconds of a step",
                .resume = RESUME_FREE),
    OPTION_FLAG(estimate_options, json, "json", NULL, "with --dry-run: tell it as JSON", .resume = RESUME_FREE),
    OPTION_FLAG(estimate_options, probe, "probe", "true", "with --dry-run: measure the seconds of a step (2 seconds)",
                .resume = RESUME_FREE),
    {0},
};

static double gib(uint64_t bytes) { return (double)bytes / (1 << 30); }

typedef struct memory_row {
    const char *name, *text;
    uint64_t bytes;
} memory_row;
enum { MEMORY_ROWS = 8 };

static void list(const train_memory *m, memory_row rows[MEMORY_ROWS]) {
    const memory_row all[MEMORY_ROWS] = {{"weights", "weights", m->weights},
                                         {"gradients", "gradients", m->gradients},
                                         {"optimizer", "optimizer (AdamW's moments)", m->optimizer},
                                         {"activations", "activations", m->activations},
                                         {"buffers", "buffers (sums, packed operands)", m->buffers},
                                         {"copy", "copy while a checkpoint is written", m->copy},
                                         {"program", "program and data at hand, measured", m->program},
                                         {"total", "total", train_memory_sum(m)}};
    for (int i = 0; i < MEMORY_ROWS; i++) rows[i] = all[i];
}

static void write_json(const estimate *e, json_writer *j) {
    const dry_run *d = e->d;
    const step_seconds *s = &d->seconds;
    memory_row rows[MEMORY_ROWS];
    list(&d->memory, rows);
    json_begin_object(j);
    json_member_string(j, "kind", "dry-run");
    json_member_string(j, "command", e->what);
    json_member_string(j, "model", e->model);
    json_member_string(j, "precision", precision_name(e->p));
    json_member_int(j, "ranks", d->ranks);
    json_member_count(j, "parameters", d->parameters);
    json_member_count(j, "trained", d->trained);
    if (d->records) {
        json_member_count(j, "records", d->records);
        json_member_int(j, "steps", d->steps);
        json_member_int(j, "steps_read", d->looked_at);
    }
    json_member_count(j, "micro_batch_tokens", d->load.tokens);
    json_member_count(j, "longest_text_tokens", d->load.longest);
    json_member_object(j, "memory_bytes");
    for (int i = 0; i < MEMORY_ROWS; i++) json_member_count(j, rows[i].name, rows[i].bytes);
    json_end_object(j);
    json_member_object(j, "host");
    json_member_int(j, "ranks", d->host_ranks);
    json_member_count(j, "need_bytes", d->need);
    json_member_count(j, "available_bytes", d->room);
    json_member_bool(j, "fits", d->fits);
    if (!d->fits) json_member_string(j, "would_fit", strbuf_str(&d->changes));
    json_end_object(j);
    json_member_object(j, "seconds");
    json_member_double(j, "step", s->step);
    json_member_double(j, "compute", s->compute);
    json_member_double(j, "update", s->update);
    json_member_double(j, "reduce", s->reduce);
    json_member_double(j, "hidden", s->hidden);
    json_member_double(j, "tokens_of_a_step", s->tokens);
    json_end_object(j);
    json_end_object(j);
}

static void write_seconds(const dry_run *d, strbuf *out) {
    const step_seconds *s = &d->seconds;
    if (!isfinite(s->step)) return;
    strbuf_printf(out, "\n%-40s %10s\n", "time of a step, from a probe", "seconds");
    strbuf_printf(out, "  %-38s %10.3f\n", "forward and backward", s->compute);
    strbuf_printf(out, "  %-38s %10.3f\n", "optimizer", s->update);
    if (d->ranks > 1 && s->reduce > 0) {
        strbuf_printf(out, "  %-38s %10.3f\n", "sums over ranks", s->reduce);
        strbuf_printf(out, "  %-38s %10.3f\n", "of them beside the backward pass", -s->hidden);
    }
    strbuf_printf(out, "  %-38s %10.3f\n", "total", s->step);
    strbuf_printf(out, "  %-38s %10.0f\n", "tokens a second", s->step > 0 ? s->tokens / s->step : 0);
}

static void write_table(const estimate *e, strbuf *out) {
    const dry_run *d = e->d;
    memory_row rows[MEMORY_ROWS];
    list(&d->memory, rows);
    strbuf_printf(out, "%s of %s: %.2f M parameters, %.2f M trained, %s, %d rank%s\n", e->what, e->model,
                  (double)d->parameters / 1e6, (double)d->trained / 1e6, precision_name(e->p), d->ranks,
                  d->ranks > 1 ? "s" : "");
    if (d->records)
        strbuf_printf(out, "%zu records, %lld steps, of which the records of %lld were read; ", d->records,
                      (long long)d->steps, (long long)d->looked_at);
    strbuf_printf(out, "micro-batches of up to %zu tokens, texts of up to %zu\n\n", d->load.tokens, d->load.longest);
    strbuf_printf(out, "%-40s %10s\n", d->ranks > 1 ? "memory of a rank, the largest of all" : "memory", "MiB");
    for (int i = 0; i < MEMORY_ROWS; i++)
        strbuf_printf(out, "  %-38s %10.1f\n", rows[i].text, (double)rows[i].bytes / (1 << 20));
    write_seconds(d, out);
    if (d->fits && d->room)
        strbuf_printf(out, "\nit fits: %.1f GiB for the %d rank%s of this host, %.1f GiB are available\n", gib(d->need),
                      d->host_ranks, d->host_ranks > 1 ? "s" : "", gib(d->room));
}

wr_status estimate_misfit(const estimate *e, strbuf *out) {
    const dry_run *d = e->d;
    strbuf_printf(out,
                  "%s does not fit: %.1f GiB of memory are needed for the %d rank%s of this host, and %.1f GiB are "
                  "available; ",
                  e->model, ceil(gib(d->need) * 10) / 10, d->host_ranks, d->host_ranks > 1 ? "s" : "",
                  floor(gib(d->room) * 10) / 10);
    if (d->changes.len)
        strbuf_printf(out, "it would fit with %s", strbuf_str(&d->changes));
    else
        strbuf_puts(out, "give it hosts with more memory");
    return strbuf_status(out);
}

wr_status estimate_text(const estimate *e, bool json, strbuf *out) {
    if (json) {
        json_writer j = json_writer_make(out);
        write_json(e, &j);
        strbuf_putc(out, '\n');
    } else
        write_table(e, out);
    return strbuf_status(out);
}
