/* The cache of answers: what is written is found again, in any process and on any rank; a file cut or changed at any
 * byte loses that record and no other. */
#include "base/file.h"
#include "data/label/annotate/answer_cache.h"
#include "data/label/annotate/answer_record.h"
#include "tests/support/temp_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void key_of(int i, char key[HASH_HEX]) { hash_hex(&i, sizeof i, key); }

static void add(answer_cache *c, int i) {
    char key[HASH_HEX], members[160];
    key_of(i, key);
    int n =
        snprintf(members, sizeof members, "\"answer\":\"line\\n%d 好 [[%d]]\",\"prompt_tokens\":%d", i, i % 5 + 1, i);
    assert_int_equal(answer_cache_add(c, key, members, (size_t)n), WR_OK);
}

static bool holds(answer_cache *c, int i) {
    char key[HASH_HEX], wanted[64];
    const json_value *record;
    const char *text;
    size_t n;
    int64_t tokens;
    key_of(i, key);
    arena *a = arena_create();
    wr_status found = answer_cache_find(c, key, a, &record);
    assert_true(found == WR_OK || found == WR_END);
    assert_int_equal(answer_cache_has(c, key), found == WR_OK);
    if (found == WR_OK) {
        snprintf(wanted, sizeof wanted, "line\n%d 好 [[%d]]", i, i % 5 + 1);
        assert_true(json_get_string(record, "answer", &text, &n));
        assert_string_equal(text, wanted);
        assert_true(json_get_int(record, "prompt_tokens", &tokens) && tokens == i);
    }
    arena_free(a);
    return found == WR_OK;
}

static answer_cache *open_cache(int rank) {
    answer_cache *c = NULL;
    assert_int_equal(answer_cache_open(test_folder(), rank, &c), WR_OK);
    return c;
}

static void test_found_again(void **state) {
    (void)state;
    enum { N = 5000 };
    answer_cache *c = open_cache(0);
    assert_false(holds(c, 1));
    for (int i = 0; i < N; i++) add(c, i);
    for (int i = 0; i < N; i++) assert_true(holds(c, i));
    assert_false(holds(c, N));
    assert_int_equal(answer_cache_count(c), N);
    add(c, 7); /* nothing is written twice */
    assert_int_equal(answer_cache_count(c), N);
    assert_true(answer_cache_bytes(c) <= 32 * N);
    assert_int_equal(answer_cache_sync(c), WR_OK);
    answer_cache_close(c);
    c = open_cache(0);
    assert_int_equal(answer_cache_count(c), N);
    for (int i = 0; i < N; i++) assert_true(holds(c, i));
    answer_cache_close(c);
    answer_cache_close(NULL);
}

/* At most 32 bytes an answer at any size that a table may have. */
static void test_memory(void **state) {
    (void)state;
    answer_cache *c = open_cache(0);
    for (int i = 0; i < 30000; i++) {
        add(c, i);
        if (i > 600) assert_true(answer_cache_bytes(c) <= 32 * answer_cache_count(c));
    }
    answer_cache_close(c);
}

static void test_ranks(void **state) {
    (void)state;
    answer_cache *a = open_cache(0), *b = open_cache(1), *locked = NULL;
    add(a, 1);
    add(b, 2);
    assert_int_equal(answer_cache_open(test_folder(), 1, &locked), WR_E_IO);
    assert_error_says("answers-1.jsonl");
    assert_null(locked);
    answer_cache_close(a);
    answer_cache_close(b);
    for (int rank = 0; rank < 12; rank++) {
        a = open_cache(rank);
        assert_true(holds(a, 1) && holds(a, 2));
        assert_int_equal(answer_cache_count(a), 2);
        answer_cache_close(a);
    }
}

/* The first file in name order counts where two ranks answered one question. */
static void test_first_counts(void **state) {
    (void)state;
    char key[HASH_HEX];
    strbuf b = {0};
    const json_value *record;
    int64_t v;
    arena *a = arena_create();
    key_of(3, key);
    answer_record_write(&b, key, "\"v\":2", 5);
    put_file("answers-2.jsonl", b.data, b.len);
    strbuf_clear(&b);
    answer_record_write(&b, key, "\"v\":10", 6);
    put_file("answers-10.jsonl", b.data, b.len);
    for (int rank = 0; rank < 4; rank++) {
        answer_cache *c = open_cache(rank);
        assert_int_equal(answer_cache_find(c, key, a, &record), WR_OK);
        assert_true(json_get_int(record, "v", &v) && v == 10);
        answer_cache_close(c);
    }
    strbuf_free(&b);
    arena_free(a);
}

