/* Any bytes as a file of a score cache, each line with its sum made right where the first byte says so: read or skipped,
 * and what is there says a number or is asked for again; a score that is added is found with its bits, there and when
 * the file is read anew. */
#include "base/file.h"
#include "data/label/annotate/answer_record.h"
#include "evaluate/suites/score_cache.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int32_t ids[] = {1, 2, 3};
static const token_ids text = {.ids = ids, .n = 3, .capacity = 3}, other = {.ids = ids, .n = 2, .capacity = 2};

/* The lines' members behind the key of `text`. */
static void members(const uint8_t *data, size_t n, const char *key, strbuf *out) {
    for (size_t i = 0; i < n;) {
        size_t k = i;
        while (k < n && data[k] != '\n') k++;
        answer_record_write(out, key, (const char *)data + i, k - i);
        i = k + 1;
    }
}

static void key_of_text(const reward_model *r, char key[HASH_HEX]) {
    strbuf k = {0};
    strbuf_printf(&k, "%s %d %s ", r->m->parent_hash, (int)r->m->precision, r->rule->name);
    strbuf_append(&k, ids, sizeof ids);
    hash_hex(k.data, k.len, key);
    strbuf_free(&k);
}

static void check(const char *dir, const reward_model *r, double *found) {
    score_cache *c = NULL;
    double score = NAN, back = NAN;
    if (score_cache_open(dir, r, NULL, &c) < 0) return;
    const wr_status status = score_cache_find(c, &text, &score);
    if (status == WR_OK && isnan(score)) abort();
    if (score_cache_add(c, &other, 1.0 / 3) < 0 || score_cache_find(c, &other, &back) != WR_OK || back != 1.0 / 3)
        abort();
    *found = status == WR_OK ? score : 0;
    score_cache_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static model m;
    const reward_model r = {.m = &m, .rule = &ordinal_rule};
    char dir[64], path[128], key[HASH_HEX];
    strbuf lines = {0};
    double first = 0, second = 0;
    if (!size) return 0;
    snprintf(dir, sizeof dir, "/dev/shm/wildreward-fuzz-%ld", (long)getpid());
    snprintf(path, sizeof path, "%s/answers-0.jsonl", dir);
    key_of_text(&r, key);
    if (data[0] & 1)
        members(data + 1, size - 1, key, &lines);
    else
        strbuf_append(&lines, data + 1, size - 1);
    if (dir_make(dir) >= 0 && file_write_atomic(path, lines.data, lines.len) >= 0) {
        check(dir, &r, &first);
        check(dir, &r, &second);
        if (memcmp(&first, &second, sizeof first) != 0) abort();
    }
    dir_remove_tree(dir);
    strbuf_free(&lines);
    return 0;
}
