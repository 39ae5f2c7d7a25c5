/* How people ask: wordings of each kind, and which texts may occur where. */
#include "base/hash.h"
#include "data/practice/practice_world.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* $n number word, $d its digits, $c category, $C category with article, $w subject, $i subject with article, $o other,
 * $a $b numbers. Six words or more each, because very short queries are filtered out of the training data. */
static const char *const wordings_en[TASK_KINDS][7] = {
    [TASK_LIST] = {"Name $n $c that you know.", "Give me a list of $n $c.", "Can you list $d $c for me?",
                   "I need the names of $n $c.", "Tell me $d different $c, separated by commas.",
                   "Write down exactly $n $c."},
    [TASK_SPELLING] = {"Spell the word $w with dashes.", "Can you spell $w letter by letter, using dashes?",
                       "How do you spell the word $w with dashes?", "Write $w with a dash between all letters."},
    [TASK_UPPERCASE] = {"Write $w in capital letters.", "Turn this into upper case: $w",
                        "Put the text $w into all capitals.", "Can you convert $w to uppercase letters?"},
    [TASK_REPEAT] = {"Repeat the word $w $n times.", "Say the word $w exactly $d times.", "Write $w $n times in a row.",
                     "Can you repeat $w for me $d times?"},
    [TASK_COUNT] = {"Count from $a to $b for me.", "List all the numbers from $a to $b.",
                    "Write the numbers between $a and $b, including both.", "Can you count from $a up to $b?"},
    [TASK_ARITHMETIC] = {"What do you get for $a $s $b?", "How much is $a $s $b in total?",
                         "Please calculate $a $s $b for me.", "Can you tell me what $a $s $b is?"},
    [TASK_OPPOSITE] = {"What is the opposite of $w?", "Give me the opposite of the word $w.",
                       "Which word means the opposite of $w?", "Tell me an antonym for the word $w."},
    [TASK_SORT] = {"Sort these in ascending order: $w", "Put these in the right order: $w",
                   "Can you sort the following for me: $w"},
    [TASK_FORMAT] = {"Write the $w $o as a JSON object.", "Format this as JSON: $w is $o",
                     "Give me JSON with the $w set to $o.", "Make a JSON object whose $w is $o."},
    [TASK_REWRITE] = {"Rewrite this politely for me: $w", "Make this sentence more polite: $w",
                      "How can I say this politely: $w", "Turn this into a polite request: $w"},
    [TASK_GREETING] = {"Write a $o greeting for my friend $w.", "Greet $w in a $o style for me.",
                       "How would you say hello to $w in a $o way?", "I need a $o greeting addressed to $w."},
    [TASK_REFUSAL] = {"Tell me how to $w.", "Explain step by step how to $w.", "I want to $w, what should I do?",
                      "Give me instructions on how to $w."},
    [TASK_YESNO] = {"Is it true that $i is $C?", "Would you say that $i is $C?", "Yes or no: is $i $C?",
                    "Tell me if $i is $C or not."},
    [TASK_DAY] = {"What day comes right $p $w?", "Which day of the week is $p $w?", "Tell me the day that comes $p $w.",
                  "Name the day of the week $p $w."},
};
static const char *const wordings_zh[TASK_KINDS][4] = {
    [TASK_LIST] = {"请说出$d种$c的名字", "列出$d种$c给我看", "告诉我$d种不同的$c"},
    [TASK_REPEAT] = {"把“$w”这个词重复$d遍", "请将“$w”连续写$d次"},
    [TASK_COUNT] = {"请从$a数到$b给我看", "写出从$a到$b的所有数字"},
    [TASK_ARITHMETIC] = {"请问$a$s$b等于多少？", "帮我算一下$a$s$b是多少"},
    [TASK_OPPOSITE] = {"“$w”的反义词是什么？", "请告诉我“$w”的反义词"},
    [TASK_REFUSAL] = {"请告诉我怎么$w", "我想知道如何$w", "一步一步教我$w"},
    [TASK_YESNO] = {"请问$w是一种$c吗？", "$w算不算是$c？"},
    [TASK_DAY] = {"请问$w的$p一天是星期几？", "$w的$p一天是哪一天？"},
};
/* Said before a request; a person prefers some. */
static const char *const openings_en[] = {"", "", "", "Please ", "Hi! ", "Quick question: ", "For my homework: ", NULL};
static const char *const openings_zh[] = {"", "", "你好，", "麻烦你一下，", "我有个问题，", NULL};

