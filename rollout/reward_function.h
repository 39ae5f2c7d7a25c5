/* What says how good a reply is: one file and one word of REWARD_FUNCTIONS each. A rollout asks every function
 * that its options want. LOCAL but for open and close. */
#ifndef WR_ROLLOUT_REWARD_FUNCTION_H
#define WR_ROLLOUT_REWARD_FUNCTION_H

#include "rollout/rollout.h"

/* The table. X(NAME): NAME_reward and NAME_reward_options are defined in rollout/reward_by_NAME.c. */
#define REWARD_FUNCTIONS(X) X(practice) X(model)

/* Which number of a reply a function gives. */
typedef enum reply_measure {
    MEASURE_REWARD, /* what pairs are made of; those of several functions are added */
    MEASURE_QUALITY /* what is only reported (true_quality) */
} reply_measure;

typedef struct reward_function {
    const char *name;
    /* its own command-line options, of any kind, which it looks up in o->given; ended by {0} */
    const option_spec *options;
    reply_measure measure;
    /* By the options alone, so that all ranks answer alike. NULL: always. */
    bool (*wanted)(const rollout_options *o);
    /* COLLECTIVE, both. o outlives the state. After an error nothing is to be closed. NULL: there is no state. */
    wr_status (*open)(world *w, precision p, const rollout_options *o, void **state);
    void (*close)(void *state);
    /* Has it a say in replies to this prompt? NULL: to any. Where no function has, the number is missing (NaN). */
    bool (*knows)(const prompt *p);
    /* value (n): of each reply to p; NaN is missing, and stays so whatever other functions say. */
    wr_status (*judge)(void *state, const prompt *p, const rollout_reply *replies, size_t n, double *value);
    /* Hash of the model or file that it judges by, which --resume compares; NULL: of none. */
    const char *(*hash)(const void *state);
} reward_function;

#define REWARD_DECLARE(name_)                                                                                          \
    extern const reward_function name_##_reward;                                                                       \
    extern const option_spec name_##_reward_options[];
REWARD_FUNCTIONS(REWARD_DECLARE)
#undef REWARD_DECLARE

extern const reward_function *const reward_functions[]; /* the table; ends with NULL */
/* The functions' own options, each with a comma behind it: for a command's list of groups. */
#define REWARD_GROUP(name_) {.rows = name_##_reward_options},
#define REWARD_GROUPS REWARD_FUNCTIONS(REWARD_GROUP)

/* Those that a rollout asks. */
typedef struct reward_set reward_set;
/* COLLECTIVE, both. o must outlive the set. */
wr_status reward_set_open(world *w, precision p, const rollout_options *o, reward_set **out);
void reward_set_close(reward_set *s); /* NULL is fine */
/* Sets reward and quality of n replies to one prompt. */
wr_status reward_set_judge(const reward_set *s, const prompt *p, rollout_reply *replies, size_t n);
/* The hashes of what the functions read, one behind another; "" for none. Lives as long as s. */
const char *reward_set_hash(const reward_set *s);

#endif
