/* Options that choose who labels follow-ups, who validates refusals and who measures topic similarity, and the
 * annotators that they make. */
#ifndef WR_CLI_ANNOTATOR_OPTIONS_H
#define WR_CLI_ANNOTATOR_OPTIONS_H

#include "base/file.h"
#include "cli/annotator_model.h"
#include "cli/command.h"
#include "data/label/annotate/annotator.h"
#include "data/label/annotate/endpoint.h"

typedef struct annotator_options {
    const char *levels;                /* list of names, with commas */
    const char *refusals, *similarity; /* a name */
    const char *lexicon_rules, *refusal_rules;
    const char *answer_cache, *prompts_dir;
    const char *beside; /* answer_cache NULL: its name with .answers. That of --out */
    endpoint_options endpoint;
    annotator_model_options model;
} annotator_options;
/* --annotator --refusals --similarity --lexicon-rules --refusal-rules --endpoint… --answer-cache --prompts */
extern const option_spec annotator_rows[];

/* What follows from how the options were given: the name of --out, and whether a key was asked for. */
void annotator_options_resolve(const options *o, annotator_options *a);

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

/* WR_E_USAGE names the option. COLLECTIVE: each rank has its own, and its own file of
 * answers; w may be NULL. */
wr_status annotators_create(const annotator_options *o, world *w, annotator_set *out);
/* Where their answers are kept: --answer-cache, or the name of --out with .answers. WR_E_USAGE without either. */
wr_status annotator_cache_folder(const annotator_options *o, char out[PATH_CAP]);
/* What they were asked, over all ranks, tokens and cost among it: a line in the log, and one in usage.jsonl of that
 * folder. COLLECTIVE. */
wr_status annotators_report(const annotator_set *s, const annotator_options *o, world *w);
void annotators_free(annotator_set *s);

#endif
