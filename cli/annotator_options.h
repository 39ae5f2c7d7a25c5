/* Options that choose who labels follow-ups, who validates refusals and who measures topic similarity, and the
 * annotators that they make. */
#ifndef WR_CLI_ANNOTATOR_OPTIONS_H
#define WR_CLI_ANNOTATOR_OPTIONS_H

#include "base/file.h"
#include "cli/annotator_model.h"
#include "cli/command.h"
#include "data/label/annotate/annotator.h"

/* --annotator --similarity --refusals --answer-cache --prompts --endpoint… */
extern const option_spec annotator_options[];

/* Keys that change speed or place, not answers: for the list of those a resumed run may change. */
#define ANNOTATOR_FREE_KEYS                                                                                            \
    "answer_cache", "endpoint", "endpoint_parallel", "endpoint_timeout", "endpoint_retries", "endpoint_backoff",       \
        "endpoint_key_env", "endpoint_ca", "endpoint_price_in", "endpoint_price_out"

enum { ANNOTATORS_MAX = 8 };

typedef struct annotator_set {
    annotator *levels[ANNOTATORS_MAX]; /* (n) in the order of --annotator, no two alike */
    size_t n;
    annotator *refusals;
    annotator *similarity;            /* NULL: data/label/mine/mining.h's TF-IDF */
    annotator *owned[ANNOTATORS_MAX]; /* each of the above once */
    size_t n_owned;
    annotator_model model; /* what the model annotator borrows */
} annotator_set;

/* WR_E_USAGE names the option. COLLECTIVE with a local model, else LOCAL: each rank has its own, and its own file of
 * answers; w may be NULL. */
wr_status annotators_create(const options *o, world *w, annotator_set *out);
/* Where their answers are kept: --answer-cache, or the name of --out with .answers. WR_E_USAGE without either. */
wr_status annotator_cache_folder(const options *o, char out[PATH_CAP]);
/* What they were asked, over all ranks, tokens and cost among it: a line in the log, and one in usage.jsonl of that
 * folder. COLLECTIVE. */
wr_status annotators_report(const annotator_set *s, const options *o, world *w);
void annotators_free(annotator_set *s);

#endif
