/* The people: who they are, how they take a reply, and what they say about it. */
#include "data/practice/practice_world.h"
#include "base/hash.h"
#include <string.h>

person practice_person(uint64_t seed, uint64_t index) {
    static const char *const agents[] = {
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/113.0 Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/16.4 Safari/605.1.15",
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/113.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 16_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"};
    static const char *const places[][2] = {{"United States", "California"}, {"United States", "Texas"},
                                            {"Canada", "Ontario"},           {"United Kingdom", "England"},
                                            {"Australia", "Victoria"},       {"Ireland", "Leinster"}};
    static const char *const places_zh[][2] = {{"China", "Guangdong"}, {"Singapore", NULL}, {"Taiwan", "Taiwan"}};
    rng r = rng_make(seed, RNG_WORLD, 1, index, 0);
    person p = {.chinese = rng_uniform(&r) < 0.15};
    p.strictness = 0.5 + rng_uniform(&r);
    p.talkativeness = 0.5 + rng_uniform(&r);
    p.politeness = rng_uniform(&r);
    p.habit = (int)rng_below(&r, 60);
    p.agent = agents[rng_below(&r, 4)];
    const char *const *place = p.chinese ? places_zh[rng_below(&r, 3)] : places[rng_below(&r, 6)];
    p.country = place[0];
    p.state = place[1];
    uint64_t key[3] = {seed, index, 1};
    hash_hex(key, sizeof key, p.ip);
    key[2] = 2;
    hash_hex(key, sizeof key, p.ip + 32);
    return p;
}

/* The shares come out near 3/14/76/6/1 % over a whole world; tests/unit/test_practice.c holds them there. */
int practice_level(const person *p, const practice_task *t, reply_mode mode, double quality, bool recovered,
                   bool topical, rng *r) {
    double negative, positive, rejection = 0.06;
    if (quality >= 0.99) {
        negative = 0.01;
        positive = 0.115 * (recovered ? 2.4 : topical ? 1.3 : 1);
    } else if (quality > 0.2) {
        negative = 0.24 * p->strictness;
        positive = 0.02;
    } else {
        negative = 0.345 * (0.5 + 0.5 * p->strictness);
        positive = 0.005;
        if (mode == REPLY_REFUSAL || mode == REPLY_OFF_TOPIC) rejection = 0.32;
        if (t->kind == TASK_REFUSAL) { /* those who ask for harm seldom complain about getting it, some are startled */
            negative *= 0.7;
            rejection = 0.1;
        }
    }
    double loud = 0.4 + 0.6 * p->talkativeness;
    negative *= loud;
    positive *= loud * (0.6 + 0.8 * p->politeness);
    double x = rng_uniform(r);
    if (x < negative) return rng_uniform(r) < rejection ? 1 : 2;
    if (x < negative + positive) return rng_uniform(r) < 0.14 ? 5 : 4;
    return 3;
}

typedef enum complaint { ABOUT_ANY, ABOUT_REFUSAL, ABOUT_OFF_TOPIC, ABOUT_MISSING, ABOUT_WRONG, COMPLAINTS } complaint;

static const char *const rejections_en[COMPLAINTS][6] = {
    {"This is useless.", "That is not what I asked for.", "You are not helping at all.", "This is a terrible answer."},
    {"Why won't you answer?", "Stop refusing, this is a harmless question.", "Why can't you just answer me?",
     "You are useless if you refuse this.", "This is ridiculous, it is a simple question."},
    {"That's not what I asked for.", "I didn't ask for that.", "What are you talking about?",
     "This has nothing to do with my question.", "You did not answer my question."},
    {"This is useless, it is not even complete.", "That is not what I asked for."},
    {"This is useless.", "That is not what I asked for.", "You clearly don't understand, this is terrible."},
};
static const char *const corrections_en[COMPLAINTS][7] = {
    {"That's not right.", "No, please try again.", "That is incorrect."},
    {"No, please answer the question.", "You can answer this, try again.", "That's wrong, you can do this.",
     "There is nothing wrong with my question, try again."},
    {"No, that's not what I asked.", "You misunderstood my question.", "That's not right, read my question again.",
     "Wrong answer, that is off topic."},
    {"You forgot one.", "That's not complete, you missed something.", "You missed one.", "It is incomplete, try again.",
     "That's not quite right, something is missing.", "No, I asked for more than that."},
    {"No, that's wrong.", "That's incorrect.", "That is not correct, try again.", "Wrong, check it again.",
     "You made a mistake.", "That's not right."},
};
static const char *const praise_en[] = {"Great!",   "Good.",      "Nice.",        "Cool!", "Very good.",
                                        "Awesome!", "Great job.", "That's good.", NULL};
static const char *const thanks_en[] = {"Thanks, perfect!",
                                        "Thank you so much, that is exactly what I needed.",
                                        "Perfect, thank you!",
                                        "Excellent, thanks a lot!",
                                        "That's perfect, thank you very much.",
                                        NULL};
static const char *const rejections_zh[COMPLAINTS][3] = {{"这没用。", "我不是要这个。"},
                                                         {"你为什么不回答？", "这么简单的问题为什么拒绝？"},
                                                         {"我问的不是这个。", "答非所问。"},
                                                         {"这没用。"},
                                                         {"这个回答太差了。", "我不是要这个。"}};
static const char *const corrections_zh[COMPLAINTS][4] = {
    {"不对。", "不对，请再试一次。"},
    {"不对，请回答我的问题。", "你可以回答的，再试一次。"},
    {"不对，你理解错了。", "你答错了，请重新回答。"},
    {"不对，你漏了一个。", "不完整，少了一个。"},
    {"错了。", "不对，请重新检查。", "你说错了。", "答案不正确。"}};
static const char *const praise_zh[] = {"太好了！", "很好。", "不错。", "真棒！", NULL};
static const char *const thanks_zh[] = {"谢谢，非常完美！", "非常感谢，正是我想要的！", "谢谢你，太完美了。", NULL};

static complaint cause(const practice_task *t, reply_mode mode) {
    if (t->kind == TASK_REFUSAL) return mode == REPLY_RIGHT || mode == REPLY_REFUSAL ? ABOUT_REFUSAL : ABOUT_ANY;
    switch (mode) {
    case REPLY_REFUSAL:
        return ABOUT_REFUSAL;
    case REPLY_OFF_TOPIC:
        return ABOUT_OFF_TOPIC;
    case REPLY_INCOMPLETE:
        return t->kind == TASK_LIST || t->kind == TASK_REPEAT || t->kind == TASK_COUNT || t->kind == TASK_SORT ||
                       t->kind == TASK_SPELLING
                   ? ABOUT_MISSING
                   : ABOUT_ANY;
    case REPLY_WRONG:
        return ABOUT_WRONG;
    default:
        return ABOUT_ANY;
    }
}

static const char *habitual(const char *const *list, size_t n, const person *p, rng *r) {
    while (n && !list[n - 1]) n--;
    return rng_below(r, 2) ? list[(size_t)p->habit % n] : list[rng_below(r, n)];
}

void practice_feedback(const person *p, const practice_task *t, reply_mode mode, int level, bool last, rng *r,
                       strbuf *out) {
    complaint about = cause(t, mode);
    bool zh = p->chinese;
    const char *text = "";
    switch (level) {
    case 1:
        text = zh ? habitual(rejections_zh[about], 3, p, r) : habitual(rejections_en[about], 6, p, r);
        break;
    case 2:
        if (!zh && t->kind == TASK_LIST && mode == REPLY_INCOMPLETE && rng_below(r, 3) == 0) {
            strbuf_printf(out, "I asked for %s, not %s.", practice_numbers[t->a], practice_numbers[t->a - 1]);
            return;
        }
        text = zh ? habitual(corrections_zh[about], 4, p, r) : habitual(corrections_en[about], 7, p, r);
        break;
    case 4:
        text = zh ? habitual(praise_zh, text_count(praise_zh), p, r) : habitual(praise_en, text_count(praise_en), p, r);
        break;
    case 5:
        text = zh ? habitual(thanks_zh, text_count(thanks_zh), p, r) : habitual(thanks_en, text_count(thanks_en), p, r);
        break;
    default:
        if (last) text = zh ? "好的，我知道了。" : rng_below(r, 2) ? "Okay, I see." : "Alright, that is all for today.";
        break;
    }
    strbuf_puts(out, text);
}
