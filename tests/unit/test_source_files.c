/* Which files sources are: folders and patterns, options and fingerprints; what is said of what cannot be read. */
#include "base/file.h"
#include "tests/support/seen_rows.h"
#include "tests/support/temp_folder.h"
#include "tests/support/asserts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void options(void **state) {
    (void)state;
    static const char rows[] =
        "{\"conversation_hash\":\"a\",\"toxic\":true,\"conversation\":[{\"role\":\"user\",\"content\":\"x\"}]}\n"
        "{\"conversation_hash\":\"b\",\"redacted\":true,\"conversation\":[{\"role\":\"user\",\"content\":\"x\"}]}\n"
        "{\"conversations\":[{\"from\":\"human\",\"value\":\"x\"}],\"id\":\"s\"}\n";
    static const char *const ids[] = {"a b field missing or of a wrong type ",
                                      "toxic b field missing or of a wrong type ",
                                      "a redacted field missing or of a wrong type ",
                                      "field missing or of a wrong type field missing or of a wrong type s "};
    uint64_t prints[6];
    put_file("o.jsonl", rows, sizeof rows - 1);
    const char *paths[] = {in_folder("o.jsonl"), in_folder("o.jsonl")};
    for (int k = 0; k < 4; k++) {
        sources *s;
        seen all = {0};
        assert_int_equal(
            sources_open(
                paths, 1,
                &(source_options){.drop_toxic = k == 1, .drop_redacted = k == 2, .fields = k == 3 ? "sharegpt" : NULL},
                &s),
            WR_OK);
        read_all(s, 0, &all, NULL);
        assert_string_equal(all.ids.data, ids[k]);
        prints[k] = sources_fingerprint(s);
        seen_free(&all);
        sources_close(s);
    }
    sources *s;
    assert_int_equal(sources_open(paths, 2, &(source_options){0}, &s), WR_OK);
    assert_int_equal(sources_files(s), 2);
    prints[4] = sources_fingerprint(s);
    sources_close(s);
    assert_int_equal(utimensat(AT_FDCWD, paths[0], (struct timespec[]){{1, 0}, {1, 0}}, 0), 0);
    assert_int_equal(sources_open(paths, 1, &(source_options){0}, &s), WR_OK);
    prints[5] = sources_fingerprint(s);
    sources_close(s);
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < i; k++) assert_true(prints[i] != prints[k]);
    }
    assert_int_equal(sources_open(paths, 1, &(source_options){0}, &s), WR_OK);
    assert_true(sources_fingerprint(s) == prints[5]);
    /* An error of the caller's ends the block; the handle goes on to be of use. */
    seen all = {.stop_at = 1};
    assert_int_equal(sources_read(s, 0, 0, note, &all, NULL), WR_E_FAILED);
    assert_int_equal(all.rows, 1);
    all.stop_at = 0;
    assert_int_equal(sources_read(s, 0, 0, note, &all, NULL), WR_OK);
    assert_int_equal(all.rows, 4);
    seen_free(&all);
    sources_close(s);
    assert_int_equal(sources_open(paths, 1, &(source_options){.fields = "sharegtp"}, &s), WR_E_USAGE);
    assert_null(s);
}

static void places(void **state) {
    (void)state;
    static const char *const names[] = {"d/b.jsonl",
                                        "d/a.json",
                                        "d/c.jsonl.zst.incomplete",
                                        "d/README.md",
                                        "d/.hidden.jsonl",
                                        "d/dataset_infos.json",
                                        "d/aa/z.ndjson",
                                        "d/aa/.cache/x.jsonl",
                                        "e/x.txt"};
    static const char row[] =
        "{\"conversation_hash\":\"a\",\"conversation\":[{\"role\":\"user\",\"content\":\"x\"}]}\n";
    char sub[PATH_CAP], pattern[PATH_CAP];
    assert_int_equal(dir_make(in_folder("d/aa/.cache")), WR_OK);
    assert_int_equal(dir_make(in_folder("e")), WR_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) put_file(names[i], row, sizeof row - 1);
    sources *s;
    strcpy(sub, in_folder("d"));
    assert_int_equal(sources_open((const char *[]){sub}, 1, &(source_options){0}, &s), WR_OK);
    assert_int_equal(sources_files(s), 3);
    assert_string_equal(sources_path(s, 0), in_folder("d/a.json"));
    assert_string_equal(sources_path(s, 1), in_folder("d/aa/z.ndjson"));
    assert_string_equal(sources_path(s, 2), in_folder("d/b.jsonl"));
    /* From file to file and back. */
    seen all = {0};
    for (int k = 0; k < 6; k++) assert_int_equal(sources_read(s, (size_t)(k * 2 % 3), 0, note, &all, NULL), WR_OK);
    assert_string_equal(all.ids.data, "a a a a a a ");
    seen_free(&all);
    sources_close(s);
    strcpy(pattern, in_folder("d/[ab].json*"));
    assert_int_equal(sources_open((const char *[]){pattern, sub}, 2, &(source_options){0}, &s), WR_OK);
    assert_int_equal(sources_files(s), 5);
    assert_string_equal(sources_path(s, 1), in_folder("d/b.jsonl"));
    sources_close(s);
    /* A file that is named is taken, whatever its name. */
    strcpy(sub, in_folder("e/x.txt"));
    assert_int_equal(sources_open((const char *[]){sub}, 1, &(source_options){0}, &s), WR_OK);
    sources_close(s);
    strcpy(sub, in_folder("e"));
    assert_int_equal(sources_open((const char *[]){sub}, 1, &(source_options){0}, &s), WR_E_IO);
    assert_error_says(sub);
    assert_int_equal(sources_open((const char *[]){"/none/x*.jsonl"}, 1, &(source_options){0}, &s), WR_E_IO);
    assert_error_says("/none/x*.jsonl");
    assert_int_equal(sources_open((const char *[]){"-"}, 1, &(source_options){0}, &s), WR_E_USAGE);
    assert_error_says("standard input");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(sources_open((const char *[]){in_folder("pipe")}, 1, &(source_options){0}, &s), WR_E_USAGE);
    assert_error_says("regular file");
    /* Bytes that are nothing, and a name that promises more than is there. */
    put_file("noise.zst", "\x01\x02\x03\x04 not at all", 15);
    s = open_one("noise.zst", 0);
    assert_int_equal(sources_read(s, 0, 0, note, &all, NULL), WR_E_FORMAT);
    assert_error_says("noise.zst");
    sources_close(s);
    put_file("empty.jsonl.zst", "", 0);
    s = open_one("empty.jsonl.zst", 0);
    assert_int_equal(sources_read(s, 0, 0, note, &all, NULL), WR_E_FORMAT);
    sources_close(s);
    put_file("cut.parquet", "PAR1 cut", 8);
    s = open_one("cut.parquet", 0);
    assert_int_equal(sources_read(s, 0, 0, note, &all, NULL), WR_E_FORMAT);
    assert_error_says("cut.parquet");
    sources_close(s);
    seen_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(options), cmocka_unit_test(places)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
