/* The whole goes through rank 0 in pieces: pieces of rank p's range are sent to it, one after another, and each becomes
 * a file; on the way back it reads a piece from whatever files hold it and sends it out.
 *
 *     rank    0        1        2            files, in order   optimizer.safetensors      pieces 0, 1 of rank 0
 *     range  |a  b  |c  d  |e  f  |                             optimizer-00001 … 00005
 *
 * All ranks walk the same list of pieces, so nobody has to be asked, and a rank 0 that failed goes on receiving. */
#include "trainer/moments_ranks.h"

#include "base/file.h"
#include "base/mem.h"
#include "mpi/reduce.h"
#include "trainer/moments_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 16, PIECES = 4 }; /* floats of a cache line; of a rank's range */

const char moments_first_file[] = "optimizer.safetensors";

float_range moments_range(size_t n, size_t ranks, size_t rank) {
    const size_t lines = (n + LINE - 1) / LINE, begin = lines * rank / ranks * LINE,
                 end = lines * (rank + 1) / ranks * LINE;
    return (float_range){begin < n ? begin : n, end < n ? end : n};
}

/* Piece i of all ranks' pieces. */
static float_range piece_at(size_t n, size_t ranks, size_t i) {
    const float_range r = moments_range(n, ranks, i / PIECES);
    const size_t step = (r.end - r.begin + PIECES - 1) / PIECES, begin = r.begin + i % PIECES * step;
    const float_range piece = {begin < r.end ? begin : r.end, begin + step < r.end ? begin + step : r.end};
    return piece;
}

static wr_status name_file(const char *dir, size_t i, char path[PATH_CAP]) {
    char name[64];
    snprintf(name, sizeof name, "optimizer-%05zu.safetensors", i);
    return path_join(path, dir, i ? name : moments_first_file);
}

/* What rank 0 puts a piece in. */
static wr_status make_room(world *w, size_t of, adamw *room) {
    const size_t ranks = (size_t)world_size(w), most = of / ranks / PIECES + 3 * LINE;
    return world_agree(w, world_rank(w) == 0 ? adamw_create(most, room) : WR_OK);
}

static void move_piece(world *w, int from, int to, float_range r, const adamw *whole_from, adamw *whole_to) {
    const size_t n = r.end - r.begin;
    for (int k = 0; k < 2; k++) {
        const float *x = k ? whole_from->v : whole_from->m;
        float *y = k ? whole_to->v : whole_to->m;
        reduce_move(w, from, to, x ? x + (r.begin - whole_from->begin) : NULL,
                    y ? y + (r.begin - whole_to->begin) : NULL, n);
    }
}

wr_status moments_save(world *w, const char *dir, const adamw *a, size_t of, wr_status ready) {
    wr_status status = WR_OK;
    const size_t ranks = (size_t)world_size(w);
    const bool root = world_rank(w) == 0;
    char path[PATH_CAP];
    adamw room = {0};
    if (a->n == of) {
        if (!root || ready < 0) return ready;
        TRY(name_file(dir, 0, path));
        return moments_write(path, a, of);
    }
    TRY(make_room(w, of, &room));
    for (size_t i = 0; i < ranks * PIECES; i++) {
        const float_range r = piece_at(of, ranks, i);
        const int owner = (int)(i / PIECES);
        room.begin = r.begin;
        room.n = r.end - r.begin;
        if (r.begin == r.end && i) continue;
        if (root || world_rank(w) == owner) move_piece(w, owner, 0, r, a, &room);
        if (!root || ready < 0) continue;
        ready = name_file(dir, i, path);
        if (ready >= 0) ready = moments_write(path, &room, of);
    }
    status = ready;
cleanup:
    adamw_free(&room);
    return status;
}

wr_status moments_save_own(const char *dir, const adamw *a, size_t of, size_t ranks, size_t rank) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    if (a->n == of) {
        if (rank > 0) return WR_OK;
        TRY(name_file(dir, 0, path));
        return moments_write(path, a, of);
    }
    for (size_t i = rank * PIECES; i < (rank + 1) * PIECES; i++) {
        const float_range r = piece_at(of, ranks, i);
        if (r.begin == r.end && i) continue;
        const adamw piece = {
            .m = a->m + (r.begin - a->begin), .v = a->v + (r.begin - a->begin), .begin = r.begin, .n = r.end - r.begin};
        TRY(name_file(dir, i, path));
        TRY(moments_write(path, &piece, of));
    }
cleanup:
    return status;
}

/* The files of moments in a folder, in their order. */
static wr_status list_files(const char *dir, char ***paths, size_t *n) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP];
    size_t count = 0;
    *n = 0;
    TRY(dir_list(dir, "optimizer-", ".safetensors", &names, &count));
    *paths = mem_calloc(count + 1, sizeof **paths);
    TRY_ALLOC(*paths);
    for (size_t i = 0; i <= count; i++) {
        TRY(path_join(path, dir, i ? names[i - 1] : moments_first_file));
        TRY_ALLOC((*paths)[(*n)++] = mem_strdup(path));
    }
cleanup:
    if (names) names_free(names, count);
    return status;
}

wr_status moments_load(world *w, const char *dir, adamw *a, size_t of) {
    wr_status status = WR_OK;
    const size_t ranks = (size_t)world_size(w);
    const bool root = world_rank(w) == 0, whole = a->n == of;
    char **paths = NULL;
    size_t n = 0;
    adamw room = {0};
    if (root) status = list_files(dir, &paths, &n);
    TRY(world_agree(w, status));
    if (whole) {
        TRY(world_agree(w, root ? moments_read((const char *const *)paths, n, of, a) : WR_OK));
        TRY(reduce_bcast(w, 0, a->m, a->n));
        TRY(reduce_bcast(w, 0, a->v, a->n));
        goto cleanup;
    }
    TRY(make_room(w, of, &room));
    for (size_t i = 0; i < ranks * PIECES; i++) {
        const float_range r = piece_at(of, ranks, i);
        const int owner = (int)(i / PIECES);
        room.begin = r.begin;
        room.n = r.end - r.begin;
        if (r.begin == r.end) continue;
        if (root && status >= 0) status = moments_read((const char *const *)paths, n, of, &room);
        if (root || world_rank(w) == owner) move_piece(w, 0, owner, r, &room, a);
    }
    status = world_agree(w, status);
cleanup:
    if (paths) names_free(paths, n);
    adamw_free(&room);
    return status;
}
