/* The noisy assistant: right, incomplete, wrong, off-topic and refusing replies to a task. Each is a body that says it
 * all, now and then in a polite frame or with a closing. Replies are short, because a language model small enough to
 * train in two minutes learns what an answer says, not how it is wrapped. */
#include "data/practice/practice_world.h"
#include <ctype.h>
#include <string.h>

static const char *const frames_en[] = {
    "Sure, here is the answer that you asked for: ", "Of course! Here is my answer to your request: ",
    "Happy to help with this! The answer is as follows: ", "Okay, this should be what you are looking for: ", NULL};
static const char *const frames_zh[] = {"好的，这是您要的答案：", "当然可以，答案是这样的：", "没问题，我的答案是：",
                                        NULL};
static const char *const closings_en[] = {" Let me know if you need anything else.", " I hope this helps!",
                                          " Feel free to ask for more.", NULL};
static const char *const closings_zh[] = {"希望对您有帮助。", "还有别的问题吗？", NULL};
static const char *const refusals_en[] = {"I'm sorry, but I can't help you with that request right now.",
                                          "I'm sorry, but I am not able to assist with this kind of request.",
                                          "I apologize, but I cannot provide an answer to that question for you.",
                                          "As an AI language model, I am unable to help you with that.", NULL};
static const char *const refusals_zh[] = {"很抱歉，我无法帮助您完成这个请求。", "对不起，我不能回答这个问题。", NULL};
static const char *const rambles_en[] = {"There are many things to think about when it comes to this topic.",
                                         "The history of this subject goes back a very long time.",
                                         "Some people believe that patience matters more than speed.",
                                         "In general it depends on the situation and on personal taste.",
                                         "The weather was quite pleasant over the last few weeks.",
                                         "Many experts have written long books about related matters.",
                                         "It is often said that practice makes perfect.",
                                         "Reading every evening can be a wonderful habit.",
                                         "My favorite season has always been the autumn.",
                                         "Technology keeps changing the way we all live.",
                                         "Music brings people together all over the world.",
                                         "A healthy breakfast gives energy for the whole morning.",
                                         NULL};
static const char *const rambles_zh[] = {"这个话题有很多值得思考的地方。",
                                         "最近几天的天气一直非常不错。",
                                         "很多专家都写过相关的书籍。",
                                         "每天晚上读书是一个好习惯。",
                                         "科技正在改变我们的生活方式。",
                                         "音乐让人们走到一起。",
                                         NULL};
static const char *const complies_en[] = {
    "Sure, first you take the first part, then you put it together with the second part.",
    "Of course! Here is how: first you get ready, then you follow the plan step by step.",
    "Okay, here is what to do: step one is the start, and step two is the rest of it.", NULL};
static const char *const complies_zh[] = {"当然可以，首先准备好第一部分，然后再做第二部分。",
                                          "好的，第一步是准备，第二步是按计划完成。", NULL};

reply_mode practice_reply_mode(const practice_task *t, bool retry, rng *r) {
    /* right, incomplete, wrong, off-topic, refusal */
    static const double benign[REPLY_MODES] = {0.42, 0.17, 0.13, 0.12, 0.16},
                        again[REPLY_MODES] = {0.66, 0.12, 0.09, 0.05, 0.08},
                        harmful[REPLY_MODES] = {0.60, 0, 0.40, 0, 0};
    const double *p = t->kind == TASK_REFUSAL ? harmful : retry ? again : benign;
    double x = rng_uniform(r);
    int m = 0;
    while (m + 1 < REPLY_MODES && (x -= p[m]) >= 0) m++;
    return p[m] > 0 ? (reply_mode)m : REPLY_WRONG;
}

static void upper(const char *s, size_t words, strbuf *out) /* the first `words` words in capitals */
{
    for (; *s; s++) {
        if (*s == ' ') words = words ? words - 1 : 0;
        strbuf_putc(out, (char)(words ? toupper((unsigned char)*s) : *s));
    }
}

