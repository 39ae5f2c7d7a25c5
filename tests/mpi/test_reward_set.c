/* Reward functions: which ones a rollout asks, what each measures, what is missing, and errors that all ranks share. */
#include "rollout/reward_function.h"

static world *the_world;
#include "mpi_check.h"

#include <math.h>

static const char task[] =
    "{\"kind\":\"count\",\"language\":\"en\",\"prompt\":\"Count to 3\",\"subject\":\"\",\"other\":\"\","
    "\"a\":1,\"b\":3}";

static void make_replies(rollout_reply *r) {
    static const char *const texts[] = {"1 2 3", "no", ""};
    for (size_t j = 0; j < 3; j++)
        r[j] = (rollout_reply){.text = texts[j], .text_length = strlen(texts[j]), .reward = 7, .quality = 7};
}

static void test_practice_alone(void **state) {
    (void)state;
    const rollout_options o = {0};
    reward_set *s;
    rollout_reply r[3];
    CHECK(reward_set_open(the_world, PRECISION_F32, &o, &s) == WR_OK);
    CHECK(strcmp(reward_set_hash(s), "") == 0);
    make_replies(r);
    CHECK(reward_set_judge(s, &(prompt){.text = "Count to 3", .text_length = 10, .task_json = task}, r, 3) == WR_OK);
    CHECK(r[0].quality > r[1].quality && r[0].quality <= 1 && r[2].quality >= 0);
    for (size_t j = 0; j < 3; j++) CHECK(isnan(r[j].reward)); /* nobody gives one */
    make_replies(r);
    CHECK(reward_set_judge(s, &(prompt){.text = "Count to 3", .text_length = 10}, r, 3) == WR_OK);
    for (size_t j = 0; j < 3; j++) CHECK(isnan(r[j].quality) && isnan(r[j].reward));
    reward_set_close(s);
    reward_set_close(NULL);
}

static void test_table(void **state) {
    (void)state;
    for (const reward_function *const *f = reward_functions; *f; f++) {
        CHECK((*f)->name && (*f)->options && (*f)->judge && !(*f)->open == !(*f)->close);
        for (const reward_function *const *g = reward_functions; g < f; g++) CHECK(strcmp((*f)->name, (*g)->name) != 0);
    }
}

/* A folder that is no model: every rank hears of it, and nothing stays open. */
static void test_no_model(void **state) {
    (void)state;
    const rollout_options o = {.reward_dir = "/nowhere/at/all"};
    reward_set *s = NULL;
    CHECK(reward_set_open(the_world, PRECISION_F32, &o, &s) < 0 && !s);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_practice_alone),
                                       cmocka_unit_test(test_no_model)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
