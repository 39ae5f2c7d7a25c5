/* What annotators did and cost, told at the end of a run (cli/annotator_options.h). */
#include "cli/annotator_options.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#include <string.h>
#include <time.h>

enum { MOST_COUNTS = 32 };

/* Of all ranks together, as members of a JSON object; every rank's annotator counts the same things in the same
 * order. */
static wr_status sum_counts(const annotator *a, world *w, arena *memory, const json_value **names, double *sums,
                            size_t *n) {
    wr_status status = WR_OK;
    strbuf text = {0};
    json_writer out = json_writer_make(&text);
    *n = 0;
    json_begin_object(&out);
    a->counts(a, &out);
    json_end_object(&out);
    status = strbuf_status(&text);
    if (status >= 0) status = json_parse(memory, strbuf_str(&text), text.len, names);
    for (const json_value *v = status >= 0 ? (*names)->first : NULL; v && *n < MOST_COUNTS; v = v->next)
        json_to_double(v, &sums[(*n)++]);
    TRY(world_agree(w, status));
    world_sum(w, sums, *n);
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status tell(const annotator *a, const char *folder, int ranks, const json_value *names, const double *sums) {
    wr_status status = WR_OK;
    char path[PATH_CAP], when[40];
    struct tm parts;
    const time_t now = time(NULL);
    strbuf line = {0}, said = {0};
    json_writer out = json_writer_make(&line);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    json_begin_object(&out);
    json_member_string(&out, "time", when);
    json_member_string(&out, "annotator", a->name);
    json_member_int(&out, "ranks", ranks);
    const json_value *v = names->first;
    for (size_t i = 0; v && i < MOST_COUNTS; v = v->next, i++) {
        const bool whole = !memchr(v->text, '.', v->length) && !memchr(v->text, 'e', v->length);
        json_key(&out, v->key);
        if (whole)
            json_int(&out, (int64_t)sums[i]);
        else
            json_double(&out, sums[i]);
        if (sums[i] != 0) strbuf_printf(&said, "%s%s %.*f", said.len ? ", " : "", v->key, whole ? 0 : 4, sums[i]);
    }
    json_end_object(&out);
    TRY(strbuf_status(&line));
    if (!said.len) goto cleanup; /* it was asked nothing */
    log_info("annotator %s: %s", a->name, strbuf_str(&said));
    TRY(dir_make(folder));
    TRY(path_join(path, folder, "usage.jsonl"));
    TRY(file_append_line(path, strbuf_str(&line)));
cleanup:
    strbuf_free(&line);
    strbuf_free(&said);
    return status;
}

wr_status annotators_report(const annotator_set *s, const annotator_options *o, world *w) {
    wr_status status = WR_OK;
    arena *memory = arena_create();
    char folder[PATH_CAP];
    TRY(world_agree(w, memory ? annotator_cache_folder(o, folder) : WR_E_NOMEM));
    for (size_t i = 0; i < s->n_owned; i++) {
        const json_value *names = NULL;
        double sums[MOST_COUNTS] = {0};
        size_t n;
        if (!s->owned[i]->counts) continue;
        TRY(sum_counts(s->owned[i], w, memory, &names, sums, &n));
        TRY(world_agree(w, world_rank(w) == 0 ? tell(s->owned[i], folder, world_size(w), names, sums) : WR_OK));
    }
cleanup:
    arena_free(memory);
    return status;
}
