#include "text/tokenizer/bpe_train.h"

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer/text_bytes.h"

#include <string.h>

const char bpe_pretokenizer_json[] =
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}]}";

static const char chatml[] = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
                             "message['content'] + '<|im_end|>' + '\n'}}"
                             "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

static void put_token(strbuf *out, const bpe_vocab *v, size_t id) {
    const bpe_token *t = &v->tokens[id];
    if (id < v->n_special)
        strbuf_append(out, t->bytes, t->n);
    else
        for (size_t i = 0; i < t->n; i++) utf8_put(out, byte_to_char((uint8_t)t->bytes[i]));
}

static void write_added(json_writer *w, const bpe_vocab *v) {
    static const char *const off[] = {"single_word", "lstrip", "rstrip", "normalized"};
    json_member_array(w, "added_tokens");
    for (size_t i = 0; i < v->n_special; i++) {
        json_begin_object(w);
        json_member_int(w, "id", (int64_t)i);
        json_member_string_n(w, "content", v->tokens[i].bytes, v->tokens[i].n);
        for (size_t k = 0; k < sizeof off / sizeof *off; k++) {
            json_member_bool(w, off[k], false);
        }
        json_member_bool(w, "special", true);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_model(json_writer *w, const bpe_vocab *v, strbuf *token) {
    static const char *const nulls[] = {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"};
    static const char *const off[] = {"fuse_unk", "byte_fallback", "ignore_merges"};
    json_member_object(w, "model");
    json_member_string(w, "type", "BPE");
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        json_member_null(w, nulls[i]);
    }
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        json_member_bool(w, off[i], false);
    }
    json_member_object(w, "vocab");
    for (size_t i = 0; i < v->n; i++) {
        strbuf_clear(token);
        put_token(token, v, i);
        json_key_n(w, strbuf_str(token), token->len);
        json_int(w, (int64_t)i);
    }
    json_end_object(w);
    json_member_array(w, "merges");
    for (size_t i = 0; i < v->n_joins; i++) {
        strbuf_clear(token);
        put_token(token, v, (size_t)v->joins[i].left);
        strbuf_putc(token, ' '); /* no token has a space: the byte 32 is written as another character */
        put_token(token, v, (size_t)v->joins[i].right);
        json_string_n(w, strbuf_str(token), token->len);
    }
    json_end_array(w);
    json_end_object(w);
}

static wr_status write_tokenizer(const bpe_vocab *v, strbuf *out) {
    wr_status status = WR_OK;
    strbuf token = {0};
    json_writer w = json_writer_make(out);
    arena *a = arena_create();
    const json_value *pre;
    TRY_ALLOC(a);
    TRY(json_parse(a, bpe_pretokenizer_json, strlen(bpe_pretokenizer_json), &pre));
    json_begin_object(&w);
    json_member_string(&w, "version", "1.0");
    json_member_null(&w, "truncation");
    json_member_null(&w, "padding");
    write_added(&w, v);
    json_member_null(&w, "normalizer");
    json_member_copy(&w, "pre_tokenizer", pre);
    json_member_null(&w, "post_processor");
    json_member_object(&w, "decoder");
    json_member_string(&w, "type", "ByteLevel");
    json_member_bool(&w, "add_prefix_space", true);
    json_member_bool(&w, "trim_offsets", true);
    json_member_bool(&w, "use_regex", true);
    json_end_object(&w);
    write_model(&w, v, &token);
    json_end_object(&w);
    strbuf_putc(out, '\n');
    TRY(strbuf_status(&token));
    TRY(strbuf_status(out));
cleanup:
    arena_free(a);
    strbuf_free(&token);
    return status;
}

static bool has_special(const bpe_vocab *v, const char *text) {
    for (size_t i = 0; i < v->n_special; i++)
        if (strcmp(v->tokens[i].bytes, text) == 0) return true;
    return false;
}

static wr_status write_config(const bpe_vocab *v, strbuf *out) {
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    json_member_string(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_member_bool(&w, "clean_up_tokenization_spaces", false);
    bool chat = has_special(v, "<|im_start|>") && has_special(v, "<|im_end|>");
    if (chat) {
        json_member_string(&w, "eos_token", "<|im_end|>");
    }
    if (has_special(v, "<|endoftext|>")) {
        json_member_string(&w, "pad_token", "<|endoftext|>");
    }
    if (chat) {
        json_member_string(&w, "chat_template", chatml);
    }
    json_end_object(&w);
    strbuf_putc(out, '\n');
    return strbuf_status(out);
}

wr_status bpe_write(const bpe_vocab *v, const char *dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    strbuf text = {0};
    TRY(dir_make(dir));
    TRY(write_tokenizer(v, &text));
    TRY(path_join(path, dir, "tokenizer.json"));
    TRY(file_write_atomic(path, text.data, text.len));
    strbuf_clear(&text);
    TRY(write_config(v, &text));
    TRY(path_join(path, dir, "tokenizer_config.json"));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}
