/* A folder of shards as one list of records: index, training order, and reading by record number. */
#include "data/shard/dataset.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* Frames whose records are mixed with each other in the training order; the reader keeps this many decoded. */
enum { WINDOW_FRAMES = 16, CACHE_FRAMES = WINDOW_FRAMES + 2 };

void dataset_index_free(dataset_index *d) {
    if (!d) return;
    names_free(d->names, d->n_shards);
    free(d->hashes);
    free(d->frames);
    free(d->lengths);
    *d = (dataset_index){0};
}

static bool same_meta(const shard_meta *a, const shard_meta *b) {
    return a->kind == b->kind && a->classes == b->classes && strcmp(a->tokenizer_hash, b->tokenizer_hash) == 0 &&
           strcmp(a->template_hash, b->template_hash) == 0;
}

wr_status dataset_index_load(const char *dir, const char *prefix, dataset_index *out) {
    wr_status status = WR_OK;
    shard_reader *r = NULL;
    dataset_index d = {0};
    size_t frame_capacity = 0, length_capacity = 0;
    strbuf all = {0};
    char path[PATH_CAP];
    *out = (dataset_index){0};
    TRY(dir_list(dir, prefix, ".wrs", &d.names, &d.n_shards));
    if (!d.n_shards) TRY(wr_fail(WR_E_IO, "%s: no shard %s*.wrs here; make it with: wildreward prepare", dir, prefix));
    TRY_ALLOC(d.hashes = mem_calloc(d.n_shards, sizeof *d.hashes));
    for (size_t s = 0; s < d.n_shards; s++) {
        TRY(path_join(path, dir, d.names[s]));
        TRY(shard_reader_open(path, &r));
        const shard_meta *meta = shard_reader_meta(r);
        if (s == 0) d.meta = *meta;
        if (!same_meta(meta, &d.meta)) {
            TRY(wr_fail(WR_E_MISMATCH, "%s: made with another tokenizer, template or class count than %s beside it",
                        path, d.names[0]));
        }
        d.hashes[s] = shard_reader_hash(r);
        strbuf_printf(&all, "%s %016llx\n", d.names[s], (unsigned long long)d.hashes[s]);
        size_t records = shard_reader_records(r), frames = shard_reader_frames(r);
        if (d.n_records + records > UINT32_MAX) TRY(wr_fail(WR_E_FORMAT, "%s: more than 4 billion records", dir));
        uint64_t first = d.n_records;
        TRY(mem_reserve((void **)&d.frames, &frame_capacity, d.n_frames + frames + 1, sizeof *d.frames));
        for (size_t f = 0; f < frames; f++) {
            uint32_t count = shard_reader_frame(r, f)->records;
            d.frames[d.n_frames].shard = (uint32_t)s;
            d.frames[d.n_frames].frame = (uint32_t)f;
            d.frames[d.n_frames].records = count;
            d.frames[d.n_frames++].first_record = first;
            first += count;
        }
        TRY(mem_reserve((void **)&d.lengths, &length_capacity, d.n_records + records + 1, sizeof *d.lengths));
        if (records) memcpy(d.lengths + d.n_records, shard_reader_lengths(r), records * sizeof *d.lengths);
        d.n_records += records;
        shard_reader_close(r);
        r = NULL;
    }
    TRY(strbuf_status(&all));
    hash_hex(all.data, all.len, d.hash);
    *out = d;
    d = (dataset_index){0};
cleanup:
    shard_reader_close(r);
    strbuf_free(&all);
    dataset_index_free(&d);
    return status;
}

/* Frames are shuffled, then the runs of each window of frames. */
wr_status dataset_order_runs(const dataset_index *d, const uint8_t *continues, uint64_t seed, uint64_t epoch,
                             uint32_t *order) {
    wr_status status = WR_OK;
    uint32_t *frames = mem_calloc(d->n_frames + 1, sizeof *frames);
    uint32_t *runs = mem_calloc(d->n_records + 1, sizeof *runs); /* the first record of each, of a window */
    TRY_ALLOC(frames);
    TRY_ALLOC(runs);
    for (size_t i = 0; i < d->n_frames; i++) frames[i] = (uint32_t)i;
    rng r = rng_make(seed, RNG_ORDER, epoch, 0, 0);
    rng_shuffle(&r, frames, d->n_frames);
    size_t at = 0;
    for (size_t w = 0; w < d->n_frames; w += WINDOW_FRAMES) {
        size_t n = 0, end = w + WINDOW_FRAMES < d->n_frames ? w + WINDOW_FRAMES : d->n_frames;
        for (size_t i = w; i < end; i++) {
            const uint64_t first = d->frames[frames[i]].first_record;
            for (uint64_t k = first; k < first + d->frames[frames[i]].records; k++)
                if (!continues || !continues[k]) runs[n++] = (uint32_t)k;
        }
        r = rng_make(seed, RNG_ORDER, epoch, 1, w);
        rng_shuffle(&r, runs, n);
        for (size_t i = 0; i < n; i++) {
            uint32_t k = runs[i];
            do order[at++] = k++;
            while (continues && k < d->n_records && continues[k]);
        }
    }
cleanup:
    free(frames);
    free(runs);
    return status;
}

