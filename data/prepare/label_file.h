/* A .label file: the fate of every follow-up of a unit, its users, and counts. Only prepare's phases include this.
 * LOCAL. */
#ifndef WR_DATA_PREPARE_LABEL_FILE_H
#define WR_DATA_PREPARE_LABEL_FILE_H

#include "data/prepare/split.h"
#include "data/prepare/turns.h"
#include "data/prepare/unit_file.h"
#include "data/shard/bytes.h"

typedef struct label_counts {
    uint64_t levels[6], mined[2], refusals[2]; /* 4, 5; false, justified */
} label_counts;

typedef struct label_user {
    const char *name;
    uint32_t turns, instances[SPLIT_STRATA];
} label_user;

typedef struct label_file {
    unit_reader *file;
    label_counts counts;
    label_user *users; /* (n_users) in the order of their first conversation */
    size_t n_users;
    turn_state *turns; /* (n_turns) of all conversations of the unit, also of dropped ones */
    size_t n_turns;
} label_file;

/* dir: where the working files are. */
wr_status label_file_open(const char *dir, unit_id id, label_file *out);
void label_file_close(label_file *l);
/* users: names at users[i].name, counts in table->users[i]. */
wr_status label_file_write(const char *path, const label_counts *counts, const user_table *users,
                           const char *const *names, const turn_state *turns, size_t n_turns, bool weighted);

#endif
