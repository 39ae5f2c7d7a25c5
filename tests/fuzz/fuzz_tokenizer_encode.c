/* First byte: which of four small tokenizers (GPT-2 layout; Qwen2's with NFC and added tokens; SentencePiece's with
 * byte fallback; a pattern that only the regex engine matches) and whether the rest is text or token ids. Text must
 * come back as it was where nothing normalises it; decoding as a stream must equal decoding at once. */
#include "base/json.h"
#include "base/utf8.h"
#include "text/tokenizer/text_bytes.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { GPT2, QWEN2, SENTENCE, PATTERN, KINDS };

static const char *const layouts[KINDS] = {
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"added_tokens\":[]",
    "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
    "\"pattern\":{\"Regex\":"
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":"
    "false}]},\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"added_tokens\":[{\"id\":300,\"content\":\"<a>\",\"special\":true,\"lstrip\":true},{\"id\":301,\"content\":\"<ab>"
    "\",\"rstrip\":true},"
    "{\"id\":302,\"content\":\"w\",\"single_word\":true}]",
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},{"
    "\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
    "\"content\":\"\xe2\x96\x81\"}]},\"pre_tokenizer\":null,\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":"
    "\"Replace\",\"pattern\":{\"String\":"
    "\"\xe2\x96\x81\"},\"content\":\" "
    "\"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" "
    "\",\"start\":1,\"stop\":0}]},"
    "\"added_tokens\":[]",
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"
    "\"Regex\":"
    "\"\\\\b[\\\\p{Lu}\\\\p{M}]*[\\\\w&&[^\\\\p{Han}\\\\d]]+(?i:k|[^a-z])?|\\\\p{Han}+(?=\\\\p{^Han})|^.|\\\\d{1,3}?$|"
    "\\\\s+(?!\\\\S)\"},\"behavior\":\"Isolated\",\"invert\":false},"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"added_tokens\":[]",
};

static void put_vocab(json_writer *w, int kind) {
    char name[8];
    for (int b = 0; b < 256; b++) {
        if (kind == SENTENCE)
            snprintf(name, sizeof name, "<0x%02X>", b);
        else
            name[utf8_encode(byte_to_char((uint8_t)b), name)] = '\0';
        json_member_int(w, name, b);
    }
    static const char *const joined[] = {"th", "the", "aa", "aaaa", "in", "er"};
    for (int i = 0; i < 6; i++) {
        json_member_int(w, joined[i], 256 + i);
    }
    static const char *const more[] = {"\xe2\x96\x81", "t", "h", "e", "a", "\xe2\x96\x81t", "\xe2\x96\x81\xe2\x96\x81",
                                       "\xc3\xa9"};
    for (int i = 0; i < 8 && kind == SENTENCE; i++) {
        json_member_int(w, more[i], 262 + i);
    }
}

static tokenizer *make(int kind) {
    static const char *const merges[] = {"t h", "th e", "a a", "aa aa", "\xe2\x96\x81 t", "\xe2\x96\x81 \xe2\x96\x81"};
    strbuf file = {0};
    tokenizer *t = NULL;
    strbuf_printf(&file, "{%s,\"model\":{\"type\":\"BPE\",\"byte_fallback\":%s,\"vocab\":", layouts[kind],
                  kind == SENTENCE ? "true" : "false");
    json_writer w = json_writer_make(&file);
    json_begin_object(&w);
    put_vocab(&w, kind);
    json_end_object(&w);
    strbuf_puts(&file, ",\"merges\":[");
    for (int i = 0; i < (kind == SENTENCE ? 6 : 4); i++) strbuf_printf(&file, "%s\"%s\"", i ? "," : "", merges[i]);
    strbuf_puts(&file, "]}}");
    int fd = memfd_create("tokenizer", 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, file.data, file.len) != (ssize_t)file.len || tokenizer_load(path, &t) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        abort();
    }
    close(fd);
    strbuf_free(&file);
    return t;
}

static void decode_both(const tokenizer *t, const token_ids *ids, strbuf *whole) {
    strbuf parts = {0};
    tokenizer_stream *s = NULL;
    if (tokenizer_decode(t, ids->ids, ids->n, false, whole) < 0 || tokenizer_stream_create(t, false, &s) < 0) abort();
    for (size_t i = 0; i < ids->n; i++)
        if (tokenizer_stream_push(s, ids->ids[i], &parts) < 0 ||
            utf8_valid_prefix(strbuf_str(&parts), parts.len) != parts.len)
            abort();
    if (tokenizer_stream_flush(s, &parts) < 0) abort();
    if (parts.len != whole->len || memcmp(strbuf_str(&parts), strbuf_str(whole), parts.len) != 0) abort();
    tokenizer_stream_free(s);
    strbuf_free(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static tokenizer *made[KINDS]; /* once for the whole run */
    if (!made[0])
        for (int k = 0; k < KINDS; k++) made[k] = make(k);
    if (size == 0) return 0;
    int kind = data[0] / 2 % KINDS;
    const tokenizer *t = made[kind];
    const char *text = (const char *)data + 1;
    size_t n = size - 1;
    token_ids ids = {0};
    strbuf back = {0};
    if (data[0] & 1) {
        for (size_t i = 0; i + 1 < n; i += 2)
            token_ids_push(&ids, (int32_t)(((uint8_t)text[i] | (uint8_t)text[i + 1] << 8) % (int)tokenizer_vocab(t)));
        decode_both(t, &ids, &back);
    } else {
        if (tokenizer_encode(t, text, n, data[0] & 64 ? TOK_DEFAULT : 0, &ids) < 0) abort();
        decode_both(t, &ids, &back);
        bool plain = utf8_valid_prefix(text, n) == n && kind != QWEN2 &&
                     !(kind == SENTENCE && memmem(text, n, "\xe2\x96\x81", 3));
        if (plain && (back.len != n || memcmp(strbuf_str(&back), text, n) != 0)) abort();
    }
    strbuf_free(&back);
    token_ids_free(&ids);
    return 0;
}