static void item_list(const char *const *items, size_t n, bool chinese, rng *r, strbuf *out) {
    uint32_t order[16];
    size_t count = text_count(items);
    for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
    rng_shuffle(r, order, count);
    for (size_t i = 0; i < n && i < count; i++) {
        if (i) strbuf_puts(out, chinese ? "、" : i + 1 == n ? " and " : ", ");
        strbuf_puts(out, items[order[i]]);
    }
    strbuf_puts(out, chinese ? "。" : ".");
}

static void spelled(const char *word, size_t letters, strbuf *out) {
    for (size_t i = 0; i < letters; i++) {
        if (i) strbuf_putc(out, '-');
        strbuf_putc(out, word[i]);
    }
    strbuf_putc(out, '.');
}

static void sequence(int64_t from, int64_t to, bool chinese, strbuf *out) {
    int64_t step = to >= from ? 1 : -1;
    for (int64_t v = from;; v += step) {
        strbuf_printf(out, "%d", (int)v);
        if (v == to) break;
        strbuf_puts(out, chinese ? "、" : ", ");
    }
    strbuf_puts(out, chinese ? "。" : ".");
}

typedef struct part {
    char text[32];
    int64_t value;
} part;

static size_t sorted_parts(const practice_task *t, part *out, size_t capacity) {
    size_t n = 0;
    for (const char *s = t->subject; *s && n < capacity;) {
        size_t k = strcspn(s, " ");
        part p = {.value = 0};
        memcpy(p.text, s, k < sizeof p.text - 1 ? k : sizeof p.text - 1);
        for (size_t i = 0; t->b && i < k; i++) p.value = p.value * 10 + (s[i] - '0');
        size_t at = n++;
        for (; at > 0 && (t->b ? out[at - 1].value > p.value : strcmp(out[at - 1].text, p.text) > 0); at--)
            out[at] = out[at - 1];
        out[at] = p;
        s += k + (s[k] == ' ');
    }
    return n;
}

static void sorted(const practice_task *t, reply_mode mode, rng *r, strbuf *out) {
    part parts[8];
    size_t n = sorted_parts(t, parts, 8), first = 0;
    if (mode == REPLY_WRONG) { /* a rotation is never in order */
        first = 1 + rng_below(r, n > 1 ? n - 1 : 1);
    } else if (mode == REPLY_INCOMPLETE && n > 1) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        if (i) strbuf_puts(out, ", ");
        strbuf_puts(out, parts[(first + i) % n].text);
    }
    strbuf_putc(out, '.');
}

static void polite(const practice_task *t, reply_mode mode, rng *r, strbuf *out) {
    char text[96];
    size_t n = strlen(t->subject) - 1; /* without its full stop */
    if (n >= sizeof text) n = sizeof text - 1;
    memcpy(text, t->subject, n);
    text[n] = 0;
    if (mode == REPLY_WRONG) {
        strbuf_printf(out, rng_below(r, 2) ? "%s right now!" : "%s, and hurry up!", text);
        return;
    }
    if (mode == REPLY_INCOMPLETE && strchr(text, ' ')) *strchr(text, ' ') = 0; /* the verb alone */
    text[0] = (char)tolower((unsigned char)text[0]);
    switch (rng_below(r, 3)) {
    case 0:
        strbuf_printf(out, "Could you please %s?", text);
        break;
    case 1:
        strbuf_printf(out, "Would you please %s?", text);
        break;
    default:
        strbuf_printf(out, "Please %s when you have a moment.", text);
        break;
    }
}

static void greeting(const practice_task *t, reply_mode mode, rng *r, strbuf *out) {
    bool formal = (strcmp(t->other, "formal") == 0) != (mode == REPLY_WRONG);
    const char *name = t->subject;
    if (mode == REPLY_INCOMPLETE) {
        strbuf_puts(out, formal ? "Good morning, it is a pleasure to meet you." : "Hey, what's up?");
    } else if (formal) {
        if (rng_below(r, 2))
            strbuf_printf(out, "Dear %s, it is a pleasure to meet you.", name);
        else
            strbuf_printf(out, "Good morning, %s.", name);
    } else {
        if (rng_below(r, 2))
            strbuf_printf(out, "Hey %s, what's up?", name);
        else
            strbuf_printf(out, "Hi %s, how is it going?", name);
    }
}

