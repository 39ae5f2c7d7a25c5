/* Training and evaluation sequences made of shard records, and their packing into batches. LOCAL. */
#ifndef WR_TRAINER_PACKING_SEQUENCE_H
#define WR_TRAINER_PACKING_SEQUENCE_H

#include "data/shard/shard.h"
#include "model/prefix_tree.h"

typedef struct sequence {
    const int32_t *ids;
    size_t n; /* tokens, at least one */
    /* chats: ascending positions (>= 1) of the tokens to predict; instances: none */
    const uint32_t *targets;
    size_t n_targets;
    int label;     /* instances: 1 … K; chats: 0 */
    double weight; /* instances: how sure the label is */
    /* pairs: ids are the chosen text's n_chosen, then the rejected one's; 0: one text */
    size_t n_chosen;
    float margin;
    const char *id, *user; /* the record's */
} sequence;

/* How records become sequences. */
typedef struct sequence_rule {
    shard_kind kind;
    /* chats are cut at their end; a longer instance is WR_E_FORMAT (the loop leaves those out beforehand) */
    size_t max_length;
    bool loss_on_all; /* chats: every token but the first is a target; otherwise the assistant's */
    int classes;      /* instances: labels must be 1 … classes */
} sequence_rule;

/* Decodes one record; arrays live in a. */
wr_status sequence_decode(const sequence_rule *rule, const void *bytes, size_t n, arena *a, sequence *out);

/* Puts their records' ids before what is said of a number that is none (WR_E_NUMERIC); status as it was. */
wr_status sequences_name(wr_status status, const sequence *s, size_t n);

/* Sequences laid end to end, with what the heads read. Grows; one thread. */
typedef struct packed {
    token_batch batch; /* points into the arrays below */
    int32_t *ids;
    size_t ids_capacity; /* (T) */
    size_t *offsets;
    size_t offsets_capacity; /* (B+1) */
    /* (N) hidden rows a head reads: one a target token, or one a sequence */
    size_t *rows;
    size_t rows_capacity;
    int32_t *targets;
    size_t targets_capacity; /* (N) chats: next tokens; instances: labels */
    size_t N;
    prefix_tree tree;    /* packed_fill_shared */
    const int32_t **own; /* scratch (B): where each text begins, its length, its unit */
    size_t *lengths, *group;
    size_t own_capacity, lengths_capacity, group_capacity;
} packed;
/* pad_id: pooling of instances as reward/score.h says. */
wr_status packed_fill(packed *p, const sequence_rule *rule, const sequence *sequences, size_t n, int32_t pad_id);
/* The same, and neighbours with one unit[i], and the two texts of a pair, are packed as a tree by the rule: what they
 * begin with is there once. Where none share anything it is what packed_fill makes of them. */
wr_status packed_fill_shared(packed *p, const sequence_rule *rule, const sequence *sequences, size_t n, int32_t pad_id,
                             const size_t *unit, prefix_rule share);
void packed_free(packed *p);

#endif
