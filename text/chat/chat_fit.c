/* Where a chat may be cut:
 *
 *   system | user assistant | user call tool assistant | user call tool      messages
 *   kept   ^0               ^1                         ^2                    cuts: before each user's message
 *
 * A later cut gives fewer tokens, so the first that fits is found by bisection: a chat of a thousand messages is
 * rendered about ten times. Only chats that a template has to accept are ever rendered: it may refuse one that begins
 * with an answer. */
#include "text/chat/chat_fit.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Renders the system message (the first `head` messages) and what comes from message `cut` on. */
static wr_status render_from(const chat_template *c, const tokenizer *t, const chat_request *r, size_t head, size_t cut,
                             chat_message *kept, token_ids *ids) {
    chat_request shorter = *r;
    memcpy(kept, r->messages, head * sizeof *kept);
    memcpy(kept + head, r->messages + cut, (r->n - cut) * sizeof *kept);
    shorter.messages = kept;
    shorter.n = head + r->n - cut;
    ids->n = 0;
    return chat_render(c, t, &shorter, NULL, ids);
}

/* Places of cuts, ascending; cuts: (messages) */
static size_t find_cuts(const chat_request *r, size_t head, size_t *cuts) {
    size_t n = 0;
    bool asks = strcmp(r->messages[head].role, "user") == 0;
    cuts[n++] = head; /* nothing is left out */
    for (size_t i = head + 1; i < r->n; i++)
        if (strcmp(r->messages[i].role, "user") == 0) cuts[n++] = i, asks = true;
    if (!asks && r->n > head + 1) cuts[n++] = r->n - 1; /* other names of roles: then the last message alone */
    return n;
}

wr_status chat_fit(const chat_template *c, const tokenizer *t, const chat_request *r, size_t limit, token_ids *ids,
                   size_t *dropped) {
    wr_status status = WR_OK;
    const size_t head = r->n > 1 && strcmp(r->messages[0].role, "system") == 0;
    chat_message *kept = mem_calloc(r->n, sizeof *kept);
    size_t *cuts = mem_calloc(r->n, sizeof *cuts), low = 0, high = 0, shown = 0; /* ids are those of cut `shown` */
    TRY_ALLOC(kept);
    TRY_ALLOC(cuts);
    const size_t n = find_cuts(r, head, cuts);
    TRY(render_from(c, t, r, head, head, kept, ids));
    if (ids->n > limit && n > 1) low = 1, high = n - 1;
    while (low < high) {
        shown = low + (high - low) / 2;
        TRY(render_from(c, t, r, head, cuts[shown], kept, ids));
        if (ids->n <= limit)
            high = shown;
        else
            low = shown + 1;
    }
    if (shown != low) TRY(render_from(c, t, r, head, cuts[low], kept, ids));
    if (dropped) *dropped = cuts[low] - head;
cleanup:
    free(kept);
    free(cuts);
    return status;
}
