/* Shards: what is written comes back; damage anywhere is an error and never a wrong record. */
#include "base/file.h"
#include "base/rng.h"
#include "data/shard/shard.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 700 };

static const chat_message history[2] = {{"user", "hi", 2, NULL}, {"assistant", "hello", 5, NULL}};

/* Record i, whose every field follows from i. */
static instance make(int i, char buffer[64], int32_t ids[16]) {
    snprintf(buffer, 64, "conversation%d:2", i);
    size_t n = (size_t)(i % 16);
    for (size_t k = 0; k < n; k++) ids[k] = (int32_t)(i * 31 + (int)k);
    return (instance){.id = buffer,
                      .user = i % 3 ? "ann" : "bob",
                      .language = "English",
                      .model = "m",
                      .how = "lexicon",
                      .turn = i,
                      .label = 1 + i % 4,
                      .history = history,
                      .n_history = (size_t)(i % 3),
                      .query = "what\0is",
                      .query_length = 7,
                      .response = "你好",
                      .response_length = 6,
                      .text = i % 5 == 4 ? "ready\0made" : NULL,
                      .text_length = i % 5 == 4 ? 10 : 0,
                      .ids = ids,
                      .n_ids = n};
}

static void write_shard(const char *path, int records) {
    shard_meta meta = {SHARD_REWARD, 4, "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"};
    shard_writer *w;
    char buffer[64];
    int32_t ids[16];
    assert_int_equal(shard_writer_create(path, &meta, &w), WR_OK);
    for (int i = 0; i < records; i++) {
        instance x = make(i, buffer, ids);
        assert_int_equal(shard_writer_add_instance(w, &x), WR_OK);
    }
    assert_int_equal(shard_writer_commit(&w), WR_OK);
    assert_null(w);
}

static bool same(const instance *x, int i) {
    char buffer[64];
    int32_t ids[16];
    instance y = make(i, buffer, ids);
    bool good = strcmp(x->id, y.id) == 0 && strcmp(x->user, y.user) == 0 && strcmp(x->language, y.language) == 0 &&
                strcmp(x->how, y.how) == 0 && x->turn == y.turn && x->label == y.label && x->n_history == y.n_history &&
                x->query_length == y.query_length && memcmp(x->query, y.query, y.query_length) == 0 &&
                x->response_length == y.response_length && memcmp(x->response, y.response, y.response_length) == 0 &&
                !x->text == !y.text && x->text_length == y.text_length &&
                (!y.text || memcmp(x->text, y.text, y.text_length) == 0) && x->n_ids == y.n_ids &&
                memcmp(x->ids, y.ids, 4 * y.n_ids) == 0;
    for (size_t k = 0; good && k < x->n_history; k++) good = strcmp(x->history[k].content, history[k].content) == 0;
    return good;
}

/* Reads all of it. Returns the number of records that came; each one is asserted to be right. */
static size_t read_all(const char *path, wr_status *status) {
    shard_reader *r = NULL;
    arena *a = arena_create();
    size_t total = 0;
    *status = shard_reader_open(path, &r);
    if (*status >= 0) {
        size_t first = 0;
        for (size_t f = 0; f < shard_reader_frames(r); f++) {
            instance *items;
            size_t n;
            wr_status s = shard_read_instances(r, f, a, &items, &n);
            if (s < 0) {
                *status = s;
                assert_true(strlen(wr_error()) > 0);
            } else {
                for (size_t i = 0; i < n; i++) assert_true(same(&items[i], (int)(first + i)));
                total += n;
            }
            first += shard_reader_frame(r, f)->records;
        }
    }
    shard_reader_close(r);
    arena_free(a);
    return total;
}

static void round_trip(void **state) {
    (void)state;
    char path[PATH_CAP];
    wr_status status;
    path_join(path, test_folder(), "a.wrs");
    write_shard(path, RECORDS);
    assert_int_equal(read_all(path, &status), RECORDS);
    assert_int_equal(status, WR_OK);
    shard_reader *r;
    assert_int_equal(shard_reader_open(path, &r), WR_OK);
    assert_int_equal(shard_reader_frames(r), (RECORDS + SHARD_FRAME_RECORDS - 1) / SHARD_FRAME_RECORDS);
    assert_int_equal(shard_reader_records(r), RECORDS);
    assert_int_equal(shard_reader_users(r), 2);
    uint64_t bob, ann;
    assert_string_equal(shard_reader_user(r, 0, &ann), "ann");
    assert_string_equal(shard_reader_user(r, 1, &bob), "bob");
    assert_int_equal(bob, (RECORDS + 2) / 3);
    assert_int_equal(ann + bob, RECORDS);
    for (int k = 0; k < 4; k++) assert_int_equal(shard_reader_label_counts(r)[k], RECORDS / 4);
    for (size_t i = 0; i < RECORDS; i++) assert_int_equal(shard_reader_lengths(r)[i], i % 16);
    assert_string_equal(shard_reader_meta(r)->tokenizer_hash, "0123456789abcdef0123456789abcdef");
    shard_reader_close(r);
}

static void empty_shard(void **state) {
    (void)state;
    char path[PATH_CAP];
    wr_status status;
    path_join(path, test_folder(), "empty.wrs");
    write_shard(path, 0);
    assert_int_equal(read_all(path, &status), 0);
    assert_int_equal(status, WR_OK);
}

