/* wildreward inspect: what a prepared folder holds. */
#include "cli/command.h"

#include "base/file.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/stream.h"
#include "cli/inspect_refusals.h"
#include "data/shard/dataset.h"
#include "data/shard/folder_verify.h"
#include "data/prepare/prepare_summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct inspect_call {
    bool verify, refusals;
    const char *summary;
    size_t records;
} inspect_call;
static const option_spec inspect_rows[] = {
    OPTION_FLAG(inspect_call, verify, "verify", NULL,
                "decode every frame and record, compare counts with footers and meta.json, file hashes with meta.json, "
                "and train with test users"),
    OPTION_FLAG(inspect_call, refusals, "refusals", NULL,
                "false and justified refusals by level, model, language and month instead"),
    OPTION_TEXT(inspect_call, summary, "summary", NULL, "FILE.json",
                "write the numbers behind report's page (levels, users, lengths, refusals, examples) instead; - is "
                "standard output"),
    OPTION_INT(inspect_call, records, "records", "3", "N", 0, 1000, "decoded records to show"),
    {0},
};
static const option_group inspect_groups[] = {{.rows = inspect_rows}, {0}};

static const char *const prefixes[] = {"reward-train-", "reward-test-", "chats-train-", "chats-test-"};

static int by_length(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts lengths. */
static void print_lengths(uint32_t *lengths, size_t n) {
    if (!n) return;
    qsort(lengths, n, sizeof *lengths, by_length);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += lengths[i];
    printf("  tokens        %" PRIu64 ": min %u, 10 %% %u, 50 %% %u, 90 %% %u, 99 %% %u, max %u\n", sum, lengths[0],
           lengths[n / 10], lengths[n / 2], lengths[n * 9 / 10], lengths[n * 99 / 100], lengths[n - 1]);
    for (uint64_t low = 0, high = 16; sum && low <= lengths[n - 1]; low = high, high *= 2) {
        size_t count = 0;
        for (size_t i = 0; i < n; i++) count += lengths[i] >= low && lengths[i] < high;
        if (count)
            printf("    %6" PRIu64 " … %-6" PRIu64 " %8zu  %.*s\n", low, high - 1, count,
                   (int)(50.0 * (double)count / (double)n + 0.5), "##################################################");
    }
}

static void print_labels(const uint64_t *labels, int classes, size_t n) {
    for (int k = 0; k < classes; k++) {
        double share = n ? (double)labels[k] / (double)n : 0;
        printf("  label %-7d %8" PRIu64 "  %5.1f %%  %.*s\n", k + 1, labels[k], 100 * share, (int)(50 * share + 0.5),
               "##################################################");
    }
}

/* The start of a text on one line. */
static void print_text(const char *what, const char *s, size_t n) {
    enum { SHOWN = 300 };
    char role[64], line[8 * SHOWN];
    size_t end = n < SHOWN ? n : SHOWN;
    while (end < n && end && ((unsigned char)s[end] & 0xC0) == 0x80) end--;
    printf("    %-9s ", printable_string(what, role, sizeof role));
    for (size_t i = 0, to; i < end; i = to + 1) {
        for (to = i; to < end && s[to] != '\n'; to++) {
        }
        printable(s + i, to - i, line, sizeof line);
        printf("%s%s", line, to < end ? "⏎" : "");
    }
    printf("%s\n", end < n ? " …" : "");
}

typedef char shown_name[200];

static void print_instance(const instance *x) {
    shown_name id, user, how, language, model;
    printf("  record %s\n    user      %s\n    label     %d (%s), %zu tokens, %zu messages before, language %s, model "
           "%s\n",
           printable_string(x->id, id, sizeof id), printable_string(x->user, user, sizeof user), x->label,
           printable_string(x->how, how, sizeof how), x->n_ids, x->n_history,
           *x->language ? printable_string(x->language, language, sizeof language) : "?",
           *x->model ? printable_string(x->model, model, sizeof model) : "?");
    print_text("query", x->query, x->query_length);
    print_text("response", x->response, x->response_length);
    if (x->text) print_text("text", x->text, x->text_length);
}

static void print_chat(const chat_record *x) {
    shown_name id, user;
    printf("  record %s\n    user      %s\n    %zu messages, %zu tokens, %zu replies to learn\n",
           printable_string(x->id, id, sizeof id), printable_string(x->user, user, sizeof user), x->n_messages,
           x->n_ids, x->n_spans);
    for (size_t i = 0; i < x->n_messages && i < 2; i++)
        print_text(x->messages[i].role, x->messages[i].content, x->messages[i].length);
}

static wr_status show_records(const char *dir, const dataset_index *d, size_t want) {
    wr_status status = WR_OK;
    dataset_reader *r = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(dataset_reader_open(dir, d, &r));
    for (size_t i = 0; i < want && i < d->n_records; i++) {
        const void *bytes;
        size_t n;
        TRY(dataset_read(r, (uint32_t)(i * d->n_records / (want < d->n_records ? want : d->n_records)), &bytes, &n));
        if (d->meta.kind == SHARD_REWARD) {
            instance x;
            TRY(instance_decode(bytes, n, a, &x));
            print_instance(&x);
        } else {
            chat_record x;
            TRY(chat_decode(bytes, n, a, &x));
            print_chat(&x);
        }
    }
cleanup:
    dataset_reader_close(r);
    arena_free(a);
    return status;
}

typedef struct set_counts {
    uint64_t labels[1001], users, records;
} set_counts;

static wr_status walk_shards(const char *dir, const dataset_index *d, bool verify, set_counts *t) {
    wr_status status = WR_OK;
    shard_reader *r = NULL;
    char path[PATH_CAP];
    for (size_t s = 0; s < d->n_shards; s++) {
        TRY(path_join(path, dir, d->names[s]));
        TRY(shard_reader_open(path, &r));
        for (int k = 0; k < d->meta.classes && k < 1001; k++) t->labels[k] += shard_reader_label_counts(r)[k];
        t->users += shard_reader_users(r);
        t->records += shard_reader_records(r);
        if (verify) TRY(shard_verify(r, path));
        shard_reader_close(r);
        r = NULL;
    }
cleanup:
    shard_reader_close(r);
    return status;
}

/* The count that prepare wrote into meta.json; false when there is none. */
static bool stated_count(const json_value *meta, const char *prefix, int64_t *out) {
    bool reward = strncmp(prefix, "reward", 6) == 0, test = strstr(prefix, "test") != NULL;
    const char *key =
        reward ? (test ? "instances, test" : "instances, train") : (test ? "chats, test" : "chats, train");
    return json_get_int(json_get(json_get(meta, "funnel"), "kept"), key, out);
}

static wr_status inspect_set(const char *dir, const char *prefix, const json_value *meta, bool verify, size_t shown,
                             bool *found) {
    wr_status status = WR_OK;
    dataset_index d = {0};
    set_counts *t = NULL;
    char **names = NULL;
    size_t n = 0;
    TRY(dir_list(dir, prefix, ".wrs", &names, &n));
    if (!n) goto cleanup;
    *found = true;
    TRY_ALLOC(t = mem_calloc(1, sizeof *t));
    TRY(dataset_index_load(dir, prefix, &d));
    TRY(walk_shards(dir, &d, verify, t));
    printf("%.*s: %zu records, %zu shards, %zu frames, %" PRIu64 " users%s, data %s\n", (int)strlen(prefix) - 1, prefix,
           d.n_records, d.n_shards, d.n_frames, t->users, d.n_shards > 1 ? " (counted per shard)" : "", d.hash);
    print_labels(t->labels, d.meta.classes < 1000 ? d.meta.classes : 1000, d.n_records);
    print_lengths(d.lengths, d.n_records);
    if (shown) TRY(show_records(dir, &d, shown));
    int64_t stated;
    if (verify && stated_count(meta, prefix, &stated) && stated != (int64_t)d.n_records) {
        TRY(wr_fail(WR_E_MISMATCH, "%s: %s*.wrs hold %zu records, meta.json says %lld: a shard file is missing", dir,
                    prefix, d.n_records, (long long)stated));
    }
    if (verify) printf("  verified: every frame and record\n");
cleanup:
    names_free(names, n);
    dataset_index_free(&d);
    free(t);
    return status;
}

static wr_status verify_folder(const char *dir, const json_value *meta) {
    wr_status status = WR_OK;
    size_t users = 0, files = 0;
    TRY(folder_verify_split(dir, &users));
    TRY(folder_verify_files(dir, meta, &files));
    printf("verified: no user of %zu is on both sides; %zu files have the hashes of meta.json\n", users, files);
cleanup:
    return status;
}

static wr_status write_summary(const char *dir, const char *path) {
    wr_status status = WR_OK;
    strbuf text = {0};
    TRY(prepare_summary(dir, &text));
    TRY(outstream_write_line(path, &text));
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status run_inspect(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    char path[PATH_CAP], *text = NULL;
    size_t n;
    bool found = false;
    const json_value *meta = NULL;
    inspect_call c = {0};
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(options_fill(o, &c, sizeof c));
    if (options_count(o) != 1) TRY(wr_fail(WR_E_USAGE, "inspect takes one folder: wildreward inspect DIR [--verify]"));
    const char *dir = options_positional(o, 0);
    if (c.refusals || c.summary) {
        if (c.summary) TRY(write_summary(dir, c.summary));
        if (c.refusals) TRY(inspect_refusals(dir));
        goto cleanup;
    }
    TRY(path_join(path, dir, "meta.json"));
    if (file_exists(path)) {
        TRY(file_read(path, 64 << 20, &text, &n));
        TRY(wr_context(json_parse(a, text, n, &meta), "%s", path));
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        TRY(inspect_set(dir, prefixes[i], meta, c.verify, i == 0 ? c.records : 0, &found));
    }
    if (!found) TRY(wr_fail(WR_E_IO, "%s: no shards here; make them with: wildreward prepare SRC… --out %s", dir, dir));
    if (c.verify) TRY(verify_folder(dir, meta));
cleanup:
    free(text);
    arena_free(a);
    return status;
}

const command cmd_inspect = {
    .name = "inspect",
    .usage = "inspect DIR [--verify | --refusals | --summary FILE.json]",
    .summary = "labels, tokens, users and a few records of a prepared folder",
    .groups = inspect_groups,
    .run = run_inspect,
};
