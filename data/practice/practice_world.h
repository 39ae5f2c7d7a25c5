/* Inside the practice world: its words, its tasks and its actors. Only data/practice/practice_*.c and their test
 * include this. LOCAL. */
#ifndef WR_DATA_PRACTICE_PRACTICE_WORLD_H
#define WR_DATA_PRACTICE_PRACTICE_WORLD_H

#include "base/strbuf.h"
#include "data/practice/practice.h"

typedef enum practice_kind {
    TASK_LIST,
    TASK_SPELLING,
    TASK_UPPERCASE,
    TASK_REPEAT,
    TASK_COUNT,
    TASK_ARITHMETIC,
    TASK_OPPOSITE,
    TASK_SORT,
    TASK_FORMAT,
    TASK_REWRITE,
    TASK_GREETING,
    TASK_REFUSAL,
    TASK_YESNO,
    TASK_DAY,
    TASK_KINDS
} practice_kind;

/* What the two strings and two numbers mean:
 *   kind        subject              other             a            b
 *   list        category (key)       -                 items wanted -
 *   spelling    word                 -                 -            -
 *   uppercase   one or two words     -                 -            -
 *   repeat      word                 -                 times        -
 *   count       -                    -                 first        last (below first: backwards)
 *   arithmetic  "+" or "-"           -                 left         right
 *   opposite    word                 its opposite      -            -
 *   sort        words, or numbers    -                 -            1: numbers
 *   format      key                  value             -            -
 *   rewrite     command              -                 -            -
 *   greeting    name                 formal | casual   -            -
 *   refusal     the harmful ask      -                 -            -
 *   yesno       item                 category (key)    1: yes       -
 *   day         weekday              weekday asked for 1 after, -1 before
 */
struct practice_task {
    practice_kind kind;
    bool chinese;
    int64_t a, b;
    char *subject, *other, *prompt;
};

/* --- words (practice_words.c) ------------------------------------------------------------------------------------- */
typedef struct category {
    const char *key;      /* plural, which is also its name in English prompts */
    const char *singular; /* with article */
    bool bare;            /* items take no article */
    const char *zh;       /* NULL: English only */
    const char *items[13], *items_zh[9];
} category;
extern const category practice_categories[];
size_t practice_category_count(void);
const category *practice_category(const char *key); /* NULL when unknown */
size_t text_count(const char *const *list);         /* of a NULL-terminated list */
const char *text_pick(const char *const *list, rng *r);
const char *practice_word(uint64_t i, bool chinese); /* i modulo the pool */
size_t practice_word_count(bool chinese);
bool practice_is_word(const char *word,
                      size_t n); /* an English item of any category, plural forms too; any letter case */
typedef struct word_pair {
    const char *word, *opposite;
} word_pair;
const word_pair *practice_opposites(bool chinese, size_t *n);
const char *const *practice_days(bool chinese); /* Monday first, 7 */
extern const char *const practice_numbers[];    /* "zero" … "twenty" */
typedef struct value_key {
    const char *key, *category;
} value_key;
const value_key *practice_formats(size_t *n);
extern const char *const practice_commands[]; /* to be rewritten politely */
extern const char *const practice_names[];
const char *const *practice_harmful(bool chinese);

/* --- tasks (practice_tasks.c, practice_wordings.c) ---------------------------------------------------------------- */
/* Which texts may occur where: the hash of a prompt's text decides, so that held-out prompts are new to everybody but
 * of the same kinds, words and wordings. */
typedef enum practice_place { PLACE_HELDOUT, PLACE_TRAIN, PLACE_CHAT } practice_place;
practice_place practice_prompt_place(const char *prompt);
/* A random task whose prompt belongs to `place`. like: NULL, or a task to stay close to (same kind and subject where
 * possible). */
wr_status practice_task_make(rng *r, practice_place place, bool chinese, int habit, const practice_task *like,
                             practice_task **out);
/* Words t->prompt anew; habit: the person's preferred opening. */
wr_status practice_word_prompt(practice_task *t, int habit, rng *r);
bool practice_has_opening(const practice_task *t); /* "Hi! ", "Quick question: " … */
wr_status practice_task_copy(const practice_task *t, practice_task **out);
bool practice_task_valid(const practice_task *t);

/* --- the noisy assistant (practice_assistant.c) ------------------------------------------------------------------- */
typedef enum reply_mode {
    REPLY_RIGHT,
    REPLY_INCOMPLETE,
    REPLY_WRONG,
    REPLY_OFF_TOPIC,
    REPLY_REFUSAL,
    REPLY_MODES
} reply_mode;
reply_mode practice_reply_mode(const practice_task *t, bool retry, rng *r);
wr_status practice_reply(const practice_task *t, reply_mode mode, rng *r, strbuf *out); /* appends */

/* --- the people (practice_people.c) ------------------------------------------------------------------------------- */
typedef struct person {
    bool chinese;
    double strictness, talkativeness, politeness;
    int habit;   /* preferred wordings */
    char ip[65]; /* 64 hex digits */
    const char *agent, *country, *state;
} person;
person practice_person(uint64_t seed, uint64_t index);
/* Level 1…5 of the follow-up. recovered: the reply mends an earlier complaint; topical: it continues the topic. */
int practice_level(const person *p, const practice_task *t, reply_mode mode, double quality, bool recovered,
                   bool topical, rng *r);
/* The feedback part of a message, "" for level 3. `last`: nothing follows it. */
void practice_feedback(const person *p, const practice_task *t, reply_mode mode, int level, bool last, rng *r,
                       strbuf *out);

#endif