static void chats(void **state) {
    (void)state;
    char path[PATH_CAP];
    shard_meta meta = {SHARD_CHAT, 0, "", ""};
    shard_writer *w;
    shard_reader *r;
    int32_t ids[6] = {1, 2, 3, 4, 5, 6};
    size_t spans[2] = {2, 6};
    chat_record x = {.id = "c",
                     .user = "u",
                     .messages = history,
                     .n_messages = 2,
                     .ids = ids,
                     .n_ids = 6,
                     .spans = spans,
                     .n_spans = 1};
    path_join(path, test_folder(), "chats.wrs");
    assert_int_equal(shard_writer_create(path, &meta, &w), WR_OK);
    assert_int_equal(shard_writer_add_chat(w, &x), WR_OK);
    spans[1] = 7; /* behind the end: written by a faulty program, refused by the reader */
    assert_int_equal(shard_writer_add_chat(w, &x), WR_OK);
    assert_int_equal(shard_writer_commit(&w), WR_OK);
    assert_int_equal(shard_reader_open(path, &r), WR_OK);
    arena *a = arena_create();
    chat_record *items, one;
    instance *wrong;
    size_t n, *offsets;
    strbuf raw = {0};
    assert_int_equal(shard_read_chats(r, 0, a, &items, &n), WR_E_FORMAT);
    assert_error_says("spans");
    assert_int_equal(shard_read_instances(r, 0, a, &wrong, &n), WR_E_MISMATCH);
    assert_int_equal(shard_read_raw(r, 0, &raw, &offsets, &n), WR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(chat_decode(raw.data, offsets[1], a, &one), WR_OK);
    assert_int_equal(one.n_spans, 1);
    assert_int_equal(one.spans[1], 6);
    assert_string_equal(one.messages[1].content, "hello");
    assert_int_equal(chat_decode(raw.data, offsets[1] - 1, a, &one), WR_E_FORMAT);
    free(offsets);
    strbuf_free(&raw);
    arena_free(a);
    shard_reader_close(r);
}

static void bad_records(void **state) {
    (void)state;
    char path[PATH_CAP], buffer[64];
    int32_t ids[16];
    shard_meta meta = {SHARD_REWARD, 3, "", ""};
    shard_writer *w;
    path_join(path, test_folder(), "bad.wrs");
    assert_int_equal(shard_writer_create(path, &meta, &w), WR_OK);
    instance x = make(3, buffer, ids); /* label 4 of 3 classes */
    assert_int_equal(shard_writer_add_instance(w, &x), WR_E_FORMAT);
    shard_writer_discard(w);
    assert_false(file_exists(path));
    shard_reader *r;
    assert_int_equal(shard_reader_open(path, &r), WR_E_IO);
}

static void truncation(void **state) {
    (void)state;
    char path[PATH_CAP], cut[PATH_CAP], *bytes;
    size_t n;
    wr_status status;
    path_join(path, test_folder(), "a.wrs");
    path_join(cut, test_folder(), "cut.wrs");
    write_shard(path, RECORDS);
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    shard_reader *r;
    assert_int_equal(shard_reader_open(path, &r), WR_OK);
    size_t at[256], count = 0;
    for (size_t f = 0; f < shard_reader_frames(r); f++) {
        const shard_frame *x = shard_reader_frame(r, f);
        for (int d = -1; d <= 1; d++) {
            at[count++] = x->offset + (size_t)(d + 1) - 1;
            at[count++] = x->offset + x->bytes + (size_t)(d + 1) - 1;
        }
    }
    shard_reader_close(r);
    for (size_t k = 0; k < 64; k++) at[count++] = n * k / 64;
    for (size_t k = 1; k <= 40; k++) at[count++] = n - k;
    for (size_t i = 0; i < count; i++) {
        put_file("cut.wrs", bytes, at[i]);
        assert_int_equal(read_all(cut, &status), 0);
        assert_int_equal(status, WR_E_FORMAT);
        assert_error_says("cut.wrs");
    }
    put_file("cut.wrs", bytes, n); /* and something behind its end */
    FILE *f = fopen(cut, "ab");
    fputc('x', f);
    fclose(f);
    assert_int_equal(read_all(cut, &status), 0);
    assert_int_equal(status, WR_E_FORMAT);
    free(bytes);
}

/* Flips in header and footer must be refused at opening; flips inside frames must cost exactly that frame. */
static void flips(void **state) {
    (void)state;
    enum { FEW = 300 };
    char path[PATH_CAP], hurt[PATH_CAP], *bytes;
    size_t n;
    wr_status status;
    path_join(path, test_folder(), "few.wrs");
    path_join(hurt, test_folder(), "hurt.wrs");
    write_shard(path, FEW);
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    shard_reader *r;
    assert_int_equal(shard_reader_open(path, &r), WR_OK);
    const shard_frame *first = shard_reader_frame(r, 0), *last = shard_reader_frame(r, shard_reader_frames(r) - 1);
    size_t start = first->offset, second = last->offset, end = last->offset + last->bytes;
    shard_reader_close(r);
    rng random = rng_make(7, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < n; i += i >= start && i < end ? 13 : 1) {
        unsigned char flip = (unsigned char)(1u << rng_below(&random, 8));
        bytes[i] = (char)((unsigned char)bytes[i] ^ flip);
        put_file("hurt.wrs", bytes, n);
        size_t got = read_all(hurt, &status);
        assert_int_equal(status, WR_E_FORMAT);
        assert_int_equal(got, i < start || i >= end ? 0 : i < second ? FEW - 256 : 256);
        bytes[i] = (char)((unsigned char)bytes[i] ^ flip);
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),  cmocka_unit_test(empty_shard), cmocka_unit_test(chats),
        cmocka_unit_test(bad_records), cmocka_unit_test(truncation),  cmocka_unit_test(flips),
    };
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
