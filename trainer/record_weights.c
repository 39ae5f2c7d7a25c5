#include "trainer/record_weights.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "trainer/side_counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const option_spec weight_rows[] = {
    OPTION_CHOICE(weight_options, classes, "class-weights", "none", "none|inverse|effective",
                  "records count by their class: by the inverse of its frequency, or of its effective number"),
    OPTION_FLOAT(weight_options, beta, "effective-beta", "0.999", "X", 0, 0.999999999,
                 "with --class-weights effective: beta of (1 - beta) / (1 - beta^n)"),
    OPTION_CHOICE(weight_options, users, "user-weights", "none", "none|sqrt|inverse",
                  "records count by how many their user has: 1/sqrt(n), or 1/n, then all users alike"),
    OPTION_FLAG(weight_options, posterior, "posterior-weights", NULL,
                "records count by how sure the annotators' consensus is of their label"),
    {0},
};

struct record_weights {
    weight_options o;
    double *by_class; /* (K), by label - 1 */
    side_counts counts;
    const tally_row *users; /* (n_users) by name */
    size_t n_users;
};

/* What training can learn nothing of. */
static void warn_of(const char *dir, const dataset_index *d, const size_t *labels) {
    strbuf none = {0};
    int some = 0, only = 0;
    for (int k = 0; k < d->meta.classes; k++) {
        if (!labels[k]) strbuf_printf(&none, "%s%d", none.len ? ", " : "", k + 1);
        if (labels[k]) some++, only = k + 1;
    }
    if (some == 1)
        log_warn("%s: all %zu records of the training side have label %d of 1 to %d: a model learns to say that, and "
                 "nothing of replies",
                 dir, d->n_records, only, d->meta.classes);
    else if (none.len)
        log_warn("%s: no record of the training side has label %s: nothing is learned of it but that it is rare", dir,
                 strbuf_str(&none));
    strbuf_free(&none);
}

static void weigh_classes(record_weights *r, const dataset_index *d) {
    const double n = (double)d->n_records;
    double mass = 0, some = 0;
    for (int k = 0; k < d->meta.classes; k++) {
        const double of = (double)r->counts.labels[k];
        r->by_class[k] = 1;
        if (r->o.classes == CLASS_WEIGHTS_INVERSE) r->by_class[k] = 1 / of;
        /* 1 - beta^n as expm1 says it: beta is close to 1 */
        if (r->o.classes == CLASS_WEIGHTS_EFFECTIVE) r->by_class[k] = (1 - r->o.beta) / -expm1(of * log(r->o.beta));
        if (of > 0) mass += of * r->by_class[k], some++;
    }
    for (int k = 0; k < d->meta.classes; k++) /* a class without records asks for no weight */
        r->by_class[k] = r->counts.labels[k] ? r->by_class[k] * n / mass : 0;
}

static void tell(const record_weights *r, const dataset_index *d) {
    strbuf line = {0};
    for (int k = 0; k < d->meta.classes; k++) strbuf_printf(&line, "%s%.4g", k ? ", " : "", r->by_class[k]);
    if (r->o.classes) log_info("class weights: %s", strbuf_str(&line));
    if (r->o.users)
        log_info("user weights: %zu users, each record 1/%s of its user's", r->n_users,
                 r->o.users == USER_WEIGHTS_SQRT ? "sqrt(n)" : "n");
    strbuf_free(&line);
}

wr_status record_weights_create(world *w, const weight_options *o, const char *dir, const dataset_index *d,
                                record_weights **out) {
    wr_status status = WR_OK;
    record_weights *r = mem_calloc(1, sizeof *r);
    *out = NULL;
    TRY(world_agree(w, r ? WR_OK : WR_E_NOMEM));
    r->o = *o;
    TRY(side_counts_read(w, dir, d, o->users != USER_WEIGHTS_NONE, &r->counts));
    if (world_rank(w) == 0) warn_of(dir, d, r->counts.labels);
    if (!o->classes && !o->users && !o->posterior) goto cleanup;
    r->by_class = mem_calloc((size_t)d->meta.classes + 1, sizeof *r->by_class);
    TRY(world_agree(w, r->by_class ? WR_OK : WR_E_NOMEM));
    weigh_classes(r, d);
    if (r->counts.users) r->users = tally_by_name(r->counts.users), r->n_users = tally_count(r->counts.users);
    if (world_rank(w) == 0) tell(r, d);
    *out = r;
    r = NULL;
cleanup:
    record_weights_free(r);
    return status;
}

void record_weights_free(record_weights *r) {
    if (!r) return;
    side_counts_free(&r->counts);
    free(r->by_class);
    free(r);
}

static int by_name(const void *name, const void *row) { return strcmp(name, ((const tally_row *)row)->name); }

double record_weight(const record_weights *r, int label, const char *user, double certainty) {
    if (!r) return 1;
    double weight = r->by_class[label - 1];
    if (r->o.posterior) weight *= certainty;
    if (!r->users || !user) return weight;
    const tally_row *row = bsearch(user, r->users, r->n_users, sizeof *r->users, by_name);
    const double n = row ? (double)row->counts[0] : 1;
    return weight / (r->o.users == USER_WEIGHTS_SQRT ? sqrt(n) : n);
}
