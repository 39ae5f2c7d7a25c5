#include "data/prepare/label_file.h"

#include "data/label/match/filters.h"

#include <stdlib.h>

wr_status label_file_write(const char *path, const label_counts *counts, const user_table *users,
                           const char *const *names, const turn_state *turns, size_t n_turns, bool weighted) {
    wr_status status = WR_OK;
    strbuf t = {0};
    unit_writer *u = NULL;
    for (int i = 0; i < 6; i++) bytes_put_u64(&t, counts->levels[i]);
    for (int i = 0; i < 2; i++) bytes_put_u64(&t, counts->mined[i]);
    for (int i = 0; i < 2; i++) bytes_put_u64(&t, counts->refusals[i]);
    bytes_put_u64(&t, users->n);
    for (size_t i = 0; i < users->n; i++) {
        bytes_put_string(&t, names[i], strlen(names[i]));
        bytes_put_u32(&t, users->users[i].turns);
        for (int k = 0; k < SPLIT_STRATA; k++) bytes_put_u32(&t, users->users[i].instances[k]);
    }
    bytes_put_u64(&t, n_turns);
    bytes_put_u8(&t, weighted);
    for (size_t i = 0; i < n_turns; i++) {
        const turn_state *s = &turns[i];
        const unsigned char small[5] = {(unsigned char)s->level, (unsigned char)s->final, s->how, s->dropped,
                                        s->refusal};
        strbuf_append(&t, small, sizeof small);
        if (weighted) bytes_put_double(&t, s->weight);
        if (s->dropped) bytes_put_u64(&t, s->match);
    }
    TRY(unit_create(path, &u));
    TRY(unit_commit(&u, &t));
cleanup:
    unit_discard(u);
    strbuf_free(&t);
    return status;
}

static wr_status read_users(bytes_reader *r, label_file *l) {
    wr_status status = WR_OK;
    l->n_users = bytes_get_count(r, 9 + 4 * SPLIT_STRATA);
    TRY_ALLOC(l->users = mem_calloc(l->n_users + 1, sizeof *l->users));
    for (size_t i = 0; i < l->n_users; i++) {
        l->users[i].name = bytes_get_string(r, NULL);
        l->users[i].turns = bytes_get_u32(r);
        for (int k = 0; k < SPLIT_STRATA; k++) l->users[i].instances[k] = bytes_get_u32(r);
    }
cleanup:
    return status;
}

wr_status label_file_open(const char *dir, unit_id id, label_file *l) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    size_t n;
    *l = (label_file){0};
    TRY(unit_path(path, dir, id, ".label"));
    TRY(unit_open(path, &l->file));
    const void *table = unit_table(l->file, &n);
    bytes_reader r = bytes_reader_make(table, n);
    for (int i = 0; i < 6; i++) l->counts.levels[i] = bytes_get_u64(&r);
    for (int i = 0; i < 2; i++) l->counts.mined[i] = bytes_get_u64(&r);
    for (int i = 0; i < 2; i++) l->counts.refusals[i] = bytes_get_u64(&r);
    TRY(read_users(&r, l));
    l->n_turns = bytes_get_count(&r, 5);
    TRY_ALLOC(l->turns = mem_calloc(l->n_turns + 1, sizeof *l->turns));
    bool weighted = bytes_get_u8(&r) != 0;
    for (size_t i = 0; i < l->n_turns; i++) {
        turn_state *s = &l->turns[i];
        const unsigned char *small = bytes_take(&r, 5);
        if (!small) break;
        *s = (turn_state){.level = (int8_t)small[0],
                          .final = (int8_t)small[1],
                          .how = small[2],
                          .dropped = small[3],
                          .refusal = small[4],
                          .weight = 1};
        if (weighted) s->weight = bytes_get_double(&r);
        if (s->dropped) s->match = bytes_get_u64(&r);
        if (s->level < 0 || s->level > 5 || s->final < 0 || s->final > 5 || s->how > HOW_REFUSAL ||
            s->dropped >= FILTERS)
            r.bad = true;
    }
    if (r.bad) TRY(unit_damaged(l->file, "labels"));
cleanup:
    if (status < 0) label_file_close(l);
    return status;
}

void label_file_close(label_file *l) {
    unit_close(l->file);
    free(l->users);
    free(l->turns);
    *l = (label_file){0};
}
