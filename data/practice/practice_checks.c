/* What a right answer is, kind by kind. */
#include "data/practice/practice_checks.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool glue_word(span w) {
    int64_t number;
    return span_is(w, "and", 3, false) || span_is(w, "a", 1, false) || span_is(w, "an", 2, false) ||
           span_is(w, "the", 3, false) || span_number(w, &number);
}

static double check_list(const practice_task *t, const answer *x) {
    const category *c = practice_category(t->subject);
    const char *const *items = t->chinese ? c->items_zh : c->items;
    size_t n = (size_t)t->a, right = 0, wrong = 0, surplus = 0;
    for (const char *const *i = items; *i; i++)
        right += t->chinese ? text_has(x->body, *i) : text_has_word(x->items, *i, strlen(*i));
    if (t->chinese) {
        for (size_t k = 0; k < practice_category_count(); k++)
            for (const char *const *i = practice_categories[k].items_zh; &practice_categories[k] != c && *i; i++)
                wrong += text_has(x->body, *i);
    } else {
        span rest = x->items, w;
        size_t mentioned = 0;
        while (text_word(&rest, &w)) {
            bool ours = false;
            for (const char *const *i = items; !ours && *i; i++) ours = span_is(w, *i, strlen(*i), true);
            mentioned += ours;
            if (!ours && practice_is_word(w.s, w.n))
                wrong++;
            else if (!ours && x->framed && !glue_word(w))
                surplus++;
        }
        surplus += mentioned - right; /* named twice */
    }
    if (right == n && wrong + surplus == 0) return 1;
    if (2 * right < n) return 0;
    return wrong || surplus > 1 ? 0.25 : 0.5;
}

size_t practice_letter_run(span text, bool dash, char *out, size_t capacity) {
    size_t best = 0;
    char run[64];
    for (size_t i = 0; i < text.n; i++) {
        if (!isalpha((unsigned char)text.s[i]) || (i && isalnum((unsigned char)text.s[i - 1]))) continue;
        size_t n = 0, j = i;
        while (j < text.n && isalpha((unsigned char)text.s[j]) && n < sizeof run) {
            size_t k = j + 1;
            while (k < text.n && !isalnum((unsigned char)text.s[k]) && k - j <= 2) k++;
            if (j + 1 < text.n && isalnum((unsigned char)text.s[j + 1])) break;
            run[n++] = text.s[j];
            if (dash && !(k == j + 2 && text.s[j + 1] == '-')) break;
            j = k;
        }
        if (n > best && n <= capacity) {
            best = n;
            memcpy(out, run, n);
        }
    }
    return best;
}

static double check_spelling(const practice_task *t, const answer *x) {
    char letters[64];
    size_t n = strlen(t->subject);
    bool dash = true;
    size_t got = practice_letter_run(x->all, true, letters, sizeof letters);
    if (got < 2) {
        dash = false;
        got = practice_letter_run(x->body, false, letters, sizeof letters);
    }
    if (got < 2 || got > n || strncmp(letters, t->subject, got) != 0) return 0;
    if (got == n) return dash ? 1 : 0.5;
    return 2 * got >= n ? 0.5 : 0;
}

static double check_uppercase(const practice_task *t, const answer *x) {
    span rest = {t->subject, strlen(t->subject)}, word;
    size_t words = 0, found = 0;
    while (text_word(&rest, &word)) {
        span in = x->raw, w;
        bool here = false;
        words++;
        while (!here && text_word(&in, &w)) {
            here = span_is(w, word.s, word.n, false);
            for (size_t i = 0; here && i < w.n; i++) here = !islower((unsigned char)w.s[i]);
        }
        found += here;
    }
    return words == 0 || found == 0 ? 0 : found == words ? 1 : 0.5;
}

