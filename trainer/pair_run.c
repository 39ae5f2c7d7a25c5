/* train reward --pairs: rank 0 makes shards of the file in a folder that only this process knows, RUN/.tmp-pairs.wildreward.tmp, and the
 * run is one on those. It lies in the run's folder, so that what a killed process leaves is found: the next one on the
 * same run removes it. */
#include "trainer/pair_run.h"

#include "base/fresh.h"
#include "base/mem.h"
#include "mpi/world.h"
#include "trainer/pair_shards.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* *made: there was no folder of the run before. */
static wr_status make_folder(const char *run, fresh_folder *f, bool *made) {
    wr_status status = WR_OK;
    char place[PATH_CAP];
    *made = !dir_exists(run);
    TRY(dir_make(run));
    TRY(path_join(place, run, "tmp-pairs"));
    TRY(fresh_folder_make(place, f));
cleanup:
    return status;
}

wr_status pair_run(world *w, const train_options *o, wr_status (*run)(world *w, const train_options *o)) {
    wr_status status = WR_OK;
    const bool root = world_rank(w) == 0;
    bool made = false;
    fresh_folder folder = {.lock = -1};
    strbuf name = {0};
    train_options pairs = *o;
    model_config c = {0};
    pair_input in = {.file = o->pairs,
                     .from = o->model ? o->model : o->data,
                     .template_file = o->template_file,
                     .max_length = o->max_length,
                     .per_grade = o->grade_margin};
    if (root && o->model) status = model_config_load(o->model, &c);
    if (c.max_positions && c.max_positions < in.max_length) in.max_length = c.max_positions;
    if (root && status >= 0) status = make_folder(o->run.out, &folder, &made);
    if (root && status >= 0) status = pair_shards_make(&in, folder.temporary);
    TRY(world_agree(w, status));
    if (root) strbuf_append(&name, folder.temporary, strlen(folder.temporary) + 1);
    TRY(world_agree(w, strbuf_status(&name)));
    TRY(world_bcast(w, 0, &name));
    pairs.data = name.data;
    pairs.max_length = 2 * o->max_length; /* of both texts together */
    pairs.order = ORDER_RECORDS;
    pairs.template_file = NULL; /* it lies beside the shards */
    TRY(run(w, &pairs));
cleanup:
    fresh_folder_discard(&folder);
    if (made) rmdir(o->run.out); /* where nothing else is in it: there was no run */
    strbuf_free(&name);
    return status;
}
