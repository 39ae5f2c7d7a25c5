/* practice_check: the true quality of a reply. Judges content: letter case, punctuation and a polite frame ("Sure, here
 * is …: … Let me know …") cost nothing; sentences that have nothing to do with the task, refusals and surplus items do.
 */
#include "base/mem.h"
#include "data/practice/practice_checks.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Does this sentence speak of the task? */
static bool on_topic(const practice_task *t, span sentence) {
    int64_t number;
    span w, rest = sentence;
    bool numeric = t->kind == TASK_COUNT || t->kind == TASK_ARITHMETIC || (t->kind == TASK_SORT && t->b);
    while (numeric && text_word(&rest, &w))
        if (span_number(w, &number)) return true;
    char letters[64];
    if (t->kind == TASK_SPELLING && practice_letter_run(sentence, false, letters, sizeof letters) > 1) return true;
    if (t->kind == TASK_FORMAT && memchr(sentence.s, '{', sentence.n)) return true;
    if (t->kind == TASK_GREETING && sentence.n < 48) return true;
    if (t->kind == TASK_YESNO && sentence.n < 12) return true;
    if (t->kind == TASK_LIST) {
        const category *c = practice_category(t->subject);
        for (const char *const *i = c->items_zh; *i; i++)
            if (text_has(sentence, *i)) return true;
        for (const char *const *i = c->items; *i; i++)
            if (text_has_word(sentence, *i, strlen(*i))) return true;
    }
    const char *const sources[] = {t->subject, t->other};
    for (size_t i = 0; i < 2; i++) {
        if (t->chinese) {
            /* Single characters occur in any text: an opposite is named as such, or stands almost alone. */
            if (t->kind == TASK_OPPOSITE && sentence.n > 18 && !text_has(sentence, "反义词")) continue;
            if (*sources[i] && text_has(sentence, sources[i])) return true;
            continue;
        }
        rest = (span){sources[i], strlen(sources[i])};
        while (text_word(&rest, &w))
            if (w.n >= 3 && !span_is(w, "the", 3, false) && text_has_word(sentence, w.s, w.n)) return true;
    }
    return practice_refused(sentence);
}

/* Sentences that are neither about the task nor a short courtesy. */
static size_t rambling_sentences(const practice_task *t, span text) {
    static const char *const courtesies[] = {"let me know",
                                             "hope this helps",
                                             "hope that helps",
                                             "anything else",
                                             "happy to help",
                                             "glad to help",
                                             "asked for",
                                             "here is",
                                             "here are",
                                             "my answer",
                                             "the answer",
                                             "feel free",
                                             "here you go",
                                             "looking for",
                                             "希望",
                                             "还有",
                                             "好的",
                                             "当然",
                                             "没问题",
                                             "答案",
                                             NULL};
    enum { COURTESIES = 3 };
    size_t bad = 0, polite = 0;
    span sentence;
    while (text_sentence(&text, &sentence)) {
        span rest = sentence, w;
        size_t words = 0, wide = 0;
        while (text_word(&rest, &w)) words++;
        for (size_t i = 0; i < sentence.n; i++)
            wide += ((unsigned char)sentence.s[i] & 0xC0) == 0xC0; /* non-ASCII characters */
        if (words > 32 + 2 * strlen(t->subject) / 3 || wide > 60)
            bad++;
        else if (on_topic(t, sentence))
            continue;
        else if (words + wide / 2 <= 3 || text_has_any(sentence, courtesies))
            bad += ++polite > COURTESIES;
        else
            bad++;
    }
    return bad;
}

wr_status practice_check(const practice_task *t, const char *reply, size_t length, double *out) {
    char *lower = mem_calloc(length + 1, 1);
    if (!lower) return wr_fail(WR_E_NOMEM, "out of memory checking a reply of %zu bytes", length);
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (length - i >= 3 && memcmp(reply + i, "\xE2\x80\x99", 3) == 0) { /* ’ */
            lower[n++] = '\'';
            i += 2;
        } else {
            lower[n++] = (char)tolower((unsigned char)reply[i]);
        }
    }
    lower[n] = 0;
    answer x = {.raw = {reply, length}, .all = {lower, n}};
    x.body = text_after_colon(x.all, &x.framed);
    x.items = x.all;
    span rest = x.body;
    if (x.framed) text_sentence(&rest, &x.items);
    double quality = practice_answer_quality(t, &x);
    if (quality > 0) {
        size_t bad = rambling_sentences(t, x.all);
        quality *= bad == 0 ? 1 : bad == 1 ? 0.5 : 0.25;
    }
    free(lower);
    *out = quality;
    return WR_OK;
}
