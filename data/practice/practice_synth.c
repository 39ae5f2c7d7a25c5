/* synth: people talk with the noisy assistant; chats, true qualities and fresh prompts are written down.
 * Conversation i is a pure function of (seed, i), so the output is the same byte for byte. */
#include "data/practice/practice_chat.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/stream.h"
#include <stdlib.h>
#include <string.h>

typedef struct tally {
    uint64_t conversations, messages, replies, followups, levels[6], modes[REPLY_MODES], kinds[TASK_KINDS], chinese,
        words;
    double quality, kind_quality[TASK_KINDS];
} tally;

static void count_chat(tally *n, const chat *c, const person *p) {
    n->conversations++;
    n->messages += c->n_messages;
    n->chinese += p->chinese;
    for (size_t i = 0; i < c->n_replies; i++) {
        const said *s = &c->replies[i];
        n->replies++;
        n->modes[s->mode]++;
        n->kinds[s->task->kind]++;
        n->quality += s->quality;
        n->kind_quality[s->task->kind] += s->quality;
        n->followups += s->level > 0;
        n->levels[s->level]++;
    }
}

static wr_status write_chats(const practice_options *o, const char *dir, tally *n) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    outstream *chats = NULL, *truth = NULL;
    strbuf line = {0};
    chat c = {0};
    TRY(path_join(path, dir, "chats.jsonl.zst"));
    TRY(outstream_create(path, &chats));
    TRY(path_join(path, dir, "truth.jsonl.zst"));
    TRY(outstream_create(path, &truth));
    for (uint64_t i = 0; i < o->conversations; i++) {
        TRY(chat_hold(o, i, &c));
        person p = practice_person(o->seed, c.user);
        strbuf_clear(&line);
        chat_json(&c, &p, &line);
        TRY(outstream_line(chats, &line));
        for (size_t k = 0; k < c.n_replies; k++) {
            strbuf_clear(&line);
            chat_truth_json(&c, &p, k, &line);
            TRY(outstream_line(truth, &line));
        }
        count_chat(n, &c, &p);
        chat_free(&c);
        memset(&c, 0, sizeof c);
    }
    TRY(outstream_commit(&chats));
    TRY(outstream_commit(&truth));
cleanup:
    chat_free(&c);
    strbuf_free(&line);
    outstream_discard(chats);
    outstream_discard(truth);
    return status;
}

/* A set of 64-bit hashes, open addressing; 0 marks a free slot. */
typedef struct hash_set {
    uint64_t *slots;
    size_t capacity;
} hash_set;

static bool set_add(hash_set *s, uint64_t h) {
    if (h == 0) h = 1;
    size_t i = h & (s->capacity - 1);
    while (s->slots[i] && s->slots[i] != h) i = (i + 1) & (s->capacity - 1);
    if (s->slots[i]) return false;
    s->slots[i] = h;
    return true;
}

static wr_status write_prompts(const practice_options *o, practice_place place, uint64_t wanted, const char *path) {
    wr_status status = WR_OK;
    outstream *out = NULL;
    strbuf line = {0}, reply = {0};
    practice_task *t = NULL, *before = NULL;
    hash_set seen = {.capacity = 1024};
    while (seen.capacity / 2 < wanted) seen.capacity *= 2;
    seen.slots = mem_calloc(seen.capacity, sizeof *seen.slots);
    TRY_ALLOC(seen.slots);
    TRY(outstream_create(path, &out));
    uint64_t attempts = 0;
    for (uint64_t i = 0; i < wanted; i++) {
        rng r;
        uint64_t first = attempts;
        do { /* another draw where the text was drawn before */
            if (attempts++ - first > 20000)
                TRY(wr_fail(WR_E_USAGE,
                            "%s: the practice world has no %llu distinct prompts of this kind; ask for fewer", path,
                            (unsigned long long)wanted));
            practice_task_free(t);
            t = NULL;
            r = rng_make(o->seed, RNG_WORLD, 3 + (uint64_t)place, attempts, 0);
            bool chinese = rng_uniform(&r) < 0.15;
            TRY(practice_task_make(&r, place, chinese, (int)rng_below(&r, 60), NULL, &t));
        } while (!set_add(&seen, hash64(t->prompt, strlen(t->prompt), 0)));
        strbuf_clear(&line);
        json_writer w = json_writer_make(&line);
        json_begin_object(&w);
        json_member_array(&w, "messages");
        if (rng_below(&r, 10) == 0) { /* one exchange came before */
            practice_task_free(before);
            before = NULL;
            TRY(practice_task_make(&r, PLACE_CHAT, t->chinese, 0, NULL, &before));
            strbuf_clear(&reply);
            TRY(practice_reply(before, REPLY_RIGHT, &r, &reply));
            strbuf text = {.data = before->prompt, .len = strlen(before->prompt)};
            message_json(&w, "user", &text);
            message_json(&w, "assistant", &reply);
        }
        strbuf text = {.data = t->prompt, .len = strlen(t->prompt)};
        message_json(&w, "user", &text);
        json_end_array(&w);
        json_key(&w, "task");
        practice_task_json(t, &w);
        json_end_object(&w);
        TRY(outstream_line(out, &line));
    }
    TRY(outstream_commit(&out));
cleanup:
    outstream_discard(out);
    practice_task_free(t);
    practice_task_free(before);
    strbuf_free(&line);
    strbuf_free(&reply);
    free(seen.slots);
    return status;
}

