/* prepare as a whole on a small made-up file: bad rows counted, users apart, labels right, same bytes again, nothing
 * left behind. */
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/shard/dataset.h"
#include "data/prepare/prepare.h"
#include "reward/template.h"
#include "tests/support/archives.h"
#include "tests/support/prepared_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USERS = 30 };

static char chats[PATH_CAP], rated[PATH_CAP];

static void put_rows(void) {
    FILE *f = fopen(chats, "w");
    assert_non_null(f);
    static const char *const says[] = {"No, that's wrong.", "Great! Now list four more animals, please.",
                                       "This is useless.", "Thanks, perfect!", "And how tall is a giraffe?"};
    for (int i = 0; i < USERS * 5; i++) {
        fprintf(
            f,
            "{\"conversation_hash\":\"c%d\",\"hashed_ip\":\"u%d\",\"language\":\"English\",\"model\":\"m\","
            "\"conversation\":["
            "{\"role\":\"user\",\"content\":\"Please list three animals of the savanna (%d).\",\"turn_identifier\":0},"
            "{\"role\":\"assistant\",\"content\":\"Three animals of the savanna are the lion, the zebra and the "
            "giraffe.\",\"turn_identifier\":1},"
            "{\"role\":\"user\",\"content\":\"%s\",\"turn_identifier\":2},{\"role\":\"assistant\",\"content\":\"ok\","
            "\"turn_identifier\":3}]}\n",
            i, i % USERS, i, says[i % 5]);
        if (i == 3) {
            fputs("not "
                  "json\n[1,2]\n{\"conversation_hash\":\"x\"}\n{\"conversation_hash\":\"y\",\"conversation\":[{"
                  "\"role\":\"user\",\"content\":null}]}\n",
                  f);
            fputs("{\"conversation_hash\":\"z\",\"conversation\":[]}\n{\"a\":\"\xff\"}\n\n", f);
        }
    }
    fputs("{\"conversation_hash\":\"c0\",\"hashed_ip\":\"u0\",\"conversation\":[{\"role\":\"user\",\"content\":"
          "\"again\"}]}\n",
          f);
    fclose(f);
    f = fopen(rated, "w");
    assert_non_null(f);
    for (int i = 0; i < 60; i++)
        fprintf(f, "{\"response\":\"reply %d\",\"label\":%d,\"query\":\"q\",\"user\":\"u%d\"}\n", i, 1 + i % 5, i % 12);
    fputs("{\"response\":\"r\",\"label\":0}\n{\"response\":\"r\",\"label\":1.5}\n{\"label\":1}\n{\"response\":\"r\","
          "\"label\":2,\"history\":7}\n",
          f);
    fputs("{\"response\":\"r\",\"label\":2,\"history\":[{\"role\":\"user\",\"content\":\"h\"}]}\n", f);
    fclose(f);
}

static int set_up(void **state) {
    if (folder_set_up(state) < 0) return -1;
    path_join(chats, test_folder(), "chats.jsonl");
    path_join(rated, test_folder(), "rated.jsonl");
    put_rows();
    return 0;
}

static void users_apart(const char *out) {
    dataset_index d[2];
    arena *a = arena_create();
    char owner[USERS] = {0};
    static const char *const prefixes[2] = {"reward-train-", "reward-test-"};
    static const int label_of[5] = {2, 3, 1, 4, 0};
    for (int s = 0; s < 2; s++) {
        dataset_reader *r;
        assert_int_equal(dataset_index_load(out, prefixes[s], &d[s]), WR_OK);
        assert_int_equal(dataset_reader_open(out, &d[s], &r), WR_OK);
        for (uint32_t i = 0; i < d[s].n_records; i++) {
            const void *bytes;
            size_t n;
            instance x;
            assert_int_equal(dataset_read(r, i, &bytes, &n), WR_OK);
            assert_int_equal(instance_decode(bytes, n, a, &x), WR_OK);
            int user = atoi(x.user + 1), conversation = atoi(x.id + 1);
            assert_int_equal(user, conversation % USERS);
            assert_true(owner[user] == 0 || owner[user] == s + 1);
            owner[user] = (char)(s + 1);
            assert_int_equal(x.label, label_of[conversation % 5]);
            assert_int_equal(x.turn, 2);
            assert_true(x.n_ids > 20);
        }
        dataset_reader_close(r);
        dataset_index_free(&d[s]);
    }
    arena_free(a);
}

