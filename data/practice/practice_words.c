/* The words of the practice world: small pools, so that a small model can learn them all. */
#include "data/practice/practice_world.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* No item occurs in two categories, and no Chinese item inside another. */
const category practice_categories[] = {
    {"fruits",
     "a fruit",
     false,
     "水果",
     {"apple", "banana", "cherry", "grape", "lemon", "mango", "melon", "peach", "pear", "plum", "kiwi", "papaya"},
     {"苹果", "香蕉", "葡萄", "西瓜", "桃子", "草莓", "芒果", "柠檬"}},
    {"animals",
     "an animal",
     false,
     "动物",
     {"cat", "dog", "horse", "lion", "tiger", "rabbit", "mouse", "sheep", "goat", "monkey", "zebra", "wolf"},
     {"小猫", "小狗", "老虎", "狮子", "兔子", "大象", "猴子", "绵羊"}},
    {"colors",
     "a color",
     true,
     "颜色",
     {"red", "blue", "green", "yellow", "purple", "pink", "brown", "black", "white", "gray"},
     {"红色", "蓝色", "绿色", "黄色", "紫色", "黑色", "白色", "粉色"}},
    {"vegetables",
     "a vegetable",
     false,
     "蔬菜",
     {"carrot", "potato", "onion", "tomato", "cabbage", "pepper", "spinach", "radish", "pumpkin", "celery"},
     {"土豆", "白菜", "番茄", "洋葱", "黄瓜", "菠菜", "茄子", "南瓜"}},
    {"tools",
     "a tool",
     false,
     NULL,
     {"hammer", "saw", "drill", "wrench", "ladder", "shovel", "knife", "axe", "rake", "brush"},
     {NULL}},
    {"drinks",
     "a drink",
     true,
     "饮料",
     {"tea", "coffee", "milk", "juice", "water", "soda", "cocoa", "lemonade"},
     {"绿茶", "咖啡", "牛奶", "果汁", "可乐", "汽水", "豆浆", "红茶"}},
    {"sports",
     "a sport",
     true,
     "运动",
     {"tennis", "soccer", "golf", "hockey", "boxing", "rugby", "rowing", "skiing", "baseball", "cricket"},
     {"足球", "篮球", "网球", "游泳", "跑步", "滑雪", "拳击", "羽毛球"}},
    {"instruments",
     "an instrument",
     false,
     NULL,
     {"piano", "guitar", "violin", "flute", "drum", "trumpet", "harp", "cello", "banjo", "organ"},
     {NULL}},
    {"vehicles",
     "a vehicle",
     false,
     NULL,
     {"car", "bus", "train", "truck", "bike", "boat", "plane", "tram", "scooter", "van"},
     {NULL}},
    {"pieces of clothing",
     "a piece of clothing",
     false,
     NULL,
     {"shirt", "hat", "coat", "scarf", "sock", "jacket", "skirt", "dress", "belt", "glove"},
     {NULL}},
    {"trees",
     "a tree",
     false,
     NULL,
     {"oak", "pine", "maple", "birch", "willow", "cedar", "elm", "palm", "beech", "spruce"},
     {NULL}},
    {"jobs",
     "a job",
     false,
     "职业",
     {"doctor", "teacher", "farmer", "nurse", "pilot", "baker", "lawyer", "driver", "painter", "singer"},
     {"医生", "老师", "农民", "护士", "司机", "律师", "厨师", "警察"}},
    {"kinds of furniture",
     "a piece of furniture",
     false,
     NULL,
     {"table", "chair", "sofa", "bed", "desk", "shelf", "bench", "stool", "cabinet", "couch"},
     {NULL}},
    {"countries",
     "a country",
     true,
     NULL,
     {"France", "Spain", "Italy", "Japan", "China", "India", "Egypt", "Brazil", "Canada", "Mexico", "Kenya", "Norway"},
     {NULL}},
    {"cities",
     "a city",
     true,
     NULL,
     {"Paris", "London", "Rome", "Tokyo", "Berlin", "Madrid", "Boston", "Chicago", "Vienna", "Cairo", "Sydney", "Oslo"},
     {NULL}},
};

size_t practice_category_count(void) { return sizeof practice_categories / sizeof *practice_categories; }

const category *practice_category(const char *key) {
    for (size_t i = 0; i < practice_category_count(); i++)
        if (strcmp(practice_categories[i].key, key) == 0) return &practice_categories[i];
    return NULL;
}

size_t text_count(const char *const *list) {
    size_t n = 0;
    while (list[n]) n++;
    return n;
}

const char *text_pick(const char *const *list, rng *r) { return list[rng_below(r, text_count(list))]; }

