/* What a run starts from: the model on every rank, and the checks that model, shards and template belong together. */
#ifndef WR_TRAINER_TRAIN_SETUP_H
#define WR_TRAINER_TRAIN_SETUP_H

#include "base/file.h"
#include "data/shard/dataset.h"
#include "trainer/train.h"

typedef struct train_start {
    model *m;
    char tokenizer_dir[PATH_CAP]; /* copied beside saved models by rank 0 */
    char *template_text;          /* reward: recorded in saved models; NULL for lm */
    char *chat_template;          /* reward: the same in Jinja, which others read; NULL for lm */
} train_start;

/* COLLECTIVE. Rank 0 loads --model (or makes --new), the others get it by broadcast. A model whose tokenizer or
 * template is not the shards' is WR_E_MISMATCH. head HEAD_SCORE: a causal LM gets a fresh score head of as many rows as
 * the objective needs for d->meta.classes; a head of another objective is WR_E_MISMATCH. With o->run.lora.rank: fresh
 * adapters, the same on every rank. */
wr_status train_start_open(world *w, const train_options *o, model_head head, const dataset_index *d, train_start *out);
void train_start_close(train_start *s);

/* LOCAL, of a rank that can read --model: tokens of the longest record of labels that a run learns from. */
wr_status train_longest(const train_options *o, size_t *longest);
/* LOCAL. What tells a run's data from others: the side's hash, or one of that and of the records that are learned from
 * (only, NULL: all). */
void train_data_hash(const dataset_index *d, const uint8_t *only, char out[33]);

#endif