static wr_status write_summary(const practice_options *o, const tally *n, const char *path) {
    static const char *const mode_names[REPLY_MODES] = {"right", "incomplete", "wrong", "off_topic", "refusal"};
    strbuf out = {0};
    json_writer w = json_writer_make(&out);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"users", o->users},
                  {"conversations", n->conversations},
                  {"seed", o->seed},
                  {"train_prompts", o->train_prompts},
                  {"heldout_prompts", o->heldout_prompts},
                  {"messages", n->messages},
                  {"replies", n->replies},
                  {"followups", n->followups}};
    json_begin_object(&w);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_member_int(&w, counts[i].name, (int64_t)counts[i].value);
    }
    double replies = n->replies ? (double)n->replies : 1, followups = n->followups ? (double)n->followups : 1;
    json_member_double(&w, "mean_quality", n->quality / replies);
    json_member_array(&w, "level_shares");
    for (int l = 1; l <= 5; l++) json_double(&w, (double)n->levels[l] / followups);
    json_end_array(&w);
    json_member_double(&w, "chinese_conversations",
                       (double)n->chinese / (n->conversations ? (double)n->conversations : 1));
    json_member_object(&w, "reply_modes");
    for (int m = 0; m < REPLY_MODES; m++) {
        json_member_double(&w, mode_names[m], (double)n->modes[m] / replies);
    }
    json_end_object(&w);
    json_member_object(&w, "kinds");
    for (int k = 0; k < TASK_KINDS; k++) {
        practice_task t = {.kind = (practice_kind)k};
        json_member_object(&w, practice_task_kind(&t));
        json_member_int(&w, "replies", (int64_t)n->kinds[k]);
        json_member_double(&w, "mean_quality", n->kinds[k] ? n->kind_quality[k] / (double)n->kinds[k] : 0);
        json_end_object(&w);
    }
    json_end_object(&w);
    json_end_object(&w);
    strbuf_putc(&out, '\n');
    wr_status status = strbuf_status(&out);
    if (status >= 0) status = file_write_atomic(path, strbuf_str(&out), out.len);
    strbuf_free(&out);
    return status;
}

/* Files of these names are replaced, so the folder must be new, empty, or a practice world that was made before. */
static wr_status check_folder(const char *dir) {
    wr_status status = WR_OK;
    static const char *const own[] = {"chats.jsonl.zst", "truth.jsonl.zst", "prompts-train.jsonl",
                                      "prompts-heldout.jsonl", "summary.json"};
    enum { OWN = sizeof own / sizeof *own };
    char path[PATH_CAP], **names = NULL, *text = NULL;
    size_t n = 0, length = 0;
    const json_value *summary = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    if (!dir_exists(dir)) goto cleanup;
    TRY(dir_list(dir, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < OWN && strcmp(names[i], own[k]) != 0) k++;
        if (k == OWN && !(names[i][0] == '.' && strstr(names[i], ".wildreward.tmp")))
            TRY(wr_fail(WR_E_USAGE, "%s: holds %s, which is of no practice world; give another --out", dir, names[i]));
    }
    TRY(path_join(path, dir, "summary.json"));
    if (n == 0) goto cleanup;
    if (!file_exists(path) || file_read(path, 1 << 20, &text, &length) < 0 ||
        json_parse(a, text, length, &summary) < 0 || !json_get(summary, "conversations") || !json_get(summary, "seed"))
        TRY(wr_fail(WR_E_USAGE,
                    "%s: holds %s but no summary.json of synth: not a practice world, or an unfinished one; remove it, "
                    "or give another --out",
                    dir, names[0]));
cleanup:
    names_free(names, names ? n : 0);
    free(text);
    arena_free(a);
    return status;
}

wr_status practice_synth(const practice_options *o, const char *out_dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    tally n = {0};
    if (o->users == 0 || o->conversations == 0)
        return wr_fail(WR_E_USAGE, "synth: --users and --conversations must be at least 1");
    TRY(check_folder(out_dir));
    TRY(dir_make(out_dir));
    TRY(write_chats(o, out_dir, &n));
    TRY(path_join(path, out_dir, "prompts-train.jsonl"));
    TRY(write_prompts(o, PLACE_TRAIN, o->train_prompts, path));
    TRY(path_join(path, out_dir, "prompts-heldout.jsonl"));
    TRY(write_prompts(o, PLACE_HELDOUT, o->heldout_prompts, path));
    TRY(path_join(path, out_dir, "summary.json"));
    TRY(write_summary(o, &n, path));
    log_info("synth: %llu conversations, %llu replies, mean quality %.3f, follow-up levels %.1f/%.1f/%.1f/%.1f/%.1f %%",
             (unsigned long long)n.conversations, (unsigned long long)n.replies, n.quality / (double)n.replies,
             100.0 * (double)n.levels[1] / (double)n.followups, 100.0 * (double)n.levels[2] / (double)n.followups,
             100.0 * (double)n.levels[3] / (double)n.followups, 100.0 * (double)n.levels[4] / (double)n.followups,
             100.0 * (double)n.levels[5] / (double)n.followups);
cleanup:
    return status;
}
