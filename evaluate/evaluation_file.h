/* An evaluation's JSON, read for comparison. LOCAL. */
#ifndef WR_EVALUATE_EVALUATION_FILE_H
#define WR_EVALUATE_EVALUATION_FILE_H

#include "base/json.h"
#include "evaluate/statistics/predictions.h"

/* Records by their id's hash, equal ones in the order of the file. Arrays are the arena's. */
typedef struct evaluation_file {
    const char *path, *model; /* model "": not named */
    size_t n;
    int classes;
    const char **id;          /* (n) sorted */
    double *score, *log_loss; /* (n); log_loss NULL: none */
    int *label, *class;       /* (n); class NULL: none */
    uint32_t *user;           /* (n) the file's own numbers */
    bool on_scale;
} evaluation_file;

wr_status evaluation_file_read(const char *path, arena *a, evaluation_file *out);
/* Takes the records that every file has, in the order of their ids, in place; n files. *left_out (n): of each, how
 * many are gone. WR_E_MISMATCH naming the files: none is left, or a label differs. */
wr_status evaluation_files_align(evaluation_file *files, size_t n, size_t *left_out);

#endif
