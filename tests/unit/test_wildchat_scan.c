/* Rows read in one pass: the same as through a DOM, on written cases, on real rows and on many mutations of both; the
 * JSON scanner against json_parse; the packed form, cut and damaged. */
#include "base/json_scan.h"
#include "base/rng.h"
#include "base/stream.h"
#include "base/utf8.h"
#include "tests/support/conversation_dom.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const field_map *maps[3];
static arena *memory, *scratch;

static int set_up(void **state) {
    static const char *const names[] = {"wildchat", "lmsys", "sharegpt"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        if (field_map_open(names[i], &maps[i]) < 0) return -1;
    }
    return (memory = arena_create()) && (scratch = arena_create()) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    arena_free(memory);
    arena_free(scratch);
    return 0;
}

/* In memory that ends with the row, so that a sanitizer sees a byte too much. */
static void agree(const char *line, size_t n, const field_map *map) {
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, line, n);
    arena_reset(scratch);
    const char *difference = conversation_disagreement(scratch, copy, n, map);
    if (difference) fail_msg("%s differs: %.*s", difference, (int)n, line);
    free(copy);
}

static row_fault fault_of(const char *line, size_t n, conversation *c) {
    row_fault fault;
    assert_int_equal(wildchat_parse(memory, line, n, false, c, &fault), WR_OK);
    agree(line, n, maps[0]);
    return fault;
}

#define ROW(messages) "{\"conversation_hash\":\"c\",\"conversation\":" messages "}"
#define SAY(role, content) "{\"role\":\"" role "\",\"content\":" content "}"

static const struct {
    const char *line;
    row_fault fault;
} cases[] = {
    {"", ROW_JSON},
    {" \t", ROW_JSON},
    {"{", ROW_JSON},
    {"nul", ROW_JSON},
    {"7", ROW_OBJECT},
    {"[1,2]", ROW_OBJECT},
    {"\"x\"", ROW_OBJECT},
    {"{}", ROW_FIELD},
    {"{\"conversation_hash\":\"c\"}", ROW_FIELD},
    {"{\"conversation\":[]}", ROW_FIELD},
    {ROW("7"), ROW_FIELD},
    {ROW("[]"), ROW_EMPTY},
    {ROW("[ ]"), ROW_EMPTY},
    {ROW("[7]"), ROW_FIELD},
    {ROW("[{}]"), ROW_FIELD},
    {ROW("[{\"role\":\"user\"}]"), ROW_FIELD},
    {ROW("[" SAY("user", "null") "]"), ROW_FIELD},
    {ROW("[" SAY("", "\"x\"") "]"), ROW_FIELD},
    {ROW("[" SAY("user", "\"x\"") "]"), ROW_GOOD},
    {ROW("[" SAY("user", "\"x\"") ",]"), ROW_JSON},
    {ROW("[" SAY("user", "\"x\"") "]") "x", ROW_JSON},
    {ROW("[" SAY("user", "\"x\"") "]") " \"", ROW_JSON},
    {ROW("[" SAY("user", "\"x\"") "]") " \t\r", ROW_GOOD},
    {ROW("[" SAY("user", "\"\\q\"") "]"), ROW_JSON},
    {ROW("[" SAY("user", "\"\\u12\"") "]"), ROW_JSON},
    {ROW("[" SAY("user", "\"\x01\"") "]"), ROW_JSON},
    {ROW("[" SAY("user", "\"\xff\"") "]"), ROW_UTF8},
    {ROW("[" SAY("user", "\"\xed\xa0\x80\"") "]"), ROW_UTF8},
    {ROW("[" SAY("user", "\"\xe0\x80\x80\"") "]"), ROW_UTF8},
    {ROW("[" SAY("user", "\"\xe4\xbd") "]"), ROW_UTF8},
    {"{\"a\":01}", ROW_JSON},
    {"{\"a\":1.}", ROW_JSON},
    {"{\"a\":-}", ROW_JSON},
    {"{\"a\":1e+}", ROW_JSON},
    {"{,}", ROW_JSON},
    {"{\"a\"}", ROW_JSON},
    {"{\"a\":1,}", ROW_JSON},
    {"{\"a\":1 \"b\":2}", ROW_JSON},
    {"\xff", ROW_UTF8},
    {"{\"conversation_hash\":\"\",\"conversation\":[" SAY("user", "\"x\"") "]}", ROW_FIELD},
    {"{\"conversation_hash\":7,\"conversation\":[" SAY("user", "\"x\"") "]}", ROW_FIELD},
    /* the last of several members counts */
    {"{\"conversation_hash\":7,\"conversation_hash\":\"c\",\"conversation\":[7],\"conversation\":[" SAY("user",
                                                                                                        "\"x\"") "]}",
     ROW_GOOD},
    {"{\"conversation_hash\":\"c\",\"conversation\":[" SAY("user", "\"x\"") "],\"conversation\":null}", ROW_FIELD},
    {ROW("[{\"role\":\"user\",\"content\":\"x\",\"content\":1}]"), ROW_FIELD},
    /* a syntax error behind a bad message */
    {"{\"conversation_hash\":\"c\",\"conversation\":[7],\"x\":tru}", ROW_JSON},
    {"{\"conversation_hash\":\"c\",\"conversation\":[7],\"x\":\"\xc3\"}", ROW_UTF8},
};

