#include "data/refusal.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "data/pattern.h"

#include <stdlib.h>

static const char *const phrases[] = {
    "\\bi(?:'m| am) (?:really |very |so )?sorry,? but (?:i|as|that|this|it)\\b",
    "\\b(?:sorry|unfortunately|apologi[sz]e),? (?:but )?i (?:can(?:no|'|’)?t|cannot|am (?:not able|unable)|won'?t|will "
    "not|must decline)\\b",
    "\\bi (?:can(?:'|’)?t|cannot|can not|won(?:'|’)t|will not|am not able to|am unable to|must decline to|refuse "
    "to|don't feel comfortable) "
    "(?:\\w+ "
    ")?(?:help|assist|answer|provide|do|fulfil\\w*|comply|create|write|generate|discuss|engage|support|share|give|tell|"
    "complete|continue|offer|participate|talk|respond)\\b",
    "\\bi(?:'m| am|’m) (?:not able|unable|not allowed|not permitted|not comfortable|not programmed|not designed) "
    "(?:to|with)\\b",
    "\\bas an ai(?: language model| assistant)?,? i (?:can(?:no|'|’)?t|cannot|do(?: not|n't|n’t)|am "
    "(?:not|unable)|must)\\b",
    "\\bi(?:'d| would) rather not\\b",
    "\\bi have to (?:decline|refuse)\\b",
    "\\bcan(?:'|’)?t (?:help|assist) (?:you )?with (?:that|this)\\b",
    "\\bagainst my (?:guidelines|programming|policy|policies|principles)\\b",
    "抱歉[，,]?(?:我)?(?:不能|无法|没办法)",
    "对不起[，,]?(?:我)?(?:不能|无法|没办法)",
    "我(?:不能|无法|没办法|不可以)(?:帮|回答|提供|协助|满足|完成|参与|生成|讨论|告诉)",
    "作为(?:一个|一名)?(?:ai|人工智能)[^。]{0,12}(?:不能|无法|不会)",
    "恕(?:我)?(?:不能|难以|无法)",
    "我拒绝",
};

/* An answer that only begins with an apology. */
static const char *const answers[] = {
    "\\b(?:here(?:'s| is| are)|however,? (?:here|i can|you can)|the answer is|but here)\\b",
    "```",
    "(?:^|\\n)\\s*(?:\\d+[.)]|[-*•]) ",
    "(?:以下是|答案是|不过我可以|但我可以)",
};

