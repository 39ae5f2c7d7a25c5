/* The model annotator under MPI: from weights that are mapped or shared by the ranks of a host, each rank gives the
 * turns the answers that rank 0 gives; a directory that cannot be read fails everywhere. */
#include "base/file.h"
#include "cli/annotator_model.h"

static world *the_world;
#include "mpi_check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TURNS = 6 };

/* By rank 0: tokenizer and random weights, stored as `stored`. */
static void write_model(const char *dir, precision stored) {
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    bpe_trainer *b = NULL;
    tokenizer *t = NULL;
    model *m = NULL;
    CHECK(bpe_trainer_create(262, special, &b) == WR_OK && bpe_trainer_add(b, "no no yes yes", 13) == WR_OK &&
          bpe_trainer_finish(b, dir) == WR_OK);
    CHECK(tokenizer_load(dir, &t) == WR_OK);
    model_config c = {.C = 32,
                      .H = 4,
                      .G = 2,
                      .D = 8,
                      .F = 64,
                      .V = tokenizer_vocab(t),
                      .L = 2,
                      .max_positions = 4096,
                      .rope_theta = 10000,
                      .norm_eps = 1e-5,
                      .head = HEAD_LM,
                      .init_std = 0.4,
                      .bos_id = -1,
                      .eos_id = -1,
                      .pad_id = -1};
    CHECK(model_create(&c, &m) == WR_OK && model_alloc_params(m) == WR_OK);
    model_init_params(m, 9);
    CHECK(model_save(m, dir, NULL, NULL, stored) == WR_OK);
    model_free(m);
    tokenizer_free(t);
    bpe_trainer_free(b);
}

/* The levels and the fingerprint, as bytes. */
static void annotate(annotator *a, strbuf *out) {
    chat_message m[TURNS][3];
    annotated_turn turns[TURNS];
    int8_t level[TURNS];
    static const char *const texts[] = {"no",  "yes, thanks", "what is 2 + 2?", "4", "wrong again", "more, please",
                                        "why", "..."};
    for (size_t i = 0; i < TURNS; i++) {
        for (size_t k = 0; k < 3; k++) {
            const char *s = texts[(3 * i + k * k) % 8];
            m[i][k] = (chat_message){k == 1 ? "assistant" : "user", s, strlen(s), NULL};
        }
        turns[i] = (annotated_turn){
            .id = "c", .turn = (int64_t)i, .history = m[i], .query = &m[i][0], .reply = &m[i][1], .followup = &m[i][2]};
    }
    CHECK(a->levels(a, turns, TURNS, level) == WR_OK);
    strbuf_append(out, level, sizeof level);
    strbuf_append(out, &a->fingerprint, sizeof a->fingerprint);
}

static void check_stored(precision stored) {
    strbuf name = {0}, mine = {0}, first = {0};
    char dir[] = "/tmp/wr-ranks-XXXXXX";
    if (world_rank(the_world) == 0) {
        CHECK(mkdtemp(dir) != NULL);
        write_model(dir, stored);
    }
    strbuf_puts(&name, dir);
    CHECK(world_bcast(the_world, 0, &name) == WR_OK);
    const option_group groups[] = {{.rows = annotator_model_rows}, {0}};
    annotator_model_options how = {0};
    char *argv[] = {"x", "--annotator-model", name.data};
    options *o = NULL;
    bool help;
    annotator_model keep;
    annotator *a = NULL;
    CHECK(options_parse(groups, 3, argv, &o, &help) == WR_OK && options_fill(o, &how, sizeof how) == WR_OK);
    CHECK(annotator_model_make(&how, the_world, NULL, NULL, &keep, &a) == WR_OK);
    annotate(a, &mine);
    strbuf_append(&first, mine.data, mine.len);
    CHECK(world_bcast(the_world, 0, &first) == WR_OK);
    CHECK(first.len == mine.len && memcmp(first.data, mine.data, mine.len) == 0);
    annotator_free(a);
    annotator_model_free(&keep);
    world_barrier(the_world);
    if (world_rank(the_world) == 0) CHECK(dir_remove_tree(name.data) == WR_OK);
    world_barrier(the_world);
    CHECK(annotator_model_make(&how, the_world, NULL, NULL, &keep, &a) < 0 && a == NULL);
    options_free(o);
    strbuf_free(&name), strbuf_free(&mine), strbuf_free(&first);
}

static void test_mapped(void **state) {
    (void)state;
    check_stored(PRECISION_F32);
}

static void test_converted(void **state) {
    (void)state;
    check_stored(PRECISION_BF16);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mapped), cmocka_unit_test(test_converted)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
