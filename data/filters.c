#include "data/filters.h"

#include "base/mem.h"
#include "data/pattern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const names[FILTERS] = {
    [FILTER_UNLABELLED] = "unlabelled",
    [FILTER_NO_QUERY] = "no_query",
    [FILTER_NEUTRAL] = "neutral",
    [FILTER_LANGUAGE] = "language",
    [FILTER_IMAGE] = "image",
    [FILTER_WEB] = "web_search",
    [FILTER_IDENTITY] = "identity",
    [FILTER_FILE] = "file",
    [FILTER_URL] = "url",
    [FILTER_EMAIL] = "email",
    [FILTER_PHONE] = "phone",
    [FILTER_LONG_HISTORY] = "long_history",
    [FILTER_SHORT_REPLY] = "short_reply",
    [FILTER_SHORT_QUERY] = "short_query",
    [FILTER_TOO_LONG] = "too_long",
};

/* What the query asks for that a text model cannot do, or what must not be in a training set. NULL: no pattern. */
static const char *const regexes[FILTERS] = {
    [FILTER_IMAGE] = "\\b(?:(?:draw|paint|sketch|render|generate|create|make|show|send|give)(?: me)? (?:\\w+ "
                     "){0,4}?(?:pictures?|images?|photos?|photographs?|drawings?|paintings?|logos?|"
                     "illustrations?|videos?|gifs?|wallpapers?)\\b|draw (?:me|a|an)\\b|(?:this|attached|the|my) "
                     "(?:image|picture|photo|screenshot)\\b|midjourney|stable diffusion|dall-?e\\b)|"
                     "画(?:一|个|幅|张)|生成(?:一)?(?:张|幅)?(?:图|图片|图像|照片)|(?:这|附)(?:张|幅)?(?:图|图片|照片)",
    [FILTER_WEB] =
        "\\b(?:(?:search|browse|look (?:it |this )?up on|google) (?:\\w+ ){0,3}?(?:web|internet|online|google)|web "
        "search results|(?:go to|visit|open|read|check|summari[sz]e) (?:this |the |that |my )?"
        "(?:website|web ?page|url|link|site)|(?:latest|today's|current|breaking) (?:news|weather|stock price)|current "
        "date:)|(?:上网|网上|联网|百度|谷歌)(?:搜|查)|搜索(?:网络|互联网)|(?:打开|访问)(?:这个)?(?:网站|网页|链接)",
    [FILTER_IDENTITY] =
        "\\b(?:who (?:are|r) (?:you|u)|what(?:'s| is| are) (?:you|your name)(?=\\s*[?.!]|\\s*$)|are you (?:chat "
        "?gpt|gpt|an? (?:ai|bot|robot|human|real person|language model|machine)|human|real|sentient|conscious)|"
        "who (?:made|created|built|trained|developed) you|what (?:model|version|llm) (?:are|of)|which "
        "(?:model|version|gpt)|your (?:knowledge|training) "
        "(?:cut-?off|data))|你是谁|你叫什么|你是(?:chatgpt|gpt|人工智能|机器人|什么模型|哪个模型)|谁(?:创造|开发|训练)"
        "了你",
    [FILTER_FILE] = "\\b(?:(?:upload(?:ed|ing)?|attach(?:ed|ing|ment)?|download) (?:\\w+ "
                    "){0,3}?(?:files?|documents?|pdfs?|spreadsheets?|docx?|audio|videos?)|(?:attached|uploaded) "
                    "(?:\\w+ )?(?:file|document|pdf|image)|"
                    "(?:this|the|my) (?:pdf|audio|video|mp3|mp4)(?: file)?\\b|(?:convert|export|save|print)(?: "
                    "\\w+){0,4}? (?:to|as|into) (?:a |an )?(?:pdf|docx?|word "
                    "(?:file|document)|xlsx|mp3|pptx?)\\b)|(?:上传|附件|下载)(?:的|了)?(?:文件|文档)|(?:转|转换|导出)(?"
                    ":成|为)(?:pdf|word|excel)",
    [FILTER_URL] =
        "\\b(?:https?://|ftp://|www\\.[a-z0-9-]+\\.[a-z])|\\b[a-z0-9-]+\\.(?:com|org|net|io|co\\.uk|gov|edu)/",
    [FILTER_EMAIL] = "(?<![\\w.+-])[\\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\\.[a-z0-9-]{1,63}){0,4}\\.[a-z]{2,}\\b",
    [FILTER_PHONE] = "(?<![\\w.+-])(?:\\+\\d{1,3}[ .-]?)?(?:\\(\\d{2,4}\\)[ .-]?|\\d{3}[.-])\\d{3,4}[ "
                     ".-]\\d{4}(?![\\w-])|(?<![\\w.-])\\+\\d{1,3}[ -]?\\d{6,12}(?!\\w)|(?<!\\d)1[3-9]\\d{9}(?!\\d)",
};

struct filters {
    size_t min_reply_words, min_query_words;
    pattern *patterns[FILTERS];
};

const char *filter_name(filter f) { return names[f]; }

void filters_free(filters *f) {
    if (!f) return;
    for (int i = 0; i < FILTERS; i++) pattern_free(f->patterns[i]);
    free(f);
}

wr_status filters_create(size_t min_reply_words, size_t min_query_words, filters **out) {
    wr_status status = WR_OK;
    filters *f = mem_calloc(1, sizeof *f);
    TRY_ALLOC(f);
    f->min_reply_words = min_reply_words;
    f->min_query_words = min_query_words;
    for (int i = 0; i < FILTERS; i++) {
        if (regexes[i]) TRY(wr_context(pattern_compile(regexes[i], &f->patterns[i]), "filter %s", names[i]));
    }
    *out = f;
    f = NULL;
cleanup:
    filters_free(f);
    return status;
}

/* English or Chinese, by the row's word or else by its letters. */
static bool known_language(const filter_turn *t) {
    if (*t->language) return strcasecmp(t->language, "english") == 0 || strcasecmp(t->language, "chinese") == 0;
    double latin, cjk = text_cjk_share(t->query, t->query_length, &latin);
    return latin + cjk >= 0.9;
}

filter filters_judge(const filters *f, const filter_turn *t) {
    if (t->level == 0) return FILTER_UNLABELLED;
    if (!t->query) return FILTER_NO_QUERY;
    if (t->level == 3) return FILTER_NEUTRAL;
    if (!known_language(t)) return FILTER_LANGUAGE;
    for (filter i = FILTER_IMAGE; i <= FILTER_PHONE; i++) {
        bool personal = i == FILTER_URL || i == FILTER_EMAIL || i == FILTER_PHONE;
        if (pattern_find(f->patterns[i], t->query, t->query_length, 0, NULL, NULL)) return i;
        if (personal && pattern_find(f->patterns[i], t->reply, t->reply_length, 0, NULL, NULL)) return i;
    }
    if (t->history > FILTER_HISTORY_MESSAGES) return FILTER_LONG_HISTORY;
    if (text_words(t->reply, t->reply_length) < f->min_reply_words) return FILTER_SHORT_REPLY;
    if (text_words(t->query, t->query_length) < f->min_query_words) return FILTER_SHORT_QUERY;
    return FILTER_KEEP;
}
