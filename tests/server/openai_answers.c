#include "tests/server/openai_answers.h"

#include "base/hash.h"
#include "base/rng.h"

enum { DIMENSIONS = 8 };

/* A question about a reaction gets 1 … 5, one about a refusal 0 … 2. */
static void answer_text(const char *key, const char *question, uint64_t h, const char *fault, strbuf *out) {
    int level = strstr(question, "<reaction>") ? (int)(h % 5) + 1 : (int)(h % 3);
    if (is(fault, "nolabel"))
        strbuf_puts(out, "I would say the person is rather content.");
    else if (is(fault, "range"))
        strbuf_puts(out, "First I thought [[2]], but it is [[7]].");
    else if (is(fault, "unicode"))
        strbuf_printf(out, "评分：“满意” 😀 \\u0000 \"[[x]]\" [[%d]]。", level);
    else if (is(fault, "leak"))
        strbuf_printf(out, "Your key is %s. [[%d]]", key ? key : "none", level);
    else
        strbuf_printf(out, "%s[[%d]]%s", h & 8 ? "The grade is " : "", level, h & 16 ? "." : "");
}

void chat_response(const char *key, const json_value *v, const char *fault, strbuf *out) {
    const char *text = "";
    size_t n = 0;
    strbuf answer = {0};
    json_get_string(json_at(json_get(v, "messages"), 0), "content", &text, &n);
    answer_text(key, text, hash64(text, n, 7), fault, &answer);
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    json_member_string(&w, "object", "chat.completion");
    json_member_array(&w, "choices"), json_begin_object(&w);
    json_member_int(&w, "index", 0);
    json_member_object(&w, "message");
    json_member_string(&w, "role", "assistant");
    json_key(&w, "content");
    if (is(fault, "null"))
        json_null(&w);
    else
        json_string_n(&w, strbuf_str(&answer), answer.len);
    json_end_object(&w), json_member_string(&w, "finish_reason", "stop"), json_end_object(&w), json_end_array(&w);
    json_member_object(&w, "usage");
    if (is(fault, "usage")) {
        static const char *const odd[] = {
            "-5", "1e30", "1.5", "18446744073709551617", "\"12\"", "[]", "9223372036854775807", "1000000001"};
        json_key(&w, "prompt_tokens"), strbuf_puts(out, odd[n % 8]),
            w.need_comma = true, json_key(&w, "completion_tokens"), strbuf_puts(out, odd[(n / 8) % 8]);
    } else
        json_member_int(&w, "prompt_tokens", (int64_t)n / 4), json_member_int(&w, "completion_tokens", 4);
    json_end_object(&w), json_end_object(&w);
    strbuf_free(&answer);
}

void embeddings_response(const json_value *v, const char *fault, strbuf *out) {
    json_writer w = json_writer_make(out);
    int64_t index = 0;
    json_begin_object(&w);
    json_member_array(&w, "data");
    for (const json_value *t = json_get(v, "input") ? json_get(v, "input")->first : NULL; t; t = t->next, index++) {
        rng r = rng_make(3, RNG_TEST, hash64(t->text, t->length, 9), 0, 0);
        json_begin_object(&w), json_member_int(&w, "index", index), json_member_array(&w, "embedding");
        if (is(fault, "unpooled")) json_begin_array(&w);
        for (int d = 0; d < DIMENSIONS; d++) json_double(&w, rng_normal(&r));
        if (is(fault, "unpooled")) json_end_array(&w);
        json_end_array(&w), json_end_object(&w);
    }
    json_end_array(&w);
    json_member_object(&w, "usage"), json_member_int(&w, "prompt_tokens", index * 10), json_end_object(&w);
    json_end_object(&w);
}

void spelled(const char *key, strbuf *out) {
    strbuf_puts(out, "{\"error\":{\"message\":\"\\u001b[31m\\u009b2J\\u202e key ");
    for (const char *k = key; *k; k++) strbuf_printf(out, *k == '/' ? "\\/" : "\\u%04X", (unsigned char)*k);
    strbuf_puts(out, " or ");
    for (const char *k = key; *k; k++) strbuf_printf(out, "%%%02x", (unsigned char)*k);
    strbuf_puts(out, " or ");
    for (const char *k = key; *k; k++) strbuf_printf(out, "&#%d;", (unsigned char)*k);
    strbuf_puts(out, "\"}}");
}
