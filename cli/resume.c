/* The options table says of each option what --resume asks of it; here those rules are carried out. */
#include "cli/resume.h"

#include "base/file.h"
#include "cli/rank_facts.h"
#include "cli/version.h"

#include <stdlib.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Keys that a hash of the options leaves out. */
enum { MOST_KEYS = 64, LONGEST_KEY = 64 };
typedef struct left_out {
    bool rules[RESUME_LENGTH + 1]; /* which are left out */
    char keys[MOST_KEYS][LONGEST_KEY];
    size_t n;
} left_out;

static wr_status take_key(void *context, const option_spec *spec, const char *value) {
    left_out *l = context;
    (void)value;
    if (!l->rules[spec->resume]) return WR_OK;
    if (l->n == MOST_KEYS || strlen(spec->name) >= LONGEST_KEY)
        return wr_fail(WR_E_FAILED, "too many options that a run may change");
    char *key = l->keys[l->n++];
    snprintf(key, LONGEST_KEY, "%s", spec->name);
    for (char *c = key; *c; c++) *c = *c == '-' ? '_' : *c;
    return WR_OK;
}

/* Of a configuration that computes in p, without the options of the rules. */
static wr_status hash_options(const options *o, const char *yaml, left_out *l, precision p, char out[33]) {
    wr_status status = WR_OK;
    const char *skip[MOST_KEYS + 1] = {NULL};
    strbuf text = {0};
    l->n = 0;
    TRY(options_visit(o, take_key, l));
    for (size_t i = 0; i < l->n; i++) skip[i] = l->keys[i];
    strbuf_printf(&text, "%scomputed in: %s\n", yaml, precision_name(p));
    TRY(strbuf_status(&text));
    run_config_hash(strbuf_str(&text), skip, out);
cleanup:
    strbuf_free(&text);
    return status;
}

/* A constant rate from the first step on: then no step depends on how many there are. */
static bool may_grow(const options *o) {
    return strcmp(options_str(o, "lr-schedule"), "constant") == 0 && options_float(o, "warmup-ratio") == 0;
}

/* Checkpoints of earlier builds keep a hash of their options, and the options themselves lie in the run's folder alone:
 * they are believed where they have that hash. What a version left out of it is tried. */
static wr_status believe(const resume_terms *t, const char *path, const char *hash) {
    wr_status status = WR_OK;
    char *yaml = NULL, mine[33];
    size_t n;
    const precision other = t->arithmetic == PRECISION_F32 ? PRECISION_BF16 : PRECISION_F32;
    bool same = false, apart = false;
    TRY(file_read(path, 1 << 20, &yaml, &n));
    for (int k = 0; k < 4; k++) {
        left_out l = {.rules = {[RESUME_FREE] = true, [RESUME_CONTENT] = k & 1, [RESUME_LENGTH] = k & 2}};
        TRY(hash_options(t->o, yaml, &l, t->arithmetic, mine));
        same = same || strcmp(mine, hash) == 0;
        TRY(hash_options(t->o, yaml, &l, other, mine));
        apart = apart || strcmp(mine, hash) == 0;
    }
    if (!same && apart)
        TRY(wr_fail(WR_E_MISMATCH, "the run computes in %s, now %s; give --precision %s", precision_name(other),
                    precision_name(t->arithmetic), precision_name(other)));
    if (!same)
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: not what the run was begun with (the checkpoint has the hash %s); put the file back as it was",
                    path, hash));
cleanup:
    free(yaml);
    return status;
}

static wr_status same_options(const void *context, const char *path, const char *hash) {
    wr_status status = WR_OK;
    const resume_terms *t = context;
    options *was = NULL;
    strbuf changes = {0};
    if (hash) TRY(believe(t, path, hash));
    TRY(options_like(t->o, path, &was));
    TRY(options_changed(was, t->o, may_grow(t->o), &changes));
    if (changes.len)
        TRY(wr_fail(WR_E_MISMATCH, "begun with other options: %s; give the same, or another --out",
                    strbuf_str(&changes)));
cleanup:
    options_free(was);
    strbuf_free(&changes);
    return status;
}

/* Comment lines for people; nothing reads them. */
static wr_status describe(world *w, const char *machine, strbuf *out) {
    wr_status status = WR_OK;
    const size_t size = (size_t)world_size(w);
    strbuf host = {0}, *hosts = calloc(size, sizeof *hosts);
    char date[32];
    const time_t now = time(NULL);
    struct tm utc;
    TRY(world_agree(w, hosts ? WR_OK : WR_E_NOMEM));
    strbuf_puts(&host, world_host(w));
    TRY(world_agree(w, strbuf_status(&host)));
    TRY(world_allgather(w, &host, hosts));
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    strbuf_printf(out, "# wildreward %s, commit %s; begun or continued %s\n# %zu ranks × %d threads on",
                  version_string(), version_commit(), date, size, omp_get_max_threads());
    for (size_t i = 0; i < size; i++) {
        bool first = true;
        for (size_t k = 0; k < i && first; k++) first = strcmp(strbuf_str(&hosts[i]), strbuf_str(&hosts[k])) != 0;
        if (first) strbuf_printf(out, " %s", strbuf_str(&hosts[i]));
    }
    strbuf_putc(out, '\n');
    for (const char *line = machine; *line;) {
        const size_t n = strcspn(line, "\n");
        if (strncmp(line, "the program:", 12) != 0 && strncmp(line, "threads:", 8) != 0)
            strbuf_printf(out, "# %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
    TRY(world_agree(w, strbuf_status(out)));
cleanup:
    for (size_t i = 0; hosts && i < size; i++) strbuf_free(&hosts[i]);
    free(hosts);
    strbuf_free(&host);
    return status;
}

wr_status resume_terms_make(const options *o, world *w, precision arithmetic, resume_terms *out) {
    wr_status status = WR_OK;
    char hash[33];
    left_out l = {.rules = {[RESUME_FREE] = true, [RESUME_CONTENT] = true, [RESUME_LENGTH] = true}};
    *out = (resume_terms){.o = o, .arithmetic = arithmetic};
    status = options_yaml(o, &out->yaml);
    if (status >= 0) status = machine_facts_text(&out->machine);
    if (status >= 0) status = hash_options(o, strbuf_str(&out->yaml), &l, arithmetic, hash);
    TRY(world_agree(w, status));
    TRY(describe(w, strbuf_str(&out->machine), &out->about));
    out->terms = (run_terms){.config_yaml = strbuf_str(&out->yaml),
                             .about = strbuf_str(&out->about),
                             .machine = strbuf_str(&out->machine),
                             .arithmetic = precision_name(arithmetic),
                             .same = same_options,
                             .context = out};
    memcpy(out->terms.hash, hash, sizeof hash);
cleanup:
    return status;
}

void resume_terms_free(resume_terms *t) {
    strbuf_free(&t->yaml);
    strbuf_free(&t->about);
    strbuf_free(&t->machine);
    *t = (resume_terms){0};
}