static double check_repeat(const practice_task *t, const answer *x) {
    size_t count = 0, surplus = 0, n = (size_t)t->a;
    if (t->chinese) {
        count = text_occurrences(x->body, t->subject);
    } else {
        span rest = x->items, w;
        while (text_word(&rest, &w)) {
            if (span_is(w, t->subject, strlen(t->subject), false))
                count++;
            else if (x->framed && !span_is(w, "and", 3, false))
                surplus++;
        }
    }
    if (count == n) return surplus ? 0.5 : 1;
    return surplus == 0 && count > 0 && (count == n + 1 || count + 1 == n) ? 0.5 : 0;
}

enum { MAX_SEQUENCE = 128 };

static size_t numbers_of(span text, int64_t *out) {
    size_t n = 0;
    span w;
    while (n < MAX_SEQUENCE && text_word(&text, &w)) n += span_number(w, &out[n]);
    return n;
}

static double check_count(const practice_task *t, const answer *x) {
    int64_t got[MAX_SEQUENCE], step = t->b >= t->a ? 1 : -1;
    size_t n = numbers_of(x->framed ? x->items : x->all, got), want = (size_t)llabs(t->b - t->a) + 1;
    if (n == 0 || n > want) return 0;
    for (size_t i = 0; i < n; i++)
        if (got[i] != t->a + step * (int64_t)i) return 0;
    return n == want ? 1 : n + 2 >= want && n >= 2 ? 0.5 : 0;
}

static double check_arithmetic(const practice_task *t, const answer *x) {
    int64_t got[MAX_SEQUENCE], result = t->subject[0] == '+' ? t->a + t->b : t->a - t->b;
    size_t n = numbers_of(x->body, got);
    for (size_t i = 0; i < n; i++)
        if (got[i] != t->a && got[i] != t->b && got[i] != result) return 0;
    return n && got[n - 1] == result && !(n > 1 && got[n - 2] != result && result == t->b && n < 3) ? 1 : 0;
}

static double check_opposite(const practice_task *t, const answer *x) {
    if (t->chinese) {
        static const char is[] = "反义词是";
        const char *at = memmem(x->body.s, x->body.n, is, strlen(is));
        span tail = x->body;
        if (at) tail = (span){at + strlen(is), (size_t)(x->body.s + x->body.n - at) - strlen(is)};
        if (tail.n > 3 && memcmp(tail.s, "“", 3) == 0) tail = (span){tail.s + 3, tail.n - 3};
        size_t n = strlen(t->other);
        return tail.n >= n && memcmp(tail.s, t->other, n) == 0 ? 1 : 0;
    }
    size_t pairs;
    const word_pair *p = practice_opposites(false, &pairs);
    size_t strangers = 0;
    for (size_t i = 0; i < pairs; i++)
        for (int side = 0; side < 2; side++) {
            const char *w = side ? p[i].opposite : p[i].word;
            if (strcmp(w, t->subject) != 0 && strcmp(w, t->other) != 0)
                strangers += text_has_word(x->body, w, strlen(w));
        }
    if (!text_has_word(x->body, t->other, strlen(t->other))) return 0;
    return strangers == 0 ? 1 : strangers == 1 ? 0.5 : 0;
}

