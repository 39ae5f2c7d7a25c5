#include "data/shard/shard_union.h"

#include "base/hash.h"
#include "base/mem.h"
#include "mpi/wire.h"

#include <stdlib.h>
#include <string.h>

/* --- who holds what ----------------------------------------------------------------------------------------------- */

wr_status shard_bounds(const dataset_index *d, uint32_t **out) {
    *out = mem_calloc(d->n_shards + 1, sizeof **out);
    if (!*out) return WR_E_NOMEM;
    for (size_t f = 0; f < d->n_frames; f++) (*out)[d->frames[f].shard + 1] += d->frames[f].records;
    for (size_t s = 0; s < d->n_shards; s++) (*out)[s + 1] += (*out)[s];
    return WR_OK;
}

static wr_status pack_cards(const dataset_index *d, strbuf *out) {
    wr_status status = WR_OK;
    strbuf body = {0};
    msgpack_packer pk;
    wire_packer(&pk, &body);
    msgpack_pack_map(&pk, 1);
    wire_pack_str(&pk, "shards");
    msgpack_pack_array(&pk, d->n_shards);
    for (size_t s = 0; s < d->n_shards; s++) {
        msgpack_pack_array(&pk, 2);
        wire_pack_str(&pk, d->names[s]);
        msgpack_pack_uint64(&pk, d->hashes[s]);
    }
    TRY(strbuf_status(&body));
    TRY(wire_encode(body.data, body.len, out));
cleanup:
    strbuf_free(&body);
    return status;
}

/* One rank's cards, decoded; `names` point into the message. */
typedef struct rank_cards {
    strbuf body;
    msgpack_unpacked message;
    const msgpack_object *shards;
} rank_cards;

