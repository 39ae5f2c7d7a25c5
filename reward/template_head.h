/* The head of a template file: how the history is written, and what is done with the text around the template's own
 * sentences. docs/templates.md has the keys. Inside of reward/. LOCAL; immutable once read.
 *
 *   ---                                      line 1: the file begins with it, or has no head
 *   history_line: "{role}: {content}\n"      YAML, a mapping of the keys of template_head.c
 *   ---                                      behind this line begins the template's text
 */
#ifndef WR_REWARD_TEMPLATE_HEAD_H
#define WR_REWARD_TEMPLATE_HEAD_H

#include "base/mem.h"
#include "base/status.h"
#include "text/tokenizer/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>

enum { LINE_ROLE, LINE_CONTENT, LINE_SLOTS };
extern const char *const template_line_slots[LINE_SLOTS]; /* "{role}", "{content}" */

typedef struct template_role {
    const char *role, *name;
} template_role;

typedef struct template_head {
    size_t length;      /* bytes of the block, both lines included; 0: the file has none */
    bool own_lines;     /* history_line was given: lines are joined as they stand; else with a line break between */
    const char *line;   /* a message of the history */
    size_t slot_at[2];  /* where its slots begin, by LINE_ */
    const char *empty;  /* the history without messages */
    bool default_roles; /* `roles` was not given */
    const template_role *roles; /* (n_roles) names of roles; others are as they are */
    size_t n_roles;
    bool cut_right;      /* truncate: right */
    bool trim;           /* white space at both ends of the whole text goes */
    bool strip_thoughts; /* the response is what stands behind its last </think>, without white space at its ends */
    size_t max_length;   /* tokens; 0: no limit of its own */
    arena *memory;
} template_head;

/* Of a file's text; a file without a block has the defaults. WR_E_FORMAT names line, key and cure. Release with
 * template_head_free, whatever comes of it. */
wr_status template_head_read(const char *text, template_head *out);
void template_head_free(template_head *h);
/* The slot of a line that comes first (k 0) and second (k 1). */
static inline int template_line_slot(const template_head *h, int k) {
    return (h->slot_at[LINE_CONTENT] < h->slot_at[LINE_ROLE]) == k ? LINE_ROLE : LINE_CONTENT;
}
const char *template_head_role(const template_head *h, const char *role); /* role may be NULL */

struct reward_template;
const template_head *reward_template_head(const struct reward_template *t);
/* The reply that is written: the whole, or what strip_thoughts leaves. */
void reward_template_reply(const struct reward_template *t, const char **response, size_t *n);
/* The smaller of the template's limit (t may be NULL) and the caller's, of which 0 is none, and which of them it is. */
typedef struct template_limit {
    size_t tokens;
    const char *from;
} template_limit;
template_limit template_limit_of(const struct reward_template *t, size_t given);
wr_status template_too_long(size_t tokens, template_limit most); /* WR_E_FORMAT: query and reply alone are */
/* Cuts ids[from …) to `limit` as Hugging Face does on the right: the text's tokens at its end go, what the
 * post-processor put around it stays. *cut: how many went. WR_E_FORMAT where no token of the text would be left. */
wr_status template_cut_right(const tokenizer *tok, size_t limit, size_t from, token_ids *ids, size_t *cut);

#endif
