/* Shards, *.wrs. Little-endian.
 *
 *   header   "WRSHARD1" (8), u32 format version = 1, u32 bytes of meta, meta (msgpack map: kind "reward"|"chat",
 * tokenizer hash, template hash, classes), u64 XXH64 of all header bytes before it frame*   one zstd frame of
 * concatenated msgpack records (a plain `zstd -d` of the slice and any msgpack tool read it) footer   msgpack map:
 * frames [[offset, bytes, raw bytes, records, tokens, xxh64 of the compressed bytes] …], users [[name, records] …],
 *            labels histogram, record lengths (tokens of every record, in order)
 *   trailer  u64 footer offset, u64 footer bytes, u64 XXH64 of the footer, "WRSFOOT1" (8)
 *
 * A reader checks all of it: a damaged shard is WR_E_FORMAT naming file and frame, never a wrong record. */
#ifndef WR_DATA_SHARD_SHARD_H
#define WR_DATA_SHARD_SHARD_H

#include "reward/instance.h"

typedef enum shard_kind { SHARD_REWARD, SHARD_CHAT } shard_kind;

typedef struct shard_meta {
    shard_kind kind;
    int classes;             /* K; 0 for chats */
    char tokenizer_hash[33]; /* "" with --no-tokens */
    char template_hash[33];
} shard_meta;

/* Frame and shard sizes the writer aims at. */
#define SHARD_FRAME_RECORDS 256

typedef struct shard_writer shard_writer;
/* Writes path under a temporary name; shard_writer_commit renames. */
wr_status shard_writer_create(const char *path, const shard_meta *meta, shard_writer **out);
wr_status shard_writer_add_instance(shard_writer *w, const instance *x);
wr_status shard_writer_add_chat(shard_writer *w, const chat_record *x);
/* A frame made elsewhere (data/shard/frame_builder.h), by a builder of the same kind and classes. */
typedef struct built_frame built_frame;
wr_status shard_writer_add_frame(shard_writer *w, const built_frame *f);
wr_status shard_writer_commit(shard_writer **w); /* frees, *w = NULL */
void shard_writer_discard(shard_writer *w);      /* NULL is fine */

typedef struct shard_frame {
    uint64_t offset, bytes, raw_bytes;
    uint32_t records;
    uint64_t tokens, checksum;
} shard_frame;

typedef struct shard_reader shard_reader;
wr_status shard_reader_open(const char *path, shard_reader **out); /* header, footer and trailer checked */
void shard_reader_close(shard_reader *r);
const shard_meta *shard_reader_meta(const shard_reader *r);
size_t shard_reader_frames(const shard_reader *r);
const shard_frame *shard_reader_frame(const shard_reader *r, size_t i);
size_t shard_reader_records(const shard_reader *r);
const uint32_t *shard_reader_lengths(const shard_reader *r);      /* (records) tokens of each record */
const uint64_t *shard_reader_label_counts(const shard_reader *r); /* (classes) */
uint64_t shard_reader_hash(const shard_reader *r); /* of header and footer, which covers the frames' checksums */
size_t shard_reader_users(const shard_reader *r);
const char *shard_reader_user(const shard_reader *r, size_t i, uint64_t *records);

/* Decodes frame i into a: exactly one of the arrays is filled, by kind. Strings and arrays live in a. */
wr_status shard_read_instances(shard_reader *r, size_t frame, arena *a, instance **out, size_t *n);
wr_status shard_read_chats(shard_reader *r, size_t frame, arena *a, chat_record **out, size_t *n);
/* Raw msgpack objects of a frame, undecoded: for handing records to another rank. Each record's bytes (pointers into
 * *raw). */
wr_status shard_read_raw(shard_reader *r, size_t frame, strbuf *raw, size_t **record_offsets /* (n+1), free() */,
                         size_t *n);
/* Decodes one record's msgpack bytes. */
wr_status instance_decode(const void *bytes, size_t n, arena *a, instance *out);
wr_status chat_decode(const void *bytes, size_t n, arena *a, chat_record *out);

#endif