static bool card_at(const rank_cards *c, size_t i, const char **name, size_t *n, uint64_t *footer) {
    if (i >= c->shards->via.array.size) return false;
    const msgpack_object *o = &c->shards->via.array.ptr[i];
    if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 2 || o->via.array.ptr[0].type != MSGPACK_OBJECT_STR ||
        o->via.array.ptr[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    *name = o->via.array.ptr[0].via.str.ptr;
    *n = o->via.array.ptr[0].via.str.size;
    *footer = o->via.array.ptr[1].via.u64;
    return true;
}

typedef struct named_card {
    const char *name;
    size_t n;
    uint64_t footer;
    int rank;
} named_card;

static int by_name(const void *a, const void *b) {
    const named_card *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = memcmp(x->name, y->name, n);
    if (c) return c;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->rank - y->rank;
}

static wr_status build(const rank_cards *cards, shard_union *u) {
    wr_status status = WR_OK;
    int ranks = u->ranks;
    size_t total = 0, n = 0;
    for (int r = 0; r < ranks; r++) total += cards[r].shards->via.array.size;
    named_card *list = mem_calloc(total + 1, sizeof *list);
    TRY_ALLOC(list);
    for (int r = 0; r < ranks; r++)
        for (size_t i = 0; i < cards[r].shards->via.array.size; i++, n++) {
            list[n].rank = r;
            if (!card_at(&cards[r], i, &list[n].name, &list[n].n, &list[n].footer))
                TRY(wr_fail(WR_E_FORMAT, "rank %d sent a list of shards that cannot be read", r));
        }
    qsort(list, n, sizeof *list, by_name);
    u->names = mem_calloc(n + 1, sizeof *u->names);
    u->footers = mem_calloc(n + 1, sizeof *u->footers);
    u->holds = mem_calloc((n + 1) * (size_t)ranks, 1);
    TRY_ALLOC(u->names);
    TRY_ALLOC(u->footers);
    TRY_ALLOC(u->holds);
    for (size_t i = 0; i < n; i++) {
        bool fresh = i == 0 || list[i].n != list[i - 1].n || memcmp(list[i].name, list[i - 1].name, list[i].n) != 0;
        if (fresh) {
            u->names[u->n] = mem_strndup(list[i].name, list[i].n);
            u->footers[u->n] = list[i].footer;
            u->n++;
            TRY_ALLOC(u->names[u->n - 1]);
        } else if (list[i].footer != list[i - 1].footer)
            TRY(wr_fail(WR_E_MISMATCH,
                        "%s: ranks %d and %d hold different files of this name; copy one data folder to all hosts",
                        u->names[u->n - 1], list[i - 1].rank, list[i].rank));
        u->holds[(u->n - 1) * (size_t)ranks + (size_t)list[i].rank] = 1;
    }
cleanup:
    free(list);
    return status;
}

static wr_status open_cards(const strbuf *bytes, int rank, rank_cards *c) {
    wr_status status =
        wr_context(wire_decode(bytes->data, bytes->len, &c->body, &c->message), "list of shards from rank %d", rank);
    if (status < 0) return status;
    c->shards = wire_get(&c->message.data, "shards");
    if (c->shards && c->shards->type == MSGPACK_OBJECT_ARRAY) return WR_OK;
    msgpack_unpacked_destroy(&c->message);
    c->shards = NULL;
    return wr_fail(WR_E_FORMAT, "rank %d sent a list of shards that cannot be read", rank);
}

wr_status shard_union_agree(world *w, wr_status mine_status, const char *dir, const dataset_index *own,
                            shard_union *out) {
    wr_status status = mine_status;
    int ranks = world_size(w);
    strbuf mine = {0}, *all = mem_calloc((size_t)ranks, sizeof *all);
    rank_cards *cards = mem_calloc((size_t)ranks, sizeof *cards);
    *out = (shard_union){.ranks = ranks};
    if (!all || !cards) status = wr_fail(WR_E_NOMEM, "out of memory opening %s", dir);
    if (status >= 0) status = pack_cards(own, &mine);
    TRY(world_agree(w, status));
    TRY(world_allgather(w, &mine, all));
    for (int r = 0; r < ranks && status >= 0; r++) status = open_cards(&all[r], r, &cards[r]);
    if (status >= 0) status = build(cards, out);
    TRY(world_agree(w, status));
cleanup:
    for (int r = 0; r < ranks; r++) {
        if (cards && cards[r].shards) msgpack_unpacked_destroy(&cards[r].message);
        if (cards) strbuf_free(&cards[r].body);
        if (all) strbuf_free(&all[r]);
    }
    free(cards);
    free(all);
    strbuf_free(&mine);
    if (status < 0) shard_union_free(out);
    return status;
}

void shard_union_free(shard_union *u) {
    for (size_t i = 0; i < u->n; i++) free(u->names[i]);
    free(u->names);
    free(u->footers);
    free(u->holds);
    *u = (shard_union){0};
}

/* --- the union's index -------------------------------------------------------------------------------------------- */

size_t shard_find(const dataset_index *d, const char *name) {
    for (size_t s = 0; s < d->n_shards; s++)
        if (strcmp(d->names[s], name) == 0) return s;
    return SIZE_MAX;
}

static int first_holder(const shard_union *u, size_t shard, int ranks) {
    int r = 0;
    while (r < ranks && !u->holds[shard * (size_t)ranks + (size_t)r]) r++;
    return r;
}

/* parts[r]: index of rank r where it is the first holder of a shard. */
static wr_status merge(const shard_union *u, const dataset_index *parts, int ranks, dataset_index *out) {
    wr_status status = WR_OK;
    size_t n_frames = 0, n_records = 0;
    uint32_t *bounds = NULL;
    *out = (dataset_index){.n_shards = 0};
    for (int r = 0; r < ranks; r++) {
        n_frames += parts[r].n_frames;
        n_records += parts[r].n_records;
    }
    out->names = mem_calloc(u->n + 1, sizeof *out->names);
    out->hashes = mem_calloc(u->n + 1, sizeof *out->hashes);
    out->frames = mem_calloc(n_frames + 1, sizeof *out->frames);
    out->lengths = mem_calloc(n_records + 1, sizeof *out->lengths);
    TRY_ALLOC(out->names);
    TRY_ALLOC(out->hashes);
    TRY_ALLOC(out->frames);
    TRY_ALLOC(out->lengths);
    for (size_t s = 0; s < u->n; s++) {
        const dataset_index *p = &parts[first_holder(u, s, ranks)];
        size_t from = shard_find(p, u->names[s]);
        if (from == SIZE_MAX)
            TRY(wr_fail(WR_E_PEER, "%s: a rank listed this shard but did not send its index", u->names[s]));
        if (s == 0)
            out->meta = p->meta;
        else if (memcmp(out->meta.tokenizer_hash, p->meta.tokenizer_hash, 33) != 0 ||
                 out->meta.classes != p->meta.classes ||
                 memcmp(out->meta.template_hash, p->meta.template_hash, 33) != 0)
            TRY(wr_fail(WR_E_MISMATCH,
                        "%s: made with another tokenizer, template or number of classes than the shards before it",
                        u->names[s]));
        TRY(shard_bounds(p, &bounds));
        for (size_t f = 0; f < p->n_frames; f++) {
            if (p->frames[f].shard != from) continue;
            out->frames[out->n_frames] = p->frames[f];
            out->frames[out->n_frames].shard = (uint32_t)s;
            out->frames[out->n_frames].first_record = out->n_records + (p->frames[f].first_record - bounds[from]);
            out->n_frames++;
        }
        size_t records = bounds[from + 1] - bounds[from];
        memcpy(out->lengths + out->n_records, p->lengths + bounds[from], records * sizeof *out->lengths);
        out->n_records += records;
        out->hashes[s] = u->footers[s];
        out->names[s] = mem_strdup(u->names[s]);
        out->n_shards++;
        TRY_ALLOC(out->names[s]);
        free(bounds);
        bounds = NULL;
    }
cleanup:
    free(bounds);
    return status;
}

/* As dataset_index_load makes it from one whole folder. */
static wr_status hash_union(const shard_union *u, char out[33]) {
    strbuf b = {0};
    for (size_t i = 0; i < u->n; i++) strbuf_printf(&b, "%s %016llx\n", u->names[i], (unsigned long long)u->footers[i]);
    wr_status status = strbuf_status(&b);
    if (status >= 0) hash_hex(b.data, b.len, out);
    strbuf_free(&b);
    return status;
}

wr_status shard_union_index(world *w, const shard_union *u, const dataset_index *own, dataset_index *out) {
    wr_status status = WR_OK;
    int ranks = u->ranks, me = world_rank(w);
    bool send = false; /* each shard's index comes from its first holder */
    strbuf mine = {0}, *all = mem_calloc((size_t)ranks, sizeof *all);
    dataset_index *parts = mem_calloc((size_t)ranks, sizeof *parts);
    status = all && parts ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory gathering the index of the shards");
    for (size_t i = 0; i < u->n; i++) send |= first_holder(u, i, ranks) == me;
    if (status >= 0 && send) status = dataset_index_pack(own, &mine);
    TRY(world_agree(w, status));
    TRY(world_allgather(w, &mine, all));
    for (int r = 0; r < ranks && status >= 0; r++)
        if (all[r].len)
            status = wr_context(dataset_index_unpack(all[r].data, all[r].len, &parts[r]), "index from rank %d", r);
    if (status >= 0) status = merge(u, parts, ranks, out);
    if (status >= 0) status = hash_union(u, out->hash);
    TRY(world_agree(w, status));
cleanup:
    for (int r = 0; r < ranks; r++) {
        if (all) strbuf_free(&all[r]);
        if (parts) dataset_index_free(&parts[r]);
    }
    free(all);
    free(parts);
    strbuf_free(&mine);
    return status;
}
