/* train reward --pairs: rank 0 makes shards of the file in a temporary folder, and the run is one on those. */
#include "trainer/pair_run.h"

#include "base/file.h"
#include "base/mem.h"
#include "mpi/world.h"
#include "trainer/pair_shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_status make_folder(char path[PATH_CAP]) {
    const char *given = getenv("TMPDIR"), *parent = given && given[0] ? given : "/tmp";
    snprintf(path, PATH_CAP, "%s/wildreward-pairs-XXXXXX", parent);
    if (mkdtemp(path)) return WR_OK;
    path[0] = '\0';
    return wr_fail(WR_E_IO, "%s: no folder for the pairs can be made there (TMPDIR names another place)", parent);
}

wr_status pair_run(world *w, const train_options *o, wr_status (*run)(world *w, const train_options *o)) {
    wr_status status = WR_OK;
    const bool root = world_rank(w) == 0;
    char dir[PATH_CAP] = "";
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
    if (root && status >= 0) status = make_folder(dir);
    if (root && status >= 0) status = pair_shards_make(&in, dir);
    TRY(world_agree(w, status));
    strbuf_append(&name, dir, strlen(dir) + 1);
    TRY(world_agree(w, strbuf_status(&name)));
    TRY(world_bcast(w, 0, &name));
    pairs.data = name.data;
    pairs.max_length = 2 * o->max_length; /* of both texts together */
    pairs.order = ORDER_RECORDS;
    pairs.template_file = NULL; /* it lies beside the shards */
    TRY(run(w, &pairs));
cleanup:
    if (root && dir[0]) {
        char *message = status < 0 ? mem_strdup(wr_error()) : NULL; /* the clean-up's own failure would hide it */
        dir_remove_tree(dir);
        if (message) wr_fail(status, "%s", message);
        free(message);
    }
    strbuf_free(&name);
    return status;
}
