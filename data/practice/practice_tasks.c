/* Tasks: drawing one, JSON in and out. */
#include "data/practice/practice_world.h"
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[TASK_KINDS] = {"list",       "spelling", "uppercase", "repeat", "count",
                                                   "arithmetic", "opposite", "sort",      "format", "rewrite",
                                                   "greeting",   "refusal",  "yesno",     "day"};

/* In percent: how often each kind is asked. */
static const unsigned weights_en[TASK_KINDS] = {28, 1, 1, 5, 9, 2, 14, 1, 5, 6, 8, 7, 5, 8};
static const unsigned weights_zh[TASK_KINDS] = {32, 0, 0, 10, 14, 4, 14, 0, 0, 0, 0, 8, 8, 10};

static void pick_words(rng *r, bool numbers, strbuf *out) {
    const char *seen[3] = {0};
    int64_t values[3] = {0};
    for (int i = 0; i < 3; i++) {
        bool again;
        do {
            again = false;
            if (numbers)
                values[i] = 1 + (int64_t)rng_below(r, 20);
            else
                seen[i] = practice_word(rng_below(r, practice_word_count(false)), false);
            for (int j = 0; j < i; j++) again |= numbers ? values[j] == values[i] : seen[j] == seen[i];
        } while (again);
        if (i) strbuf_putc(out, ' ');
        if (numbers)
            strbuf_printf(out, "%d", (int)values[i]);
        else
            strbuf_puts(out, seen[i]);
    }
}

/* One word or two. */
static void draw_words(rng *r, strbuf *subject) {
    uint64_t first = rng_below(r, practice_word_count(false));
    strbuf_puts(subject, practice_word(first, false));
    if (rng_below(r, 2)) {
        strbuf_putc(subject, ' ');
        strbuf_puts(subject, practice_word(first + 1 + rng_below(r, practice_word_count(false) - 1), false));
    }
}

/* Something that is of the category (t->a 1) or not; returns the category's key. */
static const char *draw_yes_or_no(practice_task *t, rng *r, strbuf *subject) {
    const category *c, *of;
    const bool zh = t->chinese;
    do c = &practice_categories[rng_below(r, practice_category_count())];
    while (zh && !c->zh);
    t->a = (int64_t)rng_below(r, 2);
    do of = t->a ? c : &practice_categories[rng_below(r, practice_category_count())];
    while ((zh && !of->zh) || (!t->a && of == c));
    strbuf_puts(subject, text_pick(zh ? of->items_zh : of->items, r));
    return c->key;
}

/* Fills subject, other, a, b of a task of t->kind. */
static wr_status draw(practice_task *t, const practice_task *like, rng *r) {
    strbuf subject = {0};
    const char *other = "";
    bool zh = t->chinese, same = like && like->kind == t->kind;
    size_t n;
    switch (t->kind) {
    case TASK_LIST: {
        const category *c = same ? practice_category(like->subject) : NULL;
        while (!c || (zh && !c->zh)) c = &practice_categories[rng_below(r, practice_category_count())];
        strbuf_puts(&subject, c->key);
        t->a = 3 + (int64_t)rng_below(r, 3);
        break;
    }
    case TASK_UPPERCASE:
        draw_words(r, &subject);
        break;
    case TASK_SPELLING:
    case TASK_REPEAT:
        strbuf_puts(&subject, same && rng_below(r, 2) ? like->subject : practice_word(rng_u64(r), zh));
        if (t->kind == TASK_REPEAT) t->a = 3 + (int64_t)rng_below(r, 3);
        break;
    case TASK_COUNT:
        t->a = 1 + (int64_t)rng_below(r, 12);
        t->b = t->a + 3 + (int64_t)rng_below(r, 4);
        break;
    case TASK_ARITHMETIC:
        t->a = 1 + (int64_t)rng_below(r, 10);
        t->b = 1 + (int64_t)rng_below(r, 10);
        strbuf_puts(&subject, t->a > t->b && rng_below(r, 3) == 0 ? "-" : "+");
        break;
    case TASK_OPPOSITE: {
        const word_pair *pairs = practice_opposites(zh, &n);
        const word_pair *p = &pairs[rng_below(r, n)];
        bool turn = rng_below(r, 2);
        strbuf_puts(&subject, turn ? p->opposite : p->word);
        other = turn ? p->word : p->opposite;
        break;
    }
    case TASK_SORT:
        t->b = (int64_t)rng_below(r, 2);
        pick_words(r, t->b, &subject);
        break;
    case TASK_FORMAT: {
        const value_key *keys = practice_formats(&n);
        const value_key *k = &keys[rng_below(r, n)];
        strbuf_puts(&subject, k->key);
        other = text_pick(practice_category(k->category)->items, r);
        break;
    }
    case TASK_REWRITE:
        strbuf_puts(&subject, text_pick(practice_commands, r));
        break;
    case TASK_GREETING:
        strbuf_puts(&subject, same ? like->subject : text_pick(practice_names, r));
        other = rng_below(r, 2) ? "formal" : "casual";
        break;
    case TASK_REFUSAL:
        strbuf_puts(&subject, text_pick(practice_harmful(zh), r));
        break;
    case TASK_YESNO:
        other = draw_yes_or_no(t, r, &subject);
        break;
    case TASK_DAY: {
        size_t day = rng_below(r, 7);
        t->a = rng_below(r, 2) ? 1 : -1;
        strbuf_puts(&subject, practice_days(zh)[day]);
        other = practice_days(zh)[(day + (size_t)(7 + t->a)) % 7];
        break;
    }
    case TASK_KINDS:
        break;
    }
    if (!subject.data) strbuf_puts(&subject, "");
    wr_status status = strbuf_status(&subject);
    t->subject = subject.data;
    t->other = mem_strdup(other);
    if (status >= 0 && (!t->other || !t->subject)) status = wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
    return status;
}

