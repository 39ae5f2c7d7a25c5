/* Pulled phases over the list of units, on any number of ranks; alone there is nobody to ask, and the same tasks are
 * done in a loop. */
#ifndef WR_DATA_PREPARE_UNIT_WORK_H
#define WR_DATA_PREPARE_UNIT_WORK_H

#include "data/prepare/prepare_dir.h"
#include "data/prepare/unit_file.h"
#include "mpi/work.h"

/* What every phase works with: settings, ranks, folder. */
typedef struct prepare_context {
    const prepare_options *o;
    world *w;             /* NULL: alone */
    coordinator *workers; /* NULL: one rank */
    bool root;
    prepare_dir dir;
} prepare_context;

/* A unit of input as rank 0 knows it after reading. */
typedef struct unit_entry {
    unit_id id;
    uint32_t conversations, turns;
    size_t first; /* number of its first conversation */
} unit_entry;

/* All units in source order. Rank 0's; empty elsewhere. */
typedef struct unit_list {
    unit_entry *units;
    size_t n, capacity;
    size_t conversations; /* of all units */
    uint64_t bytes;       /* of text that was read */
    uint8_t *dropped;     /* (conversations / 8 + 1) bit: a duplicate or fork */
} unit_list;
static inline bool unit_list_dropped(const unit_list *l, size_t i) { return l->dropped[i / 8] >> (i % 8) & 1; }
void unit_list_free(unit_list *l);

/* A unit to do, in a pulled phase. Borrowed during the call. */
typedef struct unit_task {
    unit_id id;
    size_t n;                     /* conversations */
    const unsigned char *dropped; /* (n) bits */
} unit_task;
static inline bool unit_dropped(const unit_task *t, size_t i) { return t->dropped[i / 8] >> (i % 8) & 1; }

typedef wr_status (*unit_fn)(void *context, const unit_task *t);

/* COLLECTIVE. One pulled phase: plan on rank 0, fn on every rank. */
wr_status work_run(const prepare_context *c, const work_plan *plan, work_fn fn, void *context);
/* COLLECTIVE. Does fn for every unit that has no file of this kind yet (NULL: for every unit), wherever it is pulled
 * to. name: for the progress line. */
wr_status units_each(const prepare_context *c, const unit_list *units, const char *name, const char *kind, unit_fn fn,
                     void *context);

wr_status prepare_agree(const prepare_context *c, wr_status mine); /* COLLECTIVE */
/* WR_E_INTERRUPTED when this job is to stop; for use inside units */
wr_status prepare_stopped(const prepare_context *c);

#endif
