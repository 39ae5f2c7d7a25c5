#include "data/label/annotate/lexicon_annotator.h"

#include "base/hash.h"
#include "data/label/match/lexicon.h"
#include "data/label/match/pattern.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 256, SHORT_QUERY_WORDS = 12 }; /* a query so short may refer to the one before it */

typedef struct lexicon_annotator {
    annotator base;
    lexicon *lexicon;
    refusal *refusal;
} lexicon_annotator;

static wr_status levels(annotator *a, const annotated_turn *turns, size_t n, int8_t *level) {
    wr_status status = WR_OK;
    lexicon_annotator *l = (lexicon_annotator *)a;
    for (size_t i = 0; i < n; i++) {
        const chat_message *q = turns[i].query, *r = turns[i].reply, *f = turns[i].followup;
        verdict v;
        TRY(lexicon_judge(l->lexicon, q ? q->content : "", q ? q->length : 0, r->content, r->length, f->content,
                          f->length, &v));
        level[i] = (int8_t)v.level;
    }
cleanup:
    return status;
}

static wr_status refusals(annotator *a, const annotated_turn *turns, size_t n, refusal_kind *kind) {
    const refusal *r = ((lexicon_annotator *)a)->refusal;
    for (size_t i = 0; i < n; i++) {
        const annotated_turn *t = &turns[i];
        kind[i] = REFUSAL_NONE;
        if (!t->query) continue;
        kind[i] = refusal_judge(r, t->query->content, t->query->length, t->reply->content, t->reply->length);
        if (kind[i] != REFUSAL_FALSE || t->n_history < 2 ||
            text_words(t->query->content, t->query->length) > SHORT_QUERY_WORDS)
            continue;
        /* "No, answer my question." asks what the message before it asked. */
        const chat_message *earlier = &t->history[t->n_history - 2];
        kind[i] = refusal_judge(r, earlier->content, earlier->length, t->reply->content, t->reply->length);
    }
    return WR_OK;
}

static void free_annotator(annotator *a) {
    lexicon_annotator *l = (lexicon_annotator *)a;
    lexicon_free(l->lexicon);
    refusal_free(l->refusal);
    free(l);
}

wr_status annotator_lexicon_create(const char *rules, const char *refusal_rules, annotator **out) {
    wr_status status = WR_OK;
    lexicon_annotator *l = mem_calloc(1, sizeof *l);
    TRY_ALLOC(l);
    l->base =
        (annotator){.name = "lexicon", .batch = BATCH, .levels = levels, .refusals = refusals, .free = free_annotator};
    TRY(lexicon_create(rules, &l->lexicon));
    TRY(refusal_create(refusal_rules, &l->refusal));
    const uint64_t parts[] = {lexicon_fingerprint(l->lexicon), refusal_fingerprint(l->refusal)};
    l->base.fingerprint = hash64(parts, sizeof parts, 0);
    *out = &l->base;
    l = NULL;
cleanup:
    if (l) free_annotator(&l->base);
    return status;
}
