/* The model annotator under MPI: from weights that are mapped or shared by the ranks of a host, each rank gives the
 * turns the answers that rank 0 gives; a directory that cannot be read fails everywhere. */
#include "base/file.h"
#include "cli/annotator_model.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tiny_tokenizer.h"

static world *the_world;
#include "mpi_check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TURNS = 6 };

/* By rank 0: tokenizer and random weights, stored as `stored`. */
static void write_model(const char *dir, precision stored) {
    tokenizer *t = tiny_tokenizer(dir, 262, (const char *const[]){"no no yes yes"}, 1);
    model_config c =
        tiny_config("layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=4096,tied=0", tokenizer_vocab(t));
    c.init_std = 0.4;
    c.bos_id = c.eos_id = c.pad_id = -1;
    model *m = tiny_model(c, 9);
    CHECK(model_save(m, dir, NULL, NULL, stored) == WR_OK);
    model_free(m);
    tokenizer_free(t);
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
    strbuf mine = {0}, first = {0};
    char dir[PATH_CAP];
    folder_set_up_shared(the_world);
    strcpy(dir, test_folder());
    if (world_rank(the_world) == 0) write_model(dir, stored);
    world_barrier(the_world);
    const option_group groups[] = {{.rows = annotator_model_rows}, {0}};
    annotator_model_options how = {0};
    char *argv[] = {"x", "--annotator-model", dir};
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
    folder_tear_down_shared(the_world);
    CHECK(annotator_model_make(&how, the_world, NULL, NULL, &keep, &a) < 0 && a == NULL);
    options_free(o);
    strbuf_free(&mine), strbuf_free(&first);
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