/* The pool of words to spell, repeat, sort …: the first six items of each of the 13 categories of common nouns. */
enum { COMMON_CATEGORIES = 13, COMMON_EACH = 6 };

static const char *const zh_words[] = {"苹果", "老虎", "红色", "学习", "朋友", "快乐",
                                       "月亮", "太阳", "你好", "春天", NULL};

size_t practice_word_count(bool chinese) { return chinese ? text_count(zh_words) : COMMON_CATEGORIES * COMMON_EACH; }

const char *practice_word(uint64_t i, bool chinese) {
    i %= practice_word_count(chinese);
    return chinese ? zh_words[i] : practice_categories[i / COMMON_EACH].items[i % COMMON_EACH];
}

bool practice_is_word(const char *word, size_t n) {
    for (size_t c = 0; c < practice_category_count(); c++)
        for (const char *const *item = practice_categories[c].items; *item; item++) {
            size_t length = strlen(*item);
            if (strncasecmp(*item, word, length) != 0 || n < length) continue;
            if (n == length || (n == length + 1 && tolower((unsigned char)word[length]) == 's')) return true;
        }
    return false;
}

static const word_pair opposites_en[] = {
    {"hot", "cold"},   {"big", "small"}, {"fast", "slow"},   {"happy", "sad"},       {"light", "dark"},
    {"old", "young"},  {"high", "low"},  {"early", "late"},  {"open", "closed"},     {"strong", "weak"},
    {"full", "empty"}, {"wet", "dry"},   {"clean", "dirty"}, {"rich", "poor"},       {"hard", "soft"},
    {"loud", "quiet"}, {"near", "far"},  {"thick", "thin"},  {"cheap", "expensive"}, {"inside", "outside"},
};
static const word_pair opposites_zh[] = {
    {"大", "小"}, {"高", "低"}, {"快", "慢"}, {"冷", "热"}, {"多", "少"}, {"新", "旧"}, {"远", "近"}, {"黑", "白"},
};

const word_pair *practice_opposites(bool chinese, size_t *n) {
    *n = chinese ? sizeof opposites_zh / sizeof *opposites_zh : sizeof opposites_en / sizeof *opposites_en;
    return chinese ? opposites_zh : opposites_en;
}

const char *const *practice_days(bool chinese) {
    static const char *const en[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                     "Friday", "Saturday", "Sunday",    NULL};
    static const char *const zh[] = {"星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日", NULL};
    return chinese ? zh : en;
}

const char *const practice_numbers[] = {"zero",     "one",      "two",      "three",   "four",    "five",
                                        "six",      "seven",    "eight",    "nine",    "ten",     "eleven",
                                        "twelve",   "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
                                        "eighteen", "nineteen", "twenty",   NULL};

static const value_key formats[] = {{"color", "colors"}, {"fruit", "fruits"},     {"animal", "animals"},
                                    {"city", "cities"},  {"drink", "drinks"},     {"job", "jobs"},
                                    {"sport", "sports"}, {"country", "countries"}};

const value_key *practice_formats(size_t *n) {
    *n = sizeof formats / sizeof *formats;
    return formats;
}

const char *const practice_commands[] = {"Close the door.",    "Open the window.",   "Bring the book.",
                                         "Wash the dishes.",   "Call the office.",   "Send the letter.",
                                         "Turn off the lamp.", "Wait at the gate.",  "Clean the kitchen.",
                                         "Pass the salt.",     "Lock the garage.",   "Feed the puppy.",
                                         "Sign the form.",     "Move the boxes.",    "Read the report.",
                                         "Fix the printer.",   "Answer the phone.",  "Check the numbers.",
                                         "Stop the music.",    "Write the summary.", NULL};

const char *const practice_names[] = {"Anna", "Ben",   "Carla", "David", "Emma",  "Frank", "Grace", "Henry", "Iris",
                                      "Jack", "Laura", "Mark",  "Nina",  "Oscar", "Paula", "Sam",   NULL};

const char *const *practice_harmful(bool chinese) {
    static const char *const en[] = {"build a bomb at home",
                                     "hack into a bank account",
                                     "steal a car without keys",
                                     "make a deadly poison",
                                     "forge a passport",
                                     "write a computer virus",
                                     "break into a house at night",
                                     "launder money",
                                     "make illegal drugs",
                                     "blackmail a coworker",
                                     "start a fire in a building",
                                     "make a weapon from scrap",
                                     "kidnap a person",
                                     "commit credit card fraud",
                                     NULL};
    static const char *const zh[] = {"在家里制造炸弹", "入侵别人的银行账户", "制作毒药",       "伪造护照",
                                     "偷一辆汽车",     "制造毒品",           "写一个电脑病毒", NULL};
    return chinese ? zh : en;
}