/* Frames of the text files have checksums: no flipped bit gives other lines. */
static void text_is_checked(const char *out) {
    static const char *const names[] = {"turns.jsonl.zst", "audit.jsonl.zst", "users.jsonl.zst"};
    char path[PATH_CAP], *bytes;
    rng r = rng_make(4, RNG_TEST, 0, 0, 0);
    strbuf good = {0}, got = {0};
    for (int k = 0; k < 3; k++) {
        size_t n;
        assert_int_equal(path_join(path, out, names[k]), WR_OK);
        assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
        if (n < 9 || !(bytes[4] & 4)) fail_msg("%s: %zu bytes, no checksum in its first frame", path, n);
        strbuf_clear(&good);
        assert_int_equal(read_lines(path, &good), WR_END);
        assert_int_equal(path_join(path, test_folder(), "flipped.jsonl.zst"), WR_OK);
        for (int flip = 0; flip < 200; flip++) {
            size_t bit = (size_t)rng_below(&r, n * 8);
            bytes[bit / 8] ^= (char)(1 << bit % 8);
            assert_int_equal(file_write_atomic(path, bytes, n), WR_OK);
            bytes[bit / 8] ^= (char)(1 << bit % 8);
            strbuf_clear(&got);
            if (read_lines(path, &got) == WR_END) assert_string_equal(strbuf_str(&got), strbuf_str(&good));
        }
        free(bytes);
    }
    strbuf_free(&good);
    strbuf_free(&got);
}

static void wildchat(void **state) {
    (void)state;
    char out[PATH_CAP], again[PATH_CAP], partial[PATH_CAP];
    const char *source[] = {chats};
    arena *a = arena_create();
    path_join(out, test_folder(), "out");
    path_join(again, test_folder(), "again");
    path_join(partial, test_folder(), "out.partial");
    prepare_options o = prepare_options_for(source, out, "wildchat");
    assert_int_equal(prepare_run(&o, NULL), WR_E_FAILED); /* it is done, but for the bad rows */
    assert_error_says("bad");
    const json_value *meta = load_meta(a, out);
    assert_int_equal(counted_in_meta(meta, "rows", "read"), USERS * 5 + 7);
    assert_int_equal(counted_in_meta(meta, "rows", "good"), USERS * 5);
    static const char *const faults[] = {"not JSON", "not an object", "no messages", "invalid UTF-8",
                                         "conversation seen before"};
    for (size_t i = 0; i < 5; i++) assert_int_equal(counted_in_meta(meta, "rows", faults[i]), 1);
    assert_int_equal(counted_in_meta(meta, "rows", "field missing or of a wrong type"), 2);
    assert_int_equal(counted_in_meta(meta, "dropped", "neutral"), USERS);
    int64_t train = counted_in_meta(meta, "kept", "instances, train"),
            test = counted_in_meta(meta, "kept", "instances, test");
    assert_int_equal(train + test, USERS * 4);
    assert_true(test >= USERS * 4 / 10 && test <= USERS * 4 / 8);
    assert_int_equal(lines_of(out, "turns.jsonl.zst"), USERS * 5);
    assert_int_equal(lines_of(out, "users.jsonl.zst"), USERS);
    users_apart(out);
    text_is_checked(out);
    assert_false(dir_exists(partial));

    o.out_dir = again;
    assert_int_equal(prepare_run(&o, NULL), WR_E_FAILED);
    same_folder(out, again);
    assert_int_equal(prepare_run(&o, NULL), WR_E_USAGE); /* there is a prepared set already */
    o.overwrite = true;
    o.no_tokens = true;
    assert_int_equal(prepare_run(&o, NULL), WR_E_FAILED);
    o.out_dir = test_folder(); /* not empty, and not prepared: never replaced */
    assert_int_equal(prepare_run(&o, NULL), WR_E_USAGE);
    assert_true(file_exists(chats));
    arena_free(a);
}

