/* Cells of a study: each is one run of training in STUDY/cells/NAME, and when it has ended its figures in cell.json there.
 * LOCAL, of rank 0. */
#ifndef WR_STUDY_CELL_FILE_H
#define WR_STUDY_CELL_FILE_H

#include "base/file.h"
#include "trainer/checkpoint.h"

/* Figures of a cell: those of the run's last evaluation, with its intervals. X(name, its name in files) */
#define CELL_FIGURES_OF(X) X(ACCURACY, "accuracy") X(SPEARMAN, "spearman") X(ECE, "ece")
#define CELL_ENUM(name, text) CELL_##name,
enum { CELL_FIGURES_OF(CELL_ENUM) CELL_FIGURES };
extern const char *const cell_figure_names[CELL_FIGURES];

typedef struct cell_figure {
    double value, low, high; /* NaN: not told, or not defined */
} cell_figure;

typedef struct study_cell {
    /* which it is */
    size_t users;
    uint64_t seed;
    char name[48]; /* "u5-s0" */
    size_t instances;
    int64_t steps;
    char data_hash[33]; /* train_data_hash of its records */
    /* what came of it */
    bool done;
    cell_figure figures[CELL_FIGURES];
    size_t test_records, test_users;
} study_cell;

wr_status cell_folder(char out[PATH_CAP], const char *study, const study_cell *c);
/* c is known but for what came of it. No cell.json, or one that is cut or damaged (warned of): done is false. terms:
 * what its run must have been begun with. WR_E_MISMATCH names the cell: it is of another study. */
wr_status cell_read(const char *study, const run_terms *terms, study_cell *c);
/* Reads the last evaluation of the cell's run, which has ended, and writes cell.json. WR_E_FORMAT: there is none. */
wr_status cell_finish(const char *study, study_cell *c);

#endif
