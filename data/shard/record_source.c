#include "data/shard/record_source.h"

#include "base/log.h"
#include "base/mem.h"
#include "mpi/wire.h"
#include "data/shard/shard_union.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record_source {
    world *w;
    dataset_index all;      /* the union */
    dataset_index own;      /* what this rank reads; n_shards = 0 without access */
    dataset_reader *reader; /* over own */
    uint32_t *first;        /* (all.n_shards + 1) first record of each shard */
    uint32_t *own_first;    /* (all.n_shards) first record of the shard in own */
    shard_union shards;
    bool exchange; /* some rank lacks some shard */
    uint64_t received;
    strbuf bytes; /* records of the latest fetch */
};

/* Where this rank's own shards lie in the union. */
static wr_status map_own(record_source *s) {
    wr_status status = WR_OK;
    uint32_t *bounds = NULL;
    TRY(shard_bounds(&s->all, &s->first));
    TRY(shard_bounds(&s->own, &bounds));
    s->own_first = mem_calloc(s->all.n_shards + 1, sizeof *s->own_first);
    TRY_ALLOC(s->own_first);
    for (size_t i = 0; i < s->all.n_shards; i++) {
        size_t at = shard_find(&s->own, s->all.names[i]);
        if (at != SIZE_MAX) s->own_first[i] = bounds[at];
    }
cleanup:
    free(bounds);
    return status;
}

/* Agrees on who holds what; `mine` is this rank's status so far, `why` the reason for having no access. */
static wr_status agree_plan(record_source *s, const char *dir, const char *prefix, wr_status mine, const char *why) {
    wr_status status = WR_OK;
    size_t held = 0;
    TRY(shard_union_agree(s->w, mine, dir, &s->own, &s->shards));
    if (!s->shards.n) TRY(wr_fail(WR_E_IO, "%s", why));
    for (size_t i = 0; i < s->shards.n; i++)
        for (int r = 0; r < s->shards.ranks; r++) {
            bool holds = s->shards.holds[i * (size_t)s->shards.ranks + (size_t)r];
            s->exchange |= !holds;
            held += r == world_rank(s->w) && holds;
        }
    if (held < s->shards.n)
        log_info("%s on %s holds %zu of %zu shards %s*: other ranks read for it", dir, world_host(s->w), held,
                 s->shards.n, prefix);
    TRY(shard_union_index(s->w, &s->shards, &s->own, &s->all));
    TRY(world_agree(s->w, map_own(s)));
cleanup:
    return status;
}

wr_status record_source_open(world *w, const char *dir, const char *prefix, record_source **out) {
    wr_status status = WR_OK;
    char why[1024] = "";
    record_source *s = mem_calloc(1, sizeof *s);
    *out = NULL;
    TRY(world_agree(w, s ? WR_OK : WR_E_NOMEM));
    s->w = w;
    status = dataset_index_load(dir, prefix, &s->own);
    if (status == WR_E_IO) { /* no access here: another rank may have it */
        snprintf(why, sizeof why, "%s", wr_error());
        dataset_index_free(&s->own);
        s->own = (dataset_index){.n_shards = 0};
        status = WR_OK;
    } else if (status >= 0)
        status = dataset_reader_open(dir, &s->own, &s->reader);
    TRY(agree_plan(s, dir, prefix, status, why));
    *out = s;
    s = NULL;
cleanup:
    record_source_close(s);
    return status;
}

void record_source_close(record_source *s) {
    if (!s) return;
    dataset_reader_close(s->reader);
    dataset_index_free(&s->all);
    dataset_index_free(&s->own);
    free(s->first);
    free(s->own_first);
    shard_union_free(&s->shards);
    strbuf_free(&s->bytes);
    free(s);
}

const dataset_index *record_source_index(const record_source *s) { return &s->all; }

uint64_t record_source_received(const record_source *s) { return s->received; }

/* --- fetching ----------------------------------------------------------------------------------------------------- */