/* Records of one set, each given to check. */
static void each_record(const char *out, const char *prefix, void (*check)(void *context, const instance *x),
                        void *context) {
    dataset_index d;
    dataset_reader *r;
    arena *a = arena_create();
    assert_int_equal(dataset_index_load(out, prefix, &d), WR_OK);
    assert_int_equal(dataset_reader_open(out, &d, &r), WR_OK);
    for (uint32_t i = 0; i < d.n_records; i++) {
        const void *bytes;
        size_t n;
        instance x;
        assert_int_equal(dataset_read(r, i, &bytes, &n), WR_OK);
        assert_int_equal(instance_decode(bytes, n, a, &x), WR_OK);
        check(context, &x);
    }
    dataset_reader_close(r);
    dataset_index_free(&d);
    arena_free(a);
}

typedef struct long_talk {
    tokenizer *tok;
    reward_template *template;
    size_t max_length, seen, shortened;
} long_talk;

/* What the shard holds is what the one template function makes of its texts, with the oldest messages gone and the
 * reply whole. */
static void check_rendering(void *context, const instance *x) {
    long_talk *l = context;
    token_ids ids = {0};
    strbuf text = {0};
    size_t dropped;
    assert_int_equal(reward_template_encode(l->template, l->tok, x->history, x->n_history, x->query, x->query_length,
                                            x->response, x->response_length, l->max_length, &ids, &dropped),
                     WR_OK);
    assert_int_equal(ids.n, x->n_ids);
    assert_memory_equal(ids.ids, x->ids, ids.n * sizeof *ids.ids);
    assert_true(x->n_ids <= l->max_length);
    assert_int_equal(tokenizer_decode(l->tok, x->ids, x->n_ids, false, &text), WR_OK);
    assert_non_null(strstr(text.data, x->response));
    assert_non_null(strstr(text.data, x->query));
    for (size_t i = 0; i < x->n_history; i++)
        assert_true((strstr(text.data, x->history[i].content) != NULL) == (i >= dropped));
    l->seen++;
    l->shortened += dropped > 0;
    token_ids_free(&ids);
    strbuf_free(&text);
}

static void mistake_03_one_template_and_mistake_12_oldest_history_goes_first(void **state) {
    (void)state;
    char out[PATH_CAP], file[PATH_CAP], path[PATH_CAP];
    const char *source[] = {file};
    long_talk l = {.max_length = 700};
    path_join(out, test_folder(), "long");
    path_join(file, test_folder(), "long.jsonl");
    FILE *f = fopen(file, "w");
    for (int c = 0; c < 20; c++) {
        fprintf(f,
                "{\"conversation_hash\":\"long%d\",\"hashed_ip\":\"u%d\",\"language\":\"English\",\"conversation\":[",
                c, c);
        for (int i = 0; i < 8; i++) {
            fprintf(f, "%s{\"role\":\"user\",\"content\":\"%sNow tell me about animal number %d-%d in some detail.\"},",
                    i ? "," : "", i ? "Thanks, that is perfect! " : "", c, i);
            fprintf(f,
                    "{\"role\":\"assistant\",\"content\":\"Animal number %d-%d lives in the savanna, eats grass all "
                    "day long, and sleeps under a tree at night.\"}",
                    c, i);
        }
        fputs("]}\n", f);
    }
    fclose(f);
    prepare_options o = prepare_options_for(source, out, "wildchat");
    o.max_length = l.max_length;
    assert_int_equal(prepare_run(&o, NULL), WR_OK);
    assert_int_equal(tokenizer_load(out, &l.tok), WR_OK);
    path_join(path, out, "template.txt");
    assert_int_equal(reward_template_load(path, &l.template), WR_OK);
    each_record(out, "reward-train-", check_rendering, &l);
    assert_true(l.seen > 50 && l.shortened > 10);
    reward_template_free(l.template);
    tokenizer_free(l.tok);
}

static void seen_once(void *context, const instance *x) {
    char(*ids)[24] = context;
    size_t i = 0;
    for (; ids[i][0]; i++) assert_string_not_equal(ids[i], x->id);
    snprintf(ids[i], sizeof ids[i], "%s", x->id);
}