static size_t three_records(strbuf *b, size_t ends[3]) {
    for (int i = 0; i < 3; i++) {
        char key[HASH_HEX], members[64];
        key_of(i, key);
        int n = snprintf(members, sizeof members, "\"answer\":\"line\\n%d 好 [[%d]]\",\"prompt_tokens\":%d", i,
                         i % 5 + 1, i);
        answer_record_write(b, key, members, (size_t)n);
        ends[i] = b->len;
    }
    return b->len;
}

/* Cut anywhere, as by kill -9 in a write: whole records stay, the torn one goes, and the file can be written on. */
static void test_cut_anywhere(void **state) {
    (void)state;
    strbuf b = {0};
    size_t ends[3], n = three_records(&b, ends);
    for (size_t cut = 0; cut <= n; cut++) {
        put_file("answers-0.jsonl", b.data, cut);
        answer_cache *c = open_cache(0);
        int whole = 0;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(holds(c, i), ends[i] <= cut);
            whole += ends[i] <= cut;
        }
        add(c, 9);
        answer_cache_close(c);
        c = open_cache(0);
        assert_int_equal(answer_cache_count(c), whole + 1);
        assert_true(holds(c, 9));
        answer_cache_close(c);
        char *text;
        size_t length;
        assert_int_equal(file_read(in_folder("answers-0.jsonl"), 0, &text, &length), WR_OK);
        assert_true(whole == 0 || memcmp(text, b.data, ends[whole - 1]) == 0);
        free(text);
    }
    strbuf_free(&b);
}

/* A file that is none of the cache's is refused, and stays; what a crash left of one is cut. */
static void test_foreign(void **state) {
    (void)state;
    static const char *const others[] = {"notes\n", "{\"prompt\": 1}\n{\"prompt\": 2}", "["};
    answer_cache *c = NULL;
    char *text;
    size_t n;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        put_text("answers-0.jsonl", others[i]);
        assert_int_equal(answer_cache_open(test_folder(), 0, &c), WR_E_USAGE);
        assert_error_says("answers-0.jsonl: holds other things");
        text = get_file("answers-0.jsonl", &n);
        assert_string_equal(text, others[i]);
        free(text);
    }
    put_file("answers-0.jsonl", "\0\0\0", 3);
    c = open_cache(0);
    add(c, 1);
    assert_true(holds(c, 1));
    answer_cache_close(c);
}

/* One byte changed anywhere: that record is lost, the others are not; and another rank's file is never touched. */
static void test_flip_anywhere(void **state) {
    (void)state;
    strbuf b = {0};
    char *text;
    size_t ends[3], n = three_records(&b, ends), length;
    for (size_t at = 0; at < n; at++) {
        static const unsigned char flips[] = {0x01, 0x20, 0xff};
        for (size_t f = 0; f < sizeof flips; f++) {
            b.data[at] ^= (char)flips[f];
            put_file("answers-3.jsonl", b.data, n);
            answer_cache *c = open_cache(0);
            for (int i = 0; i < 3; i++) {
                size_t from = i ? ends[i - 1] : 0;
                /* its line break is gone: it is one line with the next */
                bool hit = at >= from && at < ends[i], glued = i && at == ends[i - 1] - 1;
                assert_int_equal(holds(c, i), !hit && !glued);
            }
            answer_cache_close(c);
            assert_int_equal(file_read(in_folder("answers-3.jsonl"), 0, &text, &length), WR_OK);
            assert_true(length == n && memcmp(text, b.data, n) == 0);
            free(text);
            b.data[at] ^= (char)flips[f];
        }
    }
    strbuf_free(&b);
}