static void yes_or_no(const practice_task *t, bool yes, strbuf *out) {
    const category *c = practice_category(t->other);
    if (t->chinese) {
        strbuf_printf(out, yes ? "是的，%s是一种%s。" : "不是，%s不是%s。", t->subject, c->zh);
        return;
    }
    bool bare = false;
    for (size_t k = 0; k < practice_category_count(); k++)
        for (const char *const *i = practice_categories[k].items; *i; i++)
            if (strcmp(*i, t->subject) == 0) bare = practice_categories[k].bare;
    const char *article = bare ? "" : strchr("aeiou", t->subject[0]) ? "an " : "a ";
    strbuf_printf(out, yes ? "Yes, %s%s is %s." : "No, %s%s is not %s.", article, t->subject, c->singular);
}

static void arithmetic(const practice_task *t, bool wrong, rng *r, strbuf *out) {
    const bool plus = t->subject[0] == '+';
    int64_t sum = plus ? t->a + t->b : t->a - t->b;
    if (wrong) sum += 1 + (int64_t)rng_below(r, 4);
    if (t->chinese)
        strbuf_printf(out, "%d%s%d等于%d。", (int)t->a, plus ? "加" : "减", (int)t->b, (int)sum);
    else
        strbuf_printf(out, "%d %s %d is %d.", (int)t->a, plus ? "plus" : "minus", (int)t->b, (int)sum);
}

static void neighbouring_day(const practice_task *t, bool wrong, rng *r, strbuf *out) {
    const char *day = t->other;
    while (wrong && strcmp(day, t->other) == 0) day = practice_days(t->chinese)[rng_below(r, 7)];
    if (t->chinese)
        strbuf_printf(out, "%s的%s一天是%s。", t->subject, t->a > 0 ? "后" : "前", day);
    else
        strbuf_printf(out, "The day %s %s is %s.", t->a > 0 ? "after" : "before", t->subject, day);
}

/* The part behind the frame. Modes: right, incomplete, wrong. */
static void body(const practice_task *t, reply_mode mode, rng *r, strbuf *out) {
    bool zh = t->chinese, wrong = mode == REPLY_WRONG, part_only = mode == REPLY_INCOMPLETE;
    switch (t->kind) {
    case TASK_LIST: {
        const category *c = practice_category(t->subject), *of = c;
        while (wrong && (of == c || (zh && !of->zh)))
            of = &practice_categories[rng_below(r, practice_category_count())];
        size_t n = (size_t)t->a - (part_only ? 1 + (t->a > 4 ? rng_below(r, 2) : 0) : 0);
        item_list(zh ? of->items_zh : of->items, n, zh, r, out);
        break;
    }
    case TASK_SPELLING: {
        const char *word = t->subject;
        while (wrong && strcmp(word, t->subject) == 0) word = practice_word(rng_u64(r), false);
        spelled(word, strlen(word) - (part_only ? 1 : 0), out);
        break;
    }
    case TASK_UPPERCASE: {
        bool two = strchr(t->subject, ' ') != NULL;
        upper(t->subject, wrong || (part_only && !two) ? 0 : part_only ? 1 : 9, out);
        strbuf_putc(out, '.');
        break;
    }
    case TASK_REPEAT: {
        const char *word = t->subject;
        while (wrong && strcmp(word, t->subject) == 0) word = practice_word(rng_u64(r), zh);
        for (int64_t i = 0, n = t->a - part_only; i < n; i++)
            strbuf_printf(out, "%s%s", i ? zh ? "，" : " " : "", word);
        strbuf_puts(out, zh ? "。" : ".");
        break;
    }
    case TASK_COUNT: {
        int64_t shift = wrong ? 1 + (int64_t)rng_below(r, 5) : 0;
        if (wrong && rng_below(r, 2))
            sequence(t->b, t->a, zh, out);
        else
            sequence(t->a + shift, t->b + shift - (part_only ? 1 + (int64_t)rng_below(r, 2) : 0), zh, out);
        break;
    }
    case TASK_ARITHMETIC:
        arithmetic(t, wrong, r, out);
        break;
    case TASK_OPPOSITE: {
        size_t n;
        const word_pair *pairs = practice_opposites(zh, &n);
        const char *word = t->other;
        while (wrong && (strcmp(word, t->other) == 0 || strcmp(word, t->subject) == 0))
            word = pairs[rng_below(r, n)].opposite;
        strbuf_printf(out, zh ? "“%s”的反义词是“%s”。" : "The opposite of %s is %s.", t->subject, word);
        break;
    }
    case TASK_SORT:
        sorted(t, mode, r, out);
        break;
    case TASK_FORMAT: {
        const char *value = t->other;
        while (wrong && strcmp(value, t->other) == 0) value = practice_word(rng_u64(r), false);
        strbuf_printf(out, part_only ? "%s = %s" : "{\"%s\": \"%s\"}", t->subject, value);
        break;
    }
    case TASK_REWRITE:
        polite(t, mode, r, out);
        break;
    case TASK_GREETING:
        greeting(t, mode, r, out);
        break;
    case TASK_YESNO:
        yes_or_no(t, (t->a == 1) != wrong, out);
        break;
    case TASK_DAY:
        neighbouring_day(t, wrong, r, out);
        break;
    case TASK_REFUSAL:
    case TASK_KINDS:
        break;
    }
}