/* The reference's hindsight loop added a turn once for each later turn that matched. */
static void mistake_08_no_turn_twice(void **state) {
    (void)state;
    char out[PATH_CAP], file[PATH_CAP];
    const char *source[] = {file};
    static char ids[400][24];
    path_join(out, test_folder(), "hindsight");
    path_join(file, test_folder(), "hindsight.jsonl");
    FILE *f = fopen(file, "w");
    for (int c = 0; c < 40; c++) {
        static const char *const says[] = {"How many stripes does zebra %d have on its back, please?",
                                           "And how long are the stripes of zebra %d on its back?",
                                           "Thanks, great! And the stripes on the legs of zebra %d?",
                                           "Thanks, perfect! And the stripes on the tail of zebra %d?"};
        fprintf(f, "{\"conversation_hash\":\"h%d\",\"hashed_ip\":\"u%d\",\"language\":\"English\",\"conversation\":[",
                c, c % 9);
        for (int i = 0; i < 4; i++) {
            fprintf(f, "%s{\"role\":\"user\",\"content\":\"", i ? "," : "");
            fprintf(f, says[i], c);
            fputs("\"},{\"role\":\"assistant\",\"content\":\"The zebra has some forty stripes there, and they are as "
                  "long as its back is wide.\"}",
                  f);
        }
        fputs("]}\n", f);
    }
    fclose(f);
    prepare_options o = prepare_options_for(source, out, "wildchat");
    o.no_tokens = true;
    assert_int_equal(prepare_run(&o, NULL), WR_OK);
    assert_int_equal(lines_of(out, "audit.jsonl.zst"), 0); /* a frame all the same */
    text_is_checked(out);
    each_record(out, "reward-train-", seen_once, ids);
    each_record(out, "reward-test-", seen_once, ids);
    assert_int_equal(lines_of(out, "turns.jsonl.zst"), 40 * 3);
}

static void labelled(void **state) {
    (void)state;
    char out[PATH_CAP];
    const char *source[] = {rated};
    arena *a = arena_create();
    dataset_index d;
    path_join(out, test_folder(), "rated");
    prepare_options o = prepare_options_for(source, out, "labelled");
    assert_int_equal(prepare_run(&o, NULL), WR_E_FAILED);
    const json_value *meta = load_meta(a, out);
    assert_int_equal(counted_in_meta(meta, "rows", "good"), 61);
    assert_int_equal(counted_in_meta(meta, "rows", "field missing or of a wrong type"), 4);
    assert_int_equal(dataset_index_load(out, "reward-train-", &d), WR_OK);
    assert_int_equal(d.meta.classes, 5);
    dataset_index_free(&d);
    o.overwrite = true;
    o.classes = 3; /* labels above it are bad rows */
    assert_int_equal(prepare_run(&o, NULL), WR_E_FAILED);
    assert_int_equal(counted_in_meta(load_meta(a, out), "rows", "good"), 37);
    arena_free(a);
}

static void nothing_usable(void **state) {
    (void)state;
    char out[PATH_CAP], empty[PATH_CAP];
    const char *source[] = {empty};
    path_join(out, test_folder(), "none");
    path_join(empty, test_folder(), "empty.jsonl");
    fclose(fopen(empty, "w"));
    prepare_options o = prepare_options_for(source, out, "wildchat");
    assert_int_equal(prepare_run(&o, NULL), WR_E_FORMAT);
    assert_error_says("empty.jsonl");
    o.format = "labelled";
    assert_int_equal(prepare_run(&o, NULL), WR_E_FORMAT);
    source[0] = "/nonexistent/*.jsonl";
    assert_int_equal(prepare_run(&o, NULL), WR_E_IO);
    assert_false(dir_exists(out));
    strcat(out, ".partial");
    assert_false(dir_exists(out));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildchat), cmocka_unit_test(mistake_03_one_template_and_mistake_12_oldest_history_goes_first),
        cmocka_unit_test(mistake_08_no_turn_twice), cmocka_unit_test(labelled), cmocka_unit_test(nothing_usable)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
