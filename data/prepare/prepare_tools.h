/* What prepare works with, opened before anything is made so that what is wrong is said first; the same on every rank.
 * LOCAL. */
#ifndef WR_DATA_PREPARE_PREPARE_TOOLS_H
#define WR_DATA_PREPARE_PREPARE_TOOLS_H

#include "base/string_map.h"
#include "data/label/match/filters.h"
#include "data/label/match/refusal.h"
#include "data/prepare/prepare.h"
#include "data/prepare/turns.h"
#include "reward/template.h"
#include "data/source/sources.h"

typedef struct prepare_tools {
    sources *sources;      /* opened by the caller, closed by prepare_tools_close */
    string_map excluded;   /* users to leave out */
    arena *names;          /* their names, and others that last as long */
    annotator_panel panel; /* who grades follow-ups */
    annotator *judge;      /* of replies that look like refusals */
    annotator *own;        /* the lexicon, when one of them was not given */
    refusal *refusal;
    filters *filters;
    reward_template *template; /* NULL: texts are ready made, and no template was given */
    tokenizer *tok;            /* NULL: none (yet) */
    chat_template *chat;       /* NULL: none that is known */
} prepare_tools;

/* loud: whether this rank warns of a tokenizer without a chat template. Whatever comes of it, prepare_tools_close. */
wr_status prepare_tools_open(const prepare_options *o, bool loud, prepare_tools *t);
void prepare_tools_close(prepare_tools *t);
/* Chats are written: as text, or by a template. */
static inline bool prepare_has_chats(const prepare_options *o, const prepare_tools *t) {
    return !o->no_chats && (t->chat || !t->tok);
}
/* What is counted where a record was longer than its limit. */
const char *prepare_shortened(const reward_template *t);
/* The settings that the result depends on, as a JSON object of strings: unfinished work is continued only by the same
 * job. The same of the sources. */
wr_status prepare_describe_job(const prepare_options *o, const prepare_tools *t, strbuf *out);
wr_status prepare_describe_sources(const sources *s, strbuf *out);

#endif