static practice_kind draw_kind(const unsigned *weights, rng *r) {
    unsigned total = 0;
    for (int k = 0; k < TASK_KINDS; k++) total += weights[k];
    uint64_t x = rng_below(r, total);
    int k = 0;
    while (x >= weights[k]) x -= weights[k++];
    return (practice_kind)k;
}

wr_status practice_task_make(rng *r, practice_place place, bool chinese, int habit, const practice_task *like,
                             practice_task **out) {
    wr_status status = WR_OK;
    practice_task *t = NULL;
    do {
        practice_task_free(t);
        t = mem_calloc(1, sizeof *t);
        TRY_ALLOC(t);
        t->chinese = chinese;
        t->kind = like ? like->kind : draw_kind(chinese ? weights_zh : weights_en, r);
        TRY(draw(t, like, r));
        /* Try several wordings before another draw, so that no parameter is tied to one place. */
        for (int i = 0; i < 6; i++) {
            TRY(practice_word_prompt(t, habit, r));
            if (practice_prompt_place(t->prompt) == place) break;
        }
    } while (practice_prompt_place(t->prompt) != place);
    *out = t;
    return WR_OK;
cleanup:
    practice_task_free(t);
    return status;
}

wr_status practice_task_copy(const practice_task *t, practice_task **out) {
    wr_status status = WR_OK;
    practice_task *copy = mem_calloc(1, sizeof *copy);
    TRY_ALLOC(copy);
    *copy = *t;
    copy->subject = mem_strdup(t->subject);
    copy->other = mem_strdup(t->other);
    copy->prompt = mem_strdup(t->prompt);
    if (!copy->subject || !copy->other || !copy->prompt) TRY(wr_fail(WR_E_NOMEM, "out of memory in %s", __func__));
    *out = copy;
    return WR_OK;
cleanup:
    practice_task_free(copy);
    return status;
}

void practice_task_free(practice_task *t) {
    if (!t) return;
    free(t->subject);
    free(t->other);
    free(t->prompt);
    free(t);
}

const char *practice_task_prompt(const practice_task *t) { return t->prompt; }
const char *practice_task_kind(const practice_task *t) { return kind_names[t->kind]; }

void practice_task_json(const practice_task *t, json_writer *w) {
    json_begin_object(w);
    json_member_string(w, "kind", kind_names[t->kind]);
    json_member_string(w, "language", t->chinese ? "zh" : "en");
    json_member_string(w, "prompt", t->prompt);
    json_member_string(w, "subject", t->subject);
    json_member_string(w, "other", t->other);
    json_member_int(w, "a", t->a);
    json_member_int(w, "b", t->b);
    json_end_object(w);
}

bool practice_task_valid(const practice_task *t) {
    if (t->a < -1000 || t->a > 1000 || t->b < -1000 || t->b > 1000) return false;
    const category *c;
    switch (t->kind) {
    case TASK_LIST:
        c = practice_category(t->subject);
        return c && (!t->chinese || c->zh) && t->a >= 1 && t->a <= 20;
    case TASK_YESNO:
        return practice_category(t->other) && *t->subject && (t->a == 0 || t->a == 1);
    case TASK_REPEAT:
        return *t->subject && t->a >= 1 && t->a <= 100;
    case TASK_COUNT:
        return llabs(t->a - t->b) <= 100;
    case TASK_ARITHMETIC:
        return strcmp(t->subject, "+") == 0 || strcmp(t->subject, "-") == 0;
    case TASK_OPPOSITE:
    case TASK_FORMAT:
    case TASK_DAY:
    case TASK_GREETING:
        return *t->subject && *t->other;
    default:
        return *t->subject;
    }
}

static bool member(const json_value *v, const char *key, char **out) {
    const char *text;
    size_t n;
    if (!json_get_string(v, key, &text, &n) || n > 65536 || memchr(text, 0, n)) return false;
    *out = mem_strndup(text, n);
    return *out != NULL;
}

wr_status practice_task_from_json(const json_value *v, practice_task **out) {
    wr_status status = WR_OK;
    practice_task *t = mem_calloc(1, sizeof *t);
    char *kind = NULL, *language = NULL;
    TRY_ALLOC(t);
    if (!json_is(v, JSON_OBJECT)) TRY(wr_fail(WR_E_FORMAT, "practice task: not a JSON object"));
    if (!member(v, "kind", &kind) || !member(v, "language", &language) || !member(v, "prompt", &t->prompt) ||
        !member(v, "subject", &t->subject) || !member(v, "other", &t->other) || !json_get_int(v, "a", &t->a) ||
        !json_get_int(v, "b", &t->b))
        TRY(wr_fail(WR_E_FORMAT,
                    "practice task: kind, language, prompt, subject, other (strings), a and b (integers) are needed"));
    int k = 0;
    while (k < TASK_KINDS && strcmp(kind_names[k], kind) != 0) k++;
    if (k == TASK_KINDS) TRY(wr_fail(WR_E_FORMAT, "practice task: unknown kind '%.40s'", kind));
    t->kind = (practice_kind)k;
    if (strcmp(language, "en") != 0 && strcmp(language, "zh") != 0)
        TRY(wr_fail(WR_E_FORMAT, "practice task: language is '%.40s', expected en or zh", language));
    t->chinese = language[0] == 'z';
    if (!practice_task_valid(t))
        TRY(wr_fail(WR_E_FORMAT, "practice task of kind %s: its parameters are out of range", kind));
    *out = t;
    t = NULL;
cleanup:
    free(kind);
    free(language);
    practice_task_free(t);
    return status;
}
