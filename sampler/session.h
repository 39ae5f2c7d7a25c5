/* A session of the sampler: prompts are submitted, also while others run, each with parameters and stop tokens of its
 * own; each step gives every running reply a token; what is finished is taken. The replies are those of one batch, and
 * of each prompt alone. LOCAL.
 *
 *     while (more to ask || session_busy(s)) {
 *         session_submit(s, &prompt, &options, &ticket);
 *         session_step(s);
 *         while (session_take(s, &done)) { … answered_free(&done); }
 *     }
 */
#ifndef WR_SAMPLER_SESSION_H
#define WR_SAMPLER_SESSION_H

#include "sampler/sampler.h"

typedef struct session session;
/* The policy's weights must stay as they are while the session lives; s outlives it and serves no other meanwhile. */
wr_status session_create(sampler *s, session **out);
/* Prompts that are waiting or running are given up, with all their memory; NULL is fine. */
void session_free(session *s);

/* Queues a prompt; what p and o point to is copied. *ticket counts the prompts of the session from 0. WR_E_USAGE: a
 * parameter that cannot be; WR_E_FORMAT: no tokens, or no room for a reply. The session goes on after either. */
wr_status session_submit(session *s, const sample_prompt *p, const sampling_options *o, size_t *ticket);
/* Admits waiting prompts, in their order, as far as there is room, then adds a token to every running reply. An error
 * (memory, or WR_E_NUMERIC: the weights are bad) ends the session: it can only be freed then. */
wr_status session_step(session *s);
bool session_busy(const session *s); /* is a prompt waiting or running? */

typedef struct answered {
    size_t ticket, n;
    sample_reply *replies; /* (n) owned */
} answered;
/* The next prompt whose replies have all ended: in the order in which they did, those of one step in the order of their
 * tickets. false: none yet. */
bool session_take(session *s, answered *out);
void answered_free(answered *a);

#endif