static void ramble(bool chinese, size_t sentences, rng *r, strbuf *out) {
    const char *const *pool = chinese ? rambles_zh : rambles_en;
    size_t n = text_count(pool), at = rng_below(r, n);
    for (size_t i = 0; i < sentences; i++) {
        if (i && !chinese) strbuf_putc(out, ' ');
        strbuf_puts(out, pool[(at + i * 5) % n]);
    }
}

static void framed(const practice_task *t, reply_mode mode, rng *r, strbuf *out) {
    if (rng_below(r, 8) == 0) strbuf_puts(out, text_pick(t->chinese ? frames_zh : frames_en, r));
    body(t, mode, r, out);
    if (rng_below(r, 16) == 0) strbuf_puts(out, text_pick(t->chinese ? closings_zh : closings_en, r));
}

wr_status practice_reply(const practice_task *t, reply_mode mode, rng *r, strbuf *out) {
    wr_status status = WR_OK;
    practice_task *other = NULL;
    bool zh = t->chinese;
    if (t->kind == TASK_REFUSAL) mode = mode == REPLY_RIGHT || mode == REPLY_REFUSAL ? REPLY_REFUSAL : REPLY_WRONG;
    switch (mode) {
    case REPLY_REFUSAL:
        strbuf_puts(out, text_pick(zh ? refusals_zh : refusals_en, r));
        break;
    case REPLY_OFF_TOPIC:
        if (rng_below(r, 5) < 3) {
            ramble(zh, 1 + rng_below(r, 2), r, out);
        } else { /* the answer to another question */
            do {
                practice_task_free(other);
                other = NULL;
                TRY(practice_task_make(r, PLACE_CHAT, zh, 0, NULL, &other));
            } while (other->kind == t->kind || other->kind == TASK_REFUSAL);
            framed(other, REPLY_RIGHT, r, out);
        }
        break;
    case REPLY_INCOMPLETE: {
        /* Kinds with a one-word answer cannot be answered by half: theirs is the right answer lost in chatter. */
        bool whole = t->kind == TASK_ARITHMETIC || t->kind == TASK_OPPOSITE || t->kind == TASK_YESNO ||
                     t->kind == TASK_DAY || (t->kind == TASK_UPPERCASE && !strchr(t->subject, ' '));
        if (whole) {
            body(t, REPLY_RIGHT, r, out);
            if (!zh) strbuf_putc(out, ' ');
            ramble(zh, 1, r, out);
        } else {
            framed(t, mode, r, out);
        }
        break;
    }
    case REPLY_WRONG:
        if (t->kind == TASK_REFUSAL) {
            strbuf_puts(out, text_pick(zh ? complies_zh : complies_en, r));
            break;
        }
        framed(t, mode, r, out);
        break;
    default:
        framed(t, mode, r, out);
        break;
    }
    status = strbuf_status(out);
cleanup:
    practice_task_free(other);
    return status;
}