wr_status dataset_order(const dataset_index *d, uint64_t seed, uint64_t epoch, uint32_t *order) {
    return dataset_order_runs(d, NULL, seed, epoch, order);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

typedef struct cached_frame {
    size_t frame;
    uint64_t used; /* time of last use; 0 = empty */
    strbuf raw;
    size_t *offsets;
} cached_frame;

struct dataset_reader {
    char *dir;
    const dataset_index *index;
    shard_reader **shards; /* opened when first needed */
    cached_frame cache[CACHE_FRAMES];
    uint64_t clock;
};

wr_status dataset_reader_open(const char *dir, const dataset_index *d, dataset_reader **out) {
    wr_status status = WR_OK;
    dataset_reader *r = mem_calloc(1, sizeof *r);
    TRY_ALLOC(r);
    r->index = d;
    TRY_ALLOC(r->dir = mem_strdup(dir));
    TRY_ALLOC(r->shards = mem_calloc(d->n_shards + 1, sizeof(shard_reader *)));
    *out = r;
    r = NULL;
cleanup:
    dataset_reader_close(r);
    return status;
}

void dataset_reader_close(dataset_reader *r) {
    if (!r) return;
    for (size_t s = 0; r->shards && s < r->index->n_shards; s++) shard_reader_close(r->shards[s]);
    for (size_t i = 0; i < CACHE_FRAMES; i++) {
        strbuf_free(&r->cache[i].raw);
        free(r->cache[i].offsets);
    }
    free(r->shards);
    free(r->dir);
    free(r);
}

static wr_status open_shard(dataset_reader *r, size_t s, shard_reader **out) {
    wr_status status = WR_OK;
    if (!r->shards[s]) {
        char path[PATH_CAP];
        shard_reader *fresh = NULL;
        TRY(path_join(path, r->dir, r->index->names[s]));
        TRY(shard_reader_open(path, &fresh));
        if (shard_reader_hash(fresh) != r->index->hashes[s]) {
            shard_reader_close(fresh);
            TRY(wr_fail(WR_E_MISMATCH,
                        "%s: differs from the shard that was indexed; is the folder the same on every host?", path));
        }
        r->shards[s] = fresh;
    }
    *out = r->shards[s];
cleanup:
    return status;
}

static wr_status fetch_frame(dataset_reader *r, size_t frame, cached_frame **out) {
    wr_status status = WR_OK;
    cached_frame *slot = &r->cache[0];
    for (size_t i = 0; i < CACHE_FRAMES; i++) {
        cached_frame *c = &r->cache[i];
        if (c->used && c->frame == frame) {
            c->used = ++r->clock;
            *out = c;
            return WR_OK;
        }
        if (c->used < slot->used) slot = c;
    }
    shard_reader *shard;
    size_t n;
    slot->used = 0;
    free(slot->offsets);
    slot->offsets = NULL;
    TRY(open_shard(r, r->index->frames[frame].shard, &shard));
    TRY(shard_read_raw(shard, r->index->frames[frame].frame, &slot->raw, &slot->offsets, &n));
    slot->frame = frame;
    slot->used = ++r->clock;
    *out = slot;
cleanup:
    return status;
}

wr_status dataset_read(dataset_reader *r, uint32_t record, const void **bytes, size_t *n) {
    const dataset_index *d = r->index;
    if (record >= d->n_records)
        return wr_fail(WR_E_USAGE, "%s: no record %u, it has %zu", r->dir, record, d->n_records);
    size_t low = 0, high = d->n_frames; /* last frame whose first record is <= record */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (d->frames[middle].first_record <= record)
            low = middle;
        else
            high = middle;
    }
    cached_frame *c = NULL;
    wr_status status = fetch_frame(r, low, &c);
    if (status < 0) return status;
    size_t i = record - d->frames[low].first_record;
    *bytes = c->raw.data + c->offsets[i];
    *n = c->offsets[i + 1] - c->offsets[i];
    return WR_OK;
}
