/* A folder of shards as prepare writes it:
 *   meta.json                 format, seed, tokenizer and template hashes, classes, counts of every stage (the funnel)
 *   tokenizer.json (+ tokenizer_config.json), template.txt
 *   reward-train-00000.wrs …  reward-test-….wrs   chats-train-….wrs   chats-test-….wrs
 *   turns.jsonl.zst           every follow-up and what became of it       users.jsonl.zst
 * {"user","split","turns","instances"} Record order over a dataset is a pure function of (seed, epoch, footer indexes):
 * shuffled frames, then a shuffled window. */
#ifndef WR_DATA_SHARD_DATASET_H
#define WR_DATA_SHARD_DATASET_H

#include "data/shard/shard.h"

/* What every rank needs to plan batches; comes from the footers and can be sent to ranks that cannot read the files. */
typedef struct dataset_index {
    shard_meta meta;
    size_t n_shards;
    char **names; /* (n_shards) file names inside the folder */
    /* (n_shards) shard_reader_hash: a reader compares it, so that ranks with stale copies are found */
    uint64_t *hashes;
    size_t n_frames, n_records;
    struct {
        uint32_t shard, frame, records;
        uint64_t first_record;
    } * frames;        /* (n_frames) */
    uint32_t *lengths; /* (n_records) tokens */
    char hash[33];     /* of all footers: identifies the data */
} dataset_index;

/* Reads the footers of DIR/<prefix>*.wrs ("reward-train-", "chats-test-" …). WR_E_IO when there is none. LOCAL. */
wr_status dataset_index_load(const char *dir, const char *prefix, dataset_index *out);
void dataset_index_free(dataset_index *d);
wr_status dataset_index_pack(const dataset_index *d, strbuf *out); /* msgpack body */
wr_status dataset_index_unpack(const void *bytes, size_t n, dataset_index *out);

/* order: (n_records) record indices in training order of this epoch. LOCAL, the same everywhere. */
wr_status dataset_order(const dataset_index *d, uint64_t seed, uint64_t epoch, uint32_t *order);
/* The same of runs: record i follows i - 1 where continues[i] is not 0, which no frame's first is; runs are mixed as
 * records are otherwise. NULL: each record is a run. */
wr_status dataset_order_runs(const dataset_index *d, const uint8_t *continues, uint64_t seed, uint64_t epoch,
                             uint32_t *order);

/* Fetches records by index, with a small cache of decoded frames. LOCAL; one thread. */
typedef struct dataset_reader dataset_reader;
wr_status dataset_reader_open(const char *dir, const dataset_index *d, dataset_reader **out);
void dataset_reader_close(dataset_reader *r);
/* msgpack bytes of one record; valid until the next call. */
wr_status dataset_read(dataset_reader *r, uint32_t record, const void **bytes, size_t *n);

#endif
