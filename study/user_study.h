/* The user-count study: does a reward model learn more from more users? For each count and seed one run of training on
 * a subset of the training side's users (study/user_subset.h), evaluated on the test side's; then what they say together
 * (study/user_figures.h). */
#ifndef WR_STUDY_USER_STUDY_H
#define WR_STUDY_USER_STUDY_H

#include "base/strbuf.h"
#include "trainer/train.h"

typedef struct user_study_options {
    const char *out, *counts; /* "5,10,20" */
    size_t seeds;             /* 0 … seeds - 1 */
    bool match;               /* the cells of a seed learn from the same number of instances */
    size_t instances;         /* with match: so many; 0: those of the fewest users */
    size_t least;             /* users with fewer records are left out */
    int64_t cell;             /* this one alone, and no results; -1: all */
    train_options train;      /* of every cell; of its run, out, resume and seed are the cell's, and so is only */
} user_study_options;

/* COLLECTIVE. Cells that are finished are passed over, one that was stopped goes on. *sentence: on rank 0, what the data
 * support; empty with o->cell. WR_E_FAILED names the cells that failed, after all others are done. WR_E_INTERRUPTED
 * after a stop signal, with everything saved. */
wr_status user_study_run(world *w, const user_study_options *o, strbuf *sentence);

#endif
