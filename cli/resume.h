/* What a run is begun with, and whether one that goes on was begun with the same. */
#ifndef WR_CLI_RESUME_H
#define WR_CLI_RESUME_H

#include "base/options.h"
#include "model/model.h"
#include "trainer/checkpoint.h"

typedef struct resume_terms {
    run_terms terms; /* points into the rest */
    const options *o;
    precision arithmetic;
    strbuf yaml, about, machine;
} resume_terms;

/* COLLECTIVE. The terms of a run with these options that computes in `arithmetic`. *out stays where it is until the run
 * has ended; release with resume_terms_free, also after an error. o must outlive it. */
wr_status resume_terms_make(const options *o, world *w, precision arithmetic, resume_terms *out);
void resume_terms_free(resume_terms *t);

#endif