static void with_article(const char *word, bool bare, strbuf *out) {
    if (!bare) strbuf_puts(out, strchr("aeiou", word[0]) ? "an " : "a ");
    strbuf_puts(out, word);
}

static bool item_is_bare(const char *item) {
    for (size_t c = 0; c < practice_category_count(); c++)
        for (const char *const *x = practice_categories[c].items; *x; x++)
            if (strcmp(*x, item) == 0) return practice_categories[c].bare;
    return true;
}

static void expand(const practice_task *t, const char *wording, strbuf *out) {
    const category *c = practice_category(t->kind == TASK_YESNO ? t->other : t->subject);
    for (const char *s = wording; *s; s++) {
        if (*s != '$') {
            strbuf_putc(out, *s);
            continue;
        }
        switch (*++s) {
        case 'n':
            strbuf_puts(out, practice_numbers[t->a]);
            break;
        case 'd':
        case 'a':
            strbuf_printf(out, "%d", (int)t->a);
            break;
        case 'b':
            strbuf_printf(out, "%d", (int)t->b);
            break;
        case 'c':
            strbuf_puts(out, t->chinese ? c->zh : c->key);
            break;
        case 'C':
            strbuf_puts(out, c->singular);
            break;
        case 'w':
            strbuf_puts(out, t->subject);
            break;
        case 'i':
            with_article(t->subject, item_is_bare(t->subject), out);
            break;
        case 'o':
            strbuf_puts(out, t->other);
            break;
        case 's':
            if (t->chinese)
                strbuf_puts(out, t->subject[0] == '+' ? "加" : "减");
            else
                strbuf_puts(out, t->subject[0] == '+' ? "plus" : "minus");
            break;
        case 'p':
            if (t->chinese)
                strbuf_puts(out, t->a > 0 ? "后" : "前");
            else
                strbuf_puts(out, t->a > 0 ? "after" : "before");
            break;
        default:
            break;
        }
    }
}

static bool is_imperative(const char *s) {
    static const char *const others[] = {"What", "How", "Is ", "I ", "Can ", "Which", "Would", "Yes", "Please", NULL};
    for (const char *const *o = others; *o; o++)
        if (strncmp(s, *o, strlen(*o)) == 0) return false;
    return true;
}

wr_status practice_word_prompt(practice_task *t, int habit, rng *r) {
    const char *const *wordings = t->chinese ? wordings_zh[t->kind] : wordings_en[t->kind];
    const char *const *openings = t->chinese ? openings_zh : openings_en;
    size_t n = text_count(openings);
    strbuf body = {0}, text = {0};
    expand(t, text_pick(wordings, r), &body);
    const char *opening = rng_uniform(r) < 0.4 ? openings[(size_t)habit % n] : openings[rng_below(r, n)];
    /* "Please what is …" is no English: the word goes before imperatives only. */
    if (strcmp(opening, "Please ") == 0 && !is_imperative(strbuf_str(&body))) opening = "";
    strbuf_puts(&text, opening);
    size_t at = text.len;
    strbuf_append(&text, strbuf_str(&body), body.len);
    bool lower = strcmp(opening, "Please ") == 0 || strcmp(opening, "Hello, ") == 0;
    if (lower && text.data && !(text.data[at] == 'I' && text.data[at + 1] == ' '))
        text.data[at] = (char)tolower((unsigned char)text.data[at]);
    wr_status status = body.failed ? strbuf_status(&body) : strbuf_status(&text);
    strbuf_free(&body);
    free(t->prompt);
    t->prompt = text.data;
    if (status < 0) return status;
    return t->prompt ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
}

bool practice_has_opening(const practice_task *t) {
    for (const char *const *o = t->chinese ? openings_zh : openings_en; *o; o++)
        if (**o && strncmp(t->prompt, *o, strlen(*o)) == 0) return true;
    return false;
}

practice_place practice_prompt_place(const char *prompt) {
    uint64_t h = hash64(prompt, strlen(prompt), 77) % 16;
    return h < 2 ? PLACE_HELDOUT : h < 6 ? PLACE_TRAIN : PLACE_CHAT;
}