static void written(void **state) {
    (void)state;
    conversation c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        row_fault fault = fault_of(cases[i].line, strlen(cases[i].line), &c);
        if (fault != cases[i].fault)
            fail_msg("%s: %s, not %s", cases[i].line, row_fault_name(fault), row_fault_name(cases[i].fault));
    }
}

static void values(void **state) {
    (void)state;
    conversation c;
    static const char line[] = "{\"conversation_hash\":\"h\",\"toxic\":true,\"redacted\":false,\"hashed_ip\":\"\","
                               "\"timestamp\":\"2023-04-09 00:02:53\",\"l\\u0061nguage\":\"English\","
                               "\"model\":\"gpt\\u002d4\",\"conversation\":[{\"turn_identifier\":12,\"role\":\"user\","
                               "\"content\":\"a\\u0000b\\n\\ud83d\\ude00\\ud800z\\/\"},"
                               "{\"hashed_ip\":\"ip\",\"role\":\"assistant\",\"content\":\"plain "
                               "\xe4\xbd\xa0\"},{\"role\":\"tool\",\"content\":\"\",\"turn_identifier\":1e3}]}";
    assert_int_equal(fault_of(line, sizeof line - 1, &c), ROW_GOOD);
    assert_string_equal(c.id, "h");
    assert_string_equal(c.user, "ip");
    assert_string_equal(c.language, "English");
    assert_string_equal(c.model, "gpt-4");
    assert_string_equal(c.timestamp, "2023-04-09 00:02:53");
    assert_true(c.toxic && !c.redacted);
    assert_int_equal(c.n, 3);
    static const char first[] = "a\0b\n\xf0\x9f\x98\x80\xef\xbf\xbdz/";
    assert_int_equal(c.messages[0].length, sizeof first - 1);
    assert_memory_equal(c.messages[0].content, first, sizeof first - 1);
    assert_true(c.messages[1].content > line && c.messages[1].content < line + sizeof line); /* not copied */
    assert_int_equal(c.messages[1].length, 9);
    assert_string_equal(c.messages[2].role, "tool");
    assert_int_equal(c.turns[0], 12);
    assert_int_equal(c.turns[1], 1);
    assert_int_equal(c.turns[2], 1000);
    static const char times[] =
        "{\"conversation_hash\":\"h\",\"timestamp\":1680998573000,\"conversation\":[" SAY("user", "\"x\"") "]}";
    assert_int_equal(fault_of(times, sizeof times - 1, &c), ROW_GOOD);
    assert_string_equal(c.timestamp, "2023-04-09T00:02:53Z");
    assert_string_equal(c.user, "conversation:h");
    /* no time at all */
    static const char early[] =
        "{\"conversation_hash\":\"h\",\"timestamp\":17,\"conversation\":[" SAY("user", "\"x\"") "]}";
    assert_int_equal(fault_of(early, sizeof early - 1, &c), ROW_GOOD);
    assert_string_equal(c.timestamp, "");
    /* What a first array of messages said of the user goes with it. */
    static const char twice[] = "{\"conversation_hash\":\"h\",\"conversation\":[{\"role\":\"user\",\"content\":\"x\","
                                "\"hashed_ip\":\"a\",\"header\":{}}],\"conversation\":[" SAY("user", "\"x\"") "]}";
    assert_int_equal(fault_of(twice, sizeof twice - 1, &c), ROW_GOOD);
    assert_string_equal(c.user, "conversation:h");
}