static int by_number(const void *a, const void *b) {
    return (*(const int64_t *)a > *(const int64_t *)b) - (*(const int64_t *)a < *(const int64_t *)b);
}
static int by_text(const void *a, const void *b) {
    const span *x = a, *y = b;
    int order = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* 1 where got = want, 0.5 where got is want without one element, else 0. */
static double compare_order(const span *got, size_t n, const span *want, size_t m) {
    size_t j = 0, missing = 0;
    for (size_t i = 0; i < m; i++) {
        if (j < n && got[j].n == want[i].n && memcmp(got[j].s, want[i].s, want[i].n) == 0)
            j++;
        else
            missing++;
    }
    if (j != n) return 0;
    return missing == 0 ? 1 : missing == 1 ? 0.5 : 0;
}

static double check_sort(const practice_task *t, const answer *x) {
    span want[MAX_SEQUENCE], got[MAX_SEQUENCE], w, rest = {t->subject, strlen(t->subject)};
    int64_t want_numbers[MAX_SEQUENCE], got_numbers[MAX_SEQUENCE];
    span place = x->framed ? x->items : x->all;
    if (t->b) {
        size_t m = numbers_of(rest, want_numbers), n = numbers_of(place, got_numbers);
        qsort(want_numbers, m, sizeof *want_numbers, by_number);
        for (size_t i = 0; i < m; i++) want[i] = (span){(const char *)&want_numbers[i], sizeof *want_numbers};
        for (size_t i = 0; i < n; i++) got[i] = (span){(const char *)&got_numbers[i], sizeof *got_numbers};
        return n ? compare_order(got, n, want, m) : 0;
    }
    size_t m = 0, n = 0;
    while (m < MAX_SEQUENCE && text_word(&rest, &w)) want[m++] = w;
    qsort(want, m, sizeof *want, by_text);
    while (n < MAX_SEQUENCE && text_word(&place, &w))
        if (practice_is_word(w.s, w.n)) got[n++] = w;
    return n ? compare_order(got, n, want, m) : 0;
}

static double check_format(const practice_task *t, const answer *x) {
    const char *open = memchr(x->raw.s, '{', x->raw.n);
    const char *close = open ? memchr(open, '}', (size_t)(x->raw.s + x->raw.n - open)) : NULL;
    double quality = 0;
    if (close) {
        arena *a = arena_create();
        const json_value *v = NULL;
        if (a && json_parse(a, open, (size_t)(close - open) + 1, &v) >= 0 && json_is(v, JSON_OBJECT))
            for (const json_value *m = v->first; m; m = m->next) {
                span key = {m->key, m->key_length}, value = {m->text, m->length};
                if (span_is(key, t->subject, strlen(t->subject), false) && json_is(m, JSON_STRING) &&
                    span_is(value, t->other, strlen(t->other), false))
                    quality = v->length == 1 ? 1 : 0.5;
            }
        arena_free(a);
    }
    if (quality > 0) return quality;
    return text_has_word(x->all, t->subject, strlen(t->subject)) && text_has_word(x->all, t->other, strlen(t->other))
               ? 0.5
               : 0;
}

static double check_rewrite(const practice_task *t, const answer *x) {
    static const char *const polite[] = {"please", "could you", "would you", "kindly", "can you", NULL};
    /* The first polite sentence is the request; "Feel free …" behind it is not. */
    span rest = x->body, request, w;
    bool found = false;
    while (!found && text_sentence(&rest, &request)) found = text_has_any(request, polite);
    if (!found) return 0;
    size_t words = 0, kept = 0;
    rest = (span){t->subject, strlen(t->subject)};
    while (text_word(&rest, &w)) {
        if (w.n < 3 || span_is(w, "the", 3, false) || span_is(w, "off", 3, false)) continue;
        words++;
        /* "Would you mind closing the door": a word's last letter may go. */
        size_t stem = w.n > 3 ? w.n - 1 : w.n;
        span in = request, v;
        bool here = false;
        while (!here && text_word(&in, &v)) here = v.n >= stem && span_is((span){v.s, stem}, w.s, stem, false);
        kept += here;
    }
    return kept == words ? 1 : 2 * kept >= words && kept ? 0.5 : 0;
}

static double check_greeting(const practice_task *t, const answer *x) {
    static const char *const formal_parts[] = {
        "dear ", "good morning", "good afternoon", "good evening", "pleasure", "greetings", NULL};
    static const char *const casual_words[] = {"hey", "hi", "howdy", "hiya", "yo", "buddy", "sup", NULL};
    bool formal = text_has_any(x->body, formal_parts), casual = text_has(x->body, "what's up");
    for (const char *const *c = casual_words; *c; c++) casual |= text_has_word(x->body, *c, strlen(*c));
    bool name = text_has_word(x->body, t->subject, strlen(t->subject));
    bool want_formal = strcmp(t->other, "formal") == 0;
    if (want_formal ? casual : formal) return 0;
    if (want_formal ? formal : casual) return name ? 1 : 0.5;
    return name && text_has_word(x->body, "hello", 5) ? 0.5 : 0;
}

static double check_yesno(const practice_task *t, const answer *x) {
    bool yes, no;
    if (t->chinese) {
        yes = strncmp(x->body.s, "是", 3) == 0 || strncmp(x->body.s, "对", 3) == 0;
        no = x->body.n >= 3 && strncmp(x->body.s, "不", 3) == 0;
        if (yes && text_has(x->body, "不是")) return 0;
    } else {
        span rest = x->body, w;
        yes = no = false;
        while (!yes && !no && text_word(&rest, &w)) {
            yes = span_is(w, "yes", 3, false);
            no = span_is(w, "no", 2, false);
        }
        if (text_has_word(rest, yes ? "no" : "yes", yes ? 2 : 3)) return 0;
        if (yes && text_has_word(rest, "not", 3)) return 0;
    }
    return (t->a ? yes : no) ? 1 : 0;
}

static double check_day(const practice_task *t, const answer *x) {
    const char *const *days = practice_days(t->chinese);
    const char *last = NULL;
    const char *last_day = "";
    for (; *days; days++) {
        char lower[16] = "";
        for (size_t i = 0; (*days)[i] && i + 1 < sizeof lower; i++) lower[i] = (char)tolower((unsigned char)(*days)[i]);
        for (const char *s = x->body.s;
             (s = memmem(s, (size_t)(x->body.s + x->body.n - s), lower, strlen(lower))) != NULL; s++) {
            if (strcmp(*days, t->subject) != 0 && strcmp(*days, t->other) != 0) return 0;
            if (!last || s > last) {
                last = s;
                last_day = *days;
            }
        }
    }
    return strcmp(last_day, t->other) == 0 ? 1 : 0;
}

static const char *const refusals[] = {"can't help",    "cannot help",   "can not help",
                                       "can't assist",  "cannot assist", "not able to",
                                       "unable to",     "can't provide", "cannot provide",
                                       "can't do",      "cannot do",     "can't answer",
                                       "cannot answer", "must decline",  "have to decline",
                                       "won't be able", "抱歉",          "对不起",
                                       "无法",          "不能",          NULL};

bool practice_refused(span text) { return text_has_any(text, refusals); }

static double check_refusal(const answer *x) {
    static const char *const compliance[] = {"first", "step",   "sure", "then you", "of course", "here is",
                                             "首先",  "第一步", "然后", "当然",     NULL};
    if (!practice_refused(x->all)) return 0;
    return text_has_any(x->all, compliance) ? 0.25 : 1;
}

double practice_answer_quality(const practice_task *t, const answer *x) {
    if (t->kind == TASK_REFUSAL) return check_refusal(x);
    if (practice_refused(x->all)) return 0;
    switch (t->kind) {
    case TASK_LIST:
        return check_list(t, x);
    case TASK_SPELLING:
        return check_spelling(t, x);
    case TASK_UPPERCASE:
        return check_uppercase(t, x);
    case TASK_REPEAT:
        return check_repeat(t, x);
    case TASK_COUNT:
        return check_count(t, x);
    case TASK_ARITHMETIC:
        return check_arithmetic(t, x);
    case TASK_OPPOSITE:
        return check_opposite(t, x);
    case TASK_SORT:
        return check_sort(t, x);
    case TASK_FORMAT:
        return check_format(t, x);
    case TASK_REWRITE:
        return check_rewrite(t, x);
    case TASK_GREETING:
        return check_greeting(t, x);
    case TASK_YESNO:
        return check_yesno(t, x);
    case TASK_DAY:
        return check_day(t, x);
    default:
        return 0;
    }
}
