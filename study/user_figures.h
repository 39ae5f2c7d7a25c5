/* What the cells of a user-count study say together. LOCAL. */
#ifndef WR_STUDY_USER_FIGURES_H
#define WR_STUDY_USER_FIGURES_H

#include "base/strbuf.h"
#include "evaluate/statistics/bootstrap.h"
#include "evaluate/statistics/student.h"
#include "study/cell_file.h"
#include "study/power_fit.h"

typedef struct fitted_curve {
    bool made; /* at least three counts have the figure */
    power_fit fit;
    figure_interval a, b, c; /* of fits to resampled seeds */
} fitted_curve;

typedef struct count_figures {
    size_t users, least, most; /* instances of its cells, over seeds */
    mean_interval mean[CELL_FIGURES];
} count_figures;

typedef struct user_figures {
    const study_cell *cells; /* (seeds, counts): those of the first seed by rising users, then of the next; borrowed */
    size_t counts, seeds;
    bool matched;                           /* the cells of one seed have the same number of instances */
    count_figures *by_count;                /* (counts) */
    mean_interval difference[CELL_FIGURES]; /* most users less fewest, of each seed */
    fitted_curve curve[CELL_FIGURES];       /* of accuracy and Spearman */
    strbuf sentence;                        /* what the data support */
} user_figures;

/* cells: all are done. WR_E_NOMEM. */
wr_status user_figures_make(const study_cell *cells, size_t counts, size_t seeds, bool matched, user_figures *out);
void user_figures_free(user_figures *f); /* of one that is all zero, too */

/* The rule of the sentence, by Spearman's correlation: an effect is told where the interval of the difference, paired by
 * seed, lies on one side of 0. */
void user_sentence(const mean_interval *difference, size_t fewest, size_t most, size_t seeds, bool matched,
                   strbuf *out);

void user_results_csv(const user_figures *f, strbuf *out);
/* data: --data, for people. */
void user_results_json(const user_figures *f, const char *data, strbuf *out);
/* One page of HTML that needs nothing else. */
void user_results_page(const user_figures *f, const char *data, strbuf *out);

#endif