/* The header is hashed as written without white space, whatever its spelling. */
static void users(void **state) {
    (void)state;
    static const char *const spellings[] = {"{\"a\":\"x y\",\"b\":null,\"c\":1.50}",
                                            "{ \"a\" : \"x y\",\t\"b\":null, \"c\":1.50 }",
                                            "{\"\\u0061\":\"x\\u0020y\",\"b\":null,\"c\":1.50}"};
    const char *expected;
    char line[512];
    conversation c;
    row_fault fault;
    assert_int_equal(conversation_user(memory, "ip", 2, spellings[0], strlen(spellings[0]), "id", &expected), WR_OK);
    assert_int_equal(strlen(expected), 2 + 17);
    for (size_t i = 0; i < 3; i++) {
        for (int inside = 0; inside < 2; inside++) {
            int n = snprintf(line, sizeof line,
                             "{\"conversation_hash\":\"h\",\"hashed_ip\":\"ip\",%s%s%s\"conversation\":[{\"role\":"
                             "\"user\",\"content\":\"\"%s%s}]}",
                             inside ? "" : "\"header\":", inside ? "" : spellings[i], inside ? "" : ",",
                             inside ? ",\"header\":" : "", inside ? spellings[i] : "");
            assert_int_equal(wildchat_parse(memory, line, (size_t)n, true, &c, &fault), WR_OK);
            assert_int_equal(fault, ROW_GOOD);
            assert_string_equal(c.user, expected);
            agree(line, (size_t)n, maps[0]);
        }
    }
}

static void limits(void **state) {
    (void)state;
    conversation c;
    strbuf b = {0};
    for (int over = 0; over < 2; over++) { /* counted after unescaping */
        strbuf_clear(&b);
        strbuf_puts(&b, "{\"conversation_hash\":\"c\",\"conversation\":[{\"role\":\"user\",\"content\":\"");
        for (int i = 0; i < ROW_MESSAGE_LIMIT + over; i++) strbuf_puts(&b, i % 2 ? "\\n" : "x");
        strbuf_puts(&b, "\"}]}");
        assert_int_equal(fault_of(b.data, b.len, &c), over ? ROW_LONG : ROW_GOOD);
        strbuf_clear(&b);
        strbuf_puts(&b, "{\"conversation_hash\":\"c\",\"conversation\":[");
        for (int i = 0; i < ROW_MESSAGES_LIMIT + over; i++)
            strbuf_puts(&b, i ? "," SAY("user", "\"x\"") : SAY("user", "\"x\""));
        strbuf_puts(&b, "]}");
        assert_int_equal(fault_of(b.data, b.len, &c), over ? ROW_MANY : ROW_GOOD);
        /* the row, and arrays in it */
        strbuf_clear(&b);
        strbuf_puts(&b, "{\"x\":");
        for (int i = 0; i < JSON_MAX_DEPTH - 1 + over; i++) strbuf_putc(&b, '[');
        for (int i = 0; i < JSON_MAX_DEPTH - 1 + over; i++) strbuf_putc(&b, ']');
        strbuf_putc(&b, '}');
        assert_int_equal(fault_of(b.data, b.len, &c), over ? ROW_JSON : ROW_FIELD);
    }
    for (int i = 0; i < 200000; i++) strbuf_putc(&b, '[');
    assert_int_equal(fault_of(b.data, b.len, &c), ROW_JSON);
    strbuf_free(&b);
}

/* Strings of every length with every kind of escape, sequence or fault at every place: what a block of 16 or 64 bytes
 * ends in must not matter. */
static void seams(void **state) {
    (void)state;
    static const char *const pieces[] = {"\\n",
                                         "\\\\",
                                         "\\\"",
                                         "\\u00e9",
                                         "\\ud83d\\ude00",
                                         "\\ud83d",
                                         "\xc3\xa9",
                                         "\xe4\xbd\xa0",
                                         "\xf0\x9f\x98\x80",
                                         "\"",
                                         "\x1f",
                                         "\xff",
                                         "\\x",
                                         "\\u00g0",
                                         "\xed\xa0\x80",
                                         "\\\\\\\\\\\\\\\\\\\\",
                                         "\\"};
    char line[1024];
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        for (int before = 0; before < 150; before++) {
            for (int behind = 0; behind < 70; behind += 1 + behind / 3) {
                int n = snprintf(
                    line, sizeof line,
                    "{\"conversation_hash\":\"c\",\"conversation\":[{\"role\":\"user\",\"content\":\"%.*s%s%.*s\"}]}",
                    before,
                    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
                    "89"
                    "01234567890123456789012345678901234567890123456789",
                    pieces[k], behind,
                    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
                agree(line, (size_t)n, maps[0]);
            }
        }
    }
}

/* A few random changes of a row, among them bytes that matter to JSON. */
static void mutate(rng *r, char *line, size_t *n, size_t room) {
    static const char bytes[] = "\"\\{}[]:,u0e-\n \xc3\xa9\xed\xa0\xff";
    for (uint64_t k = rng_below(r, 4) + 1; k > 0; k--) {
        size_t at = rng_below(r, *n);
        switch (rng_below(r, 4)) {
        case 0:
            line[at] = bytes[rng_below(r, sizeof bytes)];
            break;
        case 1:
            line[at] = (char)rng_below(r, 256);
            break;
        case 2:
            if (*n > 1) {
                memmove(line + at, line + at + 1, *n - at - 1);
                --*n;
            }
            break;
        default:
            if (*n < room) {
                memmove(line + at + 1, line + at, *n - at);
                line[at] = bytes[rng_below(r, sizeof bytes)];
                ++*n;
            }
        }
    }
}

