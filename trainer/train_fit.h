/* Whether a training run fits into a host's memory, and what would. LOCAL. */
#ifndef WR_TRAINER_TRAIN_FIT_H
#define WR_TRAINER_TRAIN_FIT_H

#include "base/strbuf.h"
#include "trainer/train_memory.h"

typedef struct train_host {
    int ranks;          /* of this host */
    uint64_t available; /* bytes, beside what its processes have already; 0: not known */
    uint64_t program;   /* of a rank, that will come: 0 where the ranks are there already */
} train_host;

/* What the host's ranks need beside what they have. WR_E_NOMEM: out of memory while finding out. */
wr_status train_host_need(const train_case *c, const train_host *h, uint64_t *need);
/* Appends "--recompute (3.1 GiB); --micro-tokens 1024 (…)": each change that makes it fit alone, or, where none does,
 * the least of all of them together; nothing where that does not fit either. c->m is changed on the way and put back. */
wr_status train_fit_changes(const train_case *c, model *m, const train_host *h, strbuf *out);

#endif