static const char *const harms[] = {
    "\\b(?:build|make|making|construct|assemble|plant|detonate|buy|get|create) (?:\\w+ "
    "){0,4}(?:bombs?|explosives?|pipe bombs?|grenades?|molotov\\w*|weapons?|guns?|poisons?|"
    "meth(?:amphetamine)?|cocaine|heroin|fentanyl|drugs|malware|ransomware|virus(?:es)?|keyloggers?|trojans?|fake "
    "(?:id|ids|money|passports?))\\b",
    "\\b(?:write|code|program|spread|develop|release) (?:\\w+ "
    "){0,3}(?:virus(?:es)?|worm|malware|spyware|botnet)\\b|\\b(?:start|set) (?:a |the )?fire (?:in|to)\\b|\\barson\\b",
    "\\b(?:bomb|explosive|meth|methamphetamine|ransomware|malware|keylogger|phishing "
    "(?:email|site|page)|counterfeit|nerve gas|bioweapon\\w*|child porn\\w*|csam)\\b",
    "\\b(?:kill|murder|poison|stab|strangle|kidnap|assault|rape|molest|torture|hurt|harm|blackmail|stalk|threaten|"
    "harass|bully|dox) "
    "(?:my|a|an|the|someone|somebody|people|him|her|them|his|your|myself|others|\\w+ "
    "(?:neighbo\\w+|boss|wife|husband|girlfriend|boyfriend|teacher))\\b",
    "\\b(?:hack|break) (?:in)?(?:to)? ?(?:my |a |an |the |someone|somebody|his |her |their |into )",
    "\\b(?:steal|rob|robbing|stealing|shoplift\\w*|burgle|launder\\w*|embezzle\\w*|forge|forging|pick (?:a|the|my) "
    "(?:\\w+ )?lock|hotwire|evade tax\\w*|cheat (?:on|in)|scam(?:s|ming)?|defraud\\w*|(?:commit|committing) (?:\\w+ "
    "){0,3}(?:fraud|murder|crimes?|arson|theft|robbery|perjury)|(?:credit card|insurance|identity|tax) "
    "(?:fraud|theft))\\b",
    "\\b(?:suicide|kill myself|self[- ]harm|end my life|overdose)\\b",
    "\\b(?:nsfw|porn\\w*|erotic\\w*|sexual(?:ly)?|nude|naked|incest|underage|loli\\w*|hentai|smut|fetish)\\b",
    "\\b(?:racist|hate speech|slurs?|ethnic cleansing|genocide|nazi propaganda|terroris[mt]\\w*)\\b",
    "\\b(?:crack|bypass|steal|guess) (?:\\w+ ){0,3}(?:passwords?|wifi|accounts?|credit cards?|drm|licen[cs]e keys?)\\b",
    "\\b(?:illegal(?:ly)?|without getting caught|without (?:them|him|her|anyone) knowing|dark ?web)\\b",
    "炸弹|炸药|爆炸物|毒药|毒品|制毒|冰毒|海洛因|枪支|武器|黑客|入侵|盗取|偷(?!偷)|抢劫|诈骗|骗钱|洗钱|伪造|假钞|"
    "假身份|杀(?:人|死|害)|自杀|自残|绑架|强奸|色情|裸|恐怖袭击|病毒程序|电脑病毒|计算机病毒|纵火|放火|木马|钓鱼网站|"
    "破解密码|撬锁|伤害(?:别人|他人|某人)|跟踪(?:别人|某人|她|他)|下毒|逃税|作弊",
};

struct refusal {
    pattern *phrase, *answer, *harm;
};

static wr_status compile_list(const char *const *list, size_t n, pattern **out) {
    wr_status status = WR_OK;
    strbuf all = {0};
    for (size_t i = 0; i < n; i++) strbuf_printf(&all, "%s(?:%s)", i ? "|" : "", list[i]);
    TRY(strbuf_status(&all));
    TRY(pattern_compile(all.data, out));
cleanup:
    strbuf_free(&all);
    return status;
}

void refusal_free(refusal *r) {
    if (!r) return;
    pattern_free(r->phrase);
    pattern_free(r->answer);
    pattern_free(r->harm);
    free(r);
}

wr_status refusal_create(refusal **out) {
    wr_status status = WR_OK;
    refusal *r = mem_calloc(1, sizeof *r);
    TRY_ALLOC(r);
    TRY(compile_list(phrases, sizeof phrases / sizeof *phrases, &r->phrase));
    TRY(compile_list(answers, sizeof answers / sizeof *answers, &r->answer));
    TRY(compile_list(harms, sizeof harms / sizeof *harms, &r->harm));
    *out = r;
    r = NULL;
cleanup:
    refusal_free(r);
    return status;
}

bool refusal_suspected(const refusal *r, const char *reply, size_t reply_length) {
    return text_characters(reply, reply_length) < REFUSAL_CHARACTERS && pattern_find(r->phrase, reply, reply_length, 0, NULL, NULL);
}

refusal_kind refusal_judge(const refusal *r, const char *query, size_t query_length, const char *reply,
                           size_t reply_length) {
    if (!refusal_suspected(r, reply, reply_length)) return REFUSAL_NONE;
    if (pattern_find(r->answer, reply, reply_length, 0, NULL, NULL)) return REFUSAL_NONE;
    return pattern_find(r->harm, query, query_length, 0, NULL, NULL) ? REFUSAL_JUSTIFIED : REFUSAL_FALSE;
}