static size_t shard_of(const record_source *s, uint32_t record) {
    size_t low = 0, high = s->all.n_shards; /* first[low] <= record < first[high] */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (s->first[middle] <= record)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The rank that reads a record of `shard` for `rank`: itself, or one of the holders, spread by rank. */
static int reader_for(const record_source *s, size_t shard, int rank) {
    int ranks = world_size(s->w), n = 0;
    const uint8_t *holds = s->shards.holds + shard * (size_t)ranks;
    if (holds[rank]) return rank;
    for (int r = 0; r < ranks; r++) n += holds[r];
    int pick = rank % n;
    for (int r = 0;; r++)
        if (holds[r] && pick-- == 0) return r;
}

static wr_status read_own(record_source *s, uint32_t record, const void **bytes, size_t *n) {
    if (record >= s->all.n_records)
        return wr_fail(WR_E_FORMAT, "record %u asked for, the data has %zu", record, s->all.n_records);
    size_t shard = shard_of(s, record);
    if (!s->shards.holds[shard * (size_t)world_size(s->w) + (size_t)world_rank(s->w)])
        return wr_fail(WR_E_FORMAT, "%s is not on this rank", s->all.names[shard]);
    return dataset_read(s->reader, record - s->first[shard] + s->own_first[shard], bytes, n);
}

typedef struct mail {
    strbuf *send, *recv;
    int ranks;
} mail;

static void mail_free(mail *m) {
    for (int r = 0; r < m->ranks; r++) {
        if (m->send) strbuf_free(&m->send[r]);
        if (m->recv) strbuf_free(&m->recv[r]);
    }
    free(m->send);
    free(m->recv);
    *m = (mail){0};
}

static wr_status mail_create(mail *m, int ranks) {
    *m = (mail){mem_calloc((size_t)ranks, sizeof(strbuf)), mem_calloc((size_t)ranks, sizeof(strbuf)), ranks};
    return m->send && m->recv ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory exchanging records");
}

static wr_status send_requests(record_source *s, const uint32_t *wanted, size_t n, mail *m) {
    wr_status status = WR_OK;
    strbuf body = {0};
    int me = world_rank(s->w);
    int32_t *list = mem_calloc(n + 1, sizeof *list);
    TRY_ALLOC(list);
    for (int r = 0; r < m->ranks; r++) {
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
            if (reader_for(s, shard_of(s, wanted[i]), me) == r) list[count++] = (int32_t)wanted[i];
        if (r == me || !count) continue;
        msgpack_packer pk;
        strbuf_clear(&body);
        wire_packer(&pk, &body);
        msgpack_pack_map(&pk, 1);
        wire_pack_str(&pk, "want");
        wire_pack_ids(&pk, list, count);
        TRY(strbuf_status(&body));
        TRY(wire_encode(body.data, body.len, &m->send[r]));
    }
cleanup:
    free(list);
    strbuf_free(&body);
    return status;
}

/* Reads what another rank asked for. */
static wr_status answer_request(record_source *s, const strbuf *request, strbuf *reply) {
    wr_status status = WR_OK;
    strbuf body = {0}, out = {0};
    msgpack_unpacked message;
    bool decoded = false;
    int32_t *list = NULL;
    size_t n = 0;
    TRY(wire_decode(request->data, request->len, &body, &message));
    decoded = true;
    TRY(wire_get_ids(&message.data, "want", &list, &n));
    msgpack_packer pk;
    wire_packer(&pk, &out);
    msgpack_pack_map(&pk, 1);
    wire_pack_str(&pk, "records");
    msgpack_pack_array(&pk, n);
    for (size_t i = 0; i < n; i++) {
        const void *bytes;
        size_t size;
        TRY(read_own(s, (uint32_t)list[i], &bytes, &size));
        msgpack_pack_bin(&pk, size);
        msgpack_pack_bin_body(&pk, bytes, size);
    }
    TRY(strbuf_status(&out));
    TRY(wire_encode(out.data, out.len, reply));
cleanup:
    if (decoded) msgpack_unpacked_destroy(&message);
    free(list);
    strbuf_free(&body);
    strbuf_free(&out);
    return status;
}

/* One rank's answer while its records are handed out in order. */
typedef struct answer {
    strbuf body;
    msgpack_unpacked message;
    const msgpack_object *records;
    size_t next;
} answer;

static wr_status open_answer(const strbuf *bytes, int rank, answer *a) {
    wr_status status =
        wr_context(wire_decode(bytes->data, bytes->len, &a->body, &a->message), "records from rank %d", rank);
    if (status < 0) return status;
    a->records = wire_get(&a->message.data, "records");
    if (a->records && a->records->type == MSGPACK_OBJECT_ARRAY) return WR_OK;
    msgpack_unpacked_destroy(&a->message);
    a->records = NULL;
    return wr_fail(WR_E_FORMAT, "records from rank %d cannot be read", rank);
}

static wr_status collect(record_source *s, const uint32_t *wanted, size_t n, answer *answers, record_bytes *out) {
    int me = world_rank(s->w);
    strbuf_clear(&s->bytes);
    for (size_t i = 0; i < n; i++) {
        const void *bytes;
        size_t size;
        int from = reader_for(s, shard_of(s, wanted[i]), me);
        if (from == me) {
            wr_status status = read_own(s, wanted[i], &bytes, &size);
            if (status < 0) return status;
        } else {
            answer *a = &answers[from];
            if (!a->records || a->next >= a->records->via.array.size ||
                a->records->via.array.ptr[a->next].type != MSGPACK_OBJECT_BIN)
                return wr_fail(WR_E_PEER, "rank %d did not send record %u", from, wanted[i]);
            bytes = a->records->via.array.ptr[a->next].via.bin.ptr;
            size = a->records->via.array.ptr[a->next++].via.bin.size;
            s->received++;
        }
        out[i] = (record_bytes){(const void *)(uintptr_t)s->bytes.len, size}; /* offset: the buffer may still move */
        strbuf_append(&s->bytes, bytes, size);
    }
    for (size_t i = 0; i < n; i++) out[i].bytes = s->bytes.data + (uintptr_t)out[i].bytes;
    return strbuf_status(&s->bytes);
}

wr_status record_source_fetch(record_source *s, const uint32_t *wanted, size_t n, record_bytes *out) {
    wr_status status = WR_OK;
    int ranks = world_size(s->w);
    mail requests = {0}, replies = {0};
    answer *answers = NULL;
    if (!s->exchange) return world_agree(s->w, collect(s, wanted, n, NULL, out));
    answers = mem_calloc((size_t)ranks, sizeof *answers);
    status = answers ? mail_create(&requests, ranks) : WR_E_NOMEM;
    if (status >= 0) status = mail_create(&replies, ranks);
    if (status >= 0) status = send_requests(s, wanted, n, &requests);
    TRY(world_agree(s->w, status));
    TRY(world_exchange(s->w, requests.send, requests.recv));
    for (int r = 0; r < ranks && status >= 0; r++)
        if (requests.recv[r].len)
            status = wr_context(answer_request(s, &requests.recv[r], &replies.send[r]), "reading for rank %d", r);
    TRY(world_agree(s->w, status));
    TRY(world_exchange(s->w, replies.send, replies.recv));
    for (int r = 0; r < ranks && status >= 0; r++)
        if (replies.recv[r].len) status = open_answer(&replies.recv[r], r, &answers[r]);
    if (status >= 0) status = collect(s, wanted, n, answers, out);
    TRY(world_agree(s->w, status));
cleanup:
    for (int r = 0; answers && r < ranks; r++) {
        if (answers[r].records) msgpack_unpacked_destroy(&answers[r].message);
        strbuf_free(&answers[r].body);
    }
    free(answers);
    mail_free(&requests);
    mail_free(&replies);
    return status;
}
