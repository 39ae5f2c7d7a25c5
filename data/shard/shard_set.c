#include "data/shard/shard_set.h"

#include "base/file.h"

#include <stdio.h>

static wr_status open_file(shard_set *s) {
    wr_status status = WR_OK;
    char name[128], path[PATH_CAP];
    snprintf(name, sizeof name, "%s-%05u.wrs", s->prefix, s->number++);
    TRY(path_join(path, s->dir, name));
    TRY(shard_writer_create(path, &s->meta, &s->writer));
    s->in_file = 0;
cleanup:
    return status;
}

static wr_status room_for(shard_set *s, uint64_t records) {
    wr_status status = WR_OK;
    if (s->writer && s->in_file && s->in_file + records > s->limit) TRY(shard_writer_commit(&s->writer));
    if (!s->writer) TRY(open_file(s));
    s->in_file += records;
    s->records += records;
cleanup:
    return status;
}

wr_status shard_set_add(shard_set *s, const instance *x) {
    wr_status status = room_for(s, 1);
    s->tokens += x->n_ids;
    return status < 0 ? status : shard_writer_add_instance(s->writer, x);
}

wr_status shard_set_add_frame(shard_set *s, const built_frame *f) {
    wr_status status = room_for(s, f->records);
    s->tokens += f->tokens;
    return status < 0 ? status : shard_writer_add_frame(s->writer, f);
}

wr_status shard_set_finish(shard_set *s) {
    wr_status status = WR_OK;
    if (!s->number) TRY(open_file(s));
    if (s->writer) TRY(shard_writer_commit(&s->writer));
cleanup:
    return status;
}

void shard_set_discard(shard_set *s) {
    shard_writer_discard(s->writer);
    s->writer = NULL;
}
