/* The wording by which a model is asked for a feedback level, or whether a reply refused: a text with the slots
 * {history} {query} {reply} {followup}. Built in from data/prompts/annotate.txt and refusal.txt; a folder with files of
 * these names replaces them. LOCAL; immutable once loaded. */
#ifndef WR_DATA_LABEL_ANNOTATE_ANNOTATION_PROMPT_H
#define WR_DATA_LABEL_ANNOTATE_ANNOTATION_PROMPT_H

#include "base/strbuf.h"
#include "data/label/annotate/annotator.h"

typedef enum prompt_kind { PROMPT_LEVEL, PROMPT_REFUSAL } prompt_kind;

/* How much of a turn a prompt shows. */
typedef struct prompt_limits {
    size_t history;    /* messages before the query, the latest ones */
    size_t characters; /* of a message; the middle of a longer one is left out and its length told. 0: all */
} prompt_limits;

typedef struct annotation_prompt annotation_prompt;
/* dir NULL, or without a file of that name: the built-in text. WR_E_USAGE: a folder with neither file, an unknown slot,
 * or one that is needed ({reply} and {followup} for levels, {query} and {reply} for refusals) missing; names the
 * file. */
wr_status annotation_prompt_load(const char *dir, prompt_kind kind, annotation_prompt **out);
void annotation_prompt_free(annotation_prompt *p); /* NULL is fine */
/* Appends the text with the turn in its slots. What a person wrote is put in as it is and never searched for slots. */
void annotation_prompt_render(const annotation_prompt *p, const annotated_turn *t, const prompt_limits *limits,
                              strbuf *out);
/* Appends a message as prompts show it: at most `characters` of it (0: all), beginning and end. */
void annotation_clip(strbuf *out, const char *s, size_t n, size_t characters);
uint64_t annotation_prompt_hash(const annotation_prompt *p); /* of its text */

/* The digits of the last [[n]] in an answer, or -1: none, or more than lowest … highest. Thoughts (<think>…</think>) do
 * not count; an answer that ends inside them has none. */
int annotation_answer(const char *text, size_t n, int lowest, int highest);

#endif