static void mutations(void **state) {
    (void)state;
    rng r = rng_make(11, RNG_TEST, 1, 0, 0);
    char line[1024];
    static const char *const rows[3] = {
        "{\"conversation_hash\":\"c\\u0061\",\"hashed_ip\":\"ip\",\"header\":{\"accept-language\":\"en\"},"
        "\"timestamp\":1.5,\"toxic\":true,\"conversation\":[{\"role\":\"user\","
        "\"content\":\"one\\ntwo "
        "\xe4\xbd\xa0\xe5\xa5\xbd\",\"turn_identifier\":3},{\"role\":\"assistant\",\"content\":\"\\ud83d\\ude00\\\\\"}]"
        ",\"x\":[null,-1.5e-3,{\"y\":[]}]}",
        "{\"conversation_id\":12,\"model\":\"v\",\"conversation\":[{\"content\":\"a\",\"role\":\"user\"},{\"content\":"
        "\"b\",\"role\":\"assistant\"}],\"redacted\":true}",
        "{\"conversations\":[{\"from\":\"human\",\"value\":\"h\"},{\"from\":\"gpt\",\"value\":\"g\"}]}"};
    for (int i = 0; i < 60000; i++) {
        size_t n = strlen(rows[i % 3]);
        memcpy(line, rows[i % 3], n);
        mutate(&r, line, &n, sizeof line);
        agree(line, n, maps[i % 3]);
    }
}

static void real(void **state) {
    (void)state;
    char path[4096];
    const char *shared = getenv("WILDREWARD_SHARED"), *line;
    size_t n, rows = 0;
    instream *in;
    rng r = rng_make(5, RNG_TEST, 2, 0, 0);
    snprintf(path, sizeof path, "%s/data/sharegpt_wildchat.jsonl.zst", shared ? shared : "../shared");
    if (instream_open(path, &in) < 0) {
        print_message("skipped: %s\n", wr_error());
        skip();
    }
    while (instream_line(in, &line, &n) == WR_OK) {
        agree(line, n, maps[0]);
        char *copy = malloc(n + 8);
        assert_non_null(copy);
        for (int k = 0; k < 3; k++) {
            size_t m = n;
            memcpy(copy, line, n);
            mutate(&r, copy, &m, n + 8);
            agree(copy, m, maps[0]);
        }
        free(copy);
        rows++;
    }
    assert_int_equal(rows, 735);
    instream_close(in);
}

/* Every prefix and every single wrong byte of a packed conversation is refused or read, never more than its bytes. */
static void packed(void **state) {
    (void)state;
    static const char line[] = "{\"conversation_hash\":\"h\",\"toxic\":true,\"timestamp\":\"t\",\"conversation\":[{"
                               "\"role\":\"user\",\"content\":\"a\\u0000b\","
                               "\"turn_identifier\":-5},{\"role\":\"tool\",\"content\":\"long "
                               "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
                               "01234567890123456789012345678901234567890123456789\"}]}";
    conversation c, again;
    strbuf b = {0};
    assert_int_equal(fault_of(line, sizeof line - 1, &c), ROW_GOOD);
    conversation_pack(&c, &b);
    for (size_t n = 0; n <= b.len; n++) {
        char *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, b.data, n);
        wr_status status = conversation_unpack(memory, cut, n, &again);
        assert_int_equal(status, n == b.len ? WR_OK : WR_E_FORMAT);
        if (status == WR_OK) assert_null(conversation_difference(&c, &again));
        for (int k = 0; n == b.len && k < 256 * (int)n; k++) {
            char was = cut[k / 256];
            cut[k / 256] = (char)k;
            arena_reset(scratch);
            status = conversation_unpack(scratch, cut, n, &again);
            assert_true(status == WR_OK || status == WR_E_FORMAT);
            for (size_t i = 0; status == WR_OK && i < again.n; i++)
                assert_true(again.messages[i].content >= cut &&
                            again.messages[i].content + again.messages[i].length < cut + n);
            cut[k / 256] = was;
        }
        free(cut);
    }
    strbuf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(written), cmocka_unit_test(values), cmocka_unit_test(users),
                                       cmocka_unit_test(limits),  cmocka_unit_test(seams),  cmocka_unit_test(mutations),
                                       cmocka_unit_test(real),    cmocka_unit_test(packed)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