/* Records larger than what is read at once, and more of them than one chunk of the scan. */
static void test_long_records(void **state) {
    (void)state;
    enum { LONG = 700 * 1000 };
    char key[HASH_HEX];
    strbuf b = {0};
    arena *a = arena_create();
    answer_cache *c = open_cache(0);
    for (int i = 0; i < 5; i++) {
        strbuf_clear(&b);
        strbuf_puts(&b, "\"embedding\":[");
        for (int k = 0; k < LONG / 10; k++) strbuf_printf(&b, "%s%09d", k ? "," : "", 100000000 + k + i);
        strbuf_putc(&b, ']');
        key_of(100 + i, key);
        assert_int_equal(answer_cache_add(c, key, b.data, b.len), WR_OK);
        add(c, i);
    }
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < 5; i++) {
            const json_value *record;
            int64_t v;
            key_of(100 + i, key);
            arena_reset(a);
            assert_int_equal(answer_cache_find(c, key, a, &record), WR_OK);
            assert_int_equal(json_get(record, "embedding")->length, LONG / 10);
            assert_true(json_to_int(json_get(record, "embedding")->first, &v) && v == 100000000 + i);
            assert_true(holds(c, i));
        }
        answer_cache_close(c);
        c = open_cache(again);
    }
    answer_cache_close(c);
    strbuf_free(&b);
    arena_free(a);
}

/* kill -9 of a writer at a random moment, twenty times: every answer that add() returned for is there. */
static void test_killed_writer(void **state) {
    (void)state;
    int last = 0;
    for (int round = 0; round < 20; round++) {
        int told[2];
        assert_int_equal(pipe(told), 0);
        pid_t child = fork();
        if (child == 0) {
            answer_cache *c = NULL;
            if (answer_cache_open(test_folder(), 0, &c) < 0) _exit(1);
            for (int i = last;; i++) {
                add(c, i);
                if (write(told[1], &i, sizeof i) != sizeof i) _exit(1);
            }
        }
        close(told[1]);
        int i, seen = 0;
        while (seen < 40 + round * 7 && read(told[0], &i, sizeof i) == sizeof i) last = i + 1, seen++;
        kill(child, SIGKILL);
        while (read(told[0], &i, sizeof i) == sizeof i) last = i + 1;
        waitpid(child, NULL, 0);
        close(told[0]);
    }
    answer_cache *c = open_cache(0);
    for (int i = 0; i < last; i++) assert_true(holds(c, i));
    answer_cache_close(c);
}

static void test_errors(void **state) {
    (void)state;
    answer_cache *c = NULL;
    put_file("plain", "x", 1);
    assert_int_equal(answer_cache_open(in_folder("plain"), 0, &c), WR_E_IO);
    assert_error_says("plain");
    assert_int_equal(symlink("/dev/zero", in_folder("answers-5.jsonl")), 0);
    assert_int_equal(answer_cache_open(test_folder(), 0, &c), WR_E_IO);
    assert_error_says("answers-5.jsonl");
}

/* A disk that is full in the middle of a record: the message names the file, what was there stays, and nothing
 * half-written does. */
static void test_full_disk(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit small = {.rlim_cur = 400, .rlim_max = 400};
        answer_cache *c = NULL;
        char key[HASH_HEX];
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &small) != 0 || answer_cache_open(test_folder(), 0, &c) < 0) _exit(1);
        add(c, 0);
        add(c, 1);
        key_of(2, key);
        char members[300] = "\"answer\":\"";
        memset(members + 10, 'x', sizeof members - 11);
        members[sizeof members - 1] = '"';
        if (answer_cache_add(c, key, members, sizeof members) != WR_E_IO || !strstr(wr_error(), "answers-0.jsonl") ||
            answer_cache_has(c, key))
            _exit(2);
        _exit(holds(c, 0) && holds(c, 1) ? 0 : 3);
    }
    int rc = 0;
    char *text;
    size_t n;
    assert_int_equal(waitpid(child, &rc, 0), child);
    assert_int_equal(rc, 0);
    assert_int_equal(file_read(in_folder("answers-0.jsonl"), 0, &text, &n), WR_OK);
    assert_true(n > 200 && n < 400 && text[n - 1] == '\n');
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found_again, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_memory, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_ranks, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_first_counts, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_foreign, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_cut_anywhere, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_flip_anywhere, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_long_records, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_killed_writer, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_errors, folder_set_up_in_memory, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, folder_set_up_in_memory, folder_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
