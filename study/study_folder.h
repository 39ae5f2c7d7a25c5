/* The folder of a study:
 *   study.json    what it is, hashes of its data
 *   config.yaml   the options it was begun with
 *   cells/NAME/   runs of training, each with cell.json when it has ended (study/cell_file.h)
 *   results.csv, results.json, report.html    when all have
 * Several processes may work in it at once, each at cells of its own. LOCAL, of rank 0. */
#ifndef WR_STUDY_STUDY_FOLDER_H
#define WR_STUDY_STUDY_FOLDER_H

#include "trainer/checkpoint.h"

typedef struct study_terms {
    const char *kind; /* "users" */
    const run_terms *options;
    const char *train_hash, *test_hash; /* of --data's sides */
} study_terms;

/* Makes the folder, or goes on in it. WR_E_MISMATCH: it is another study's, the difference is named. WR_E_USAGE: what
 * stands there is no study, and would be replaced. */
wr_status study_folder_open(const char *folder, const study_terms *t);
/* Replaces STUDY/name as a whole. */
wr_status study_folder_write(const char *folder, const char *name, const strbuf *text);

#endif
