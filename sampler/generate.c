/* A batch answered by a session of its own. */
#include "sampler/session.h"

#include <stdlib.h>
#include <string.h>

wr_status sampler_generate(sampler *s, size_t n_prompts, const sample_prompt *prompts, const sampling_options *o,
                           bool (*should_stop)(void *), void *context, sample_reply *replies) {
    wr_status status = WR_OK;
    session *run = NULL;
    answered done;
    size_t ticket;
    memset(replies, 0, n_prompts * o->n * sizeof *replies);
    TRY(session_create(s, &run));
    for (size_t i = 0; i < n_prompts; i++) TRY(session_submit(run, &prompts[i], o, &ticket));
    while (session_busy(run)) {
        if (should_stop && should_stop(context)) TRY(wr_fail(WR_E_INTERRUPTED, "sampling was asked to stop"));
        TRY(session_step(run));
        while (session_take(run, &done)) {
            memcpy(replies + done.ticket * o->n, done.replies, done.n * sizeof *replies);
            free(done.replies);
        }
    }
cleanup:
    session_free(run);
    if (status < 0) sample_replies_free(replies, n_prompts * o->n);
    return status;
}
