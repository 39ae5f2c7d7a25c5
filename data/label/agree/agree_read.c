#include "data/label/agree/agree_read.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/stream.h"
#include "base/string_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { UNKNOWN_USER = UINT32_MAX };

struct answers_index {
    arena *names;
    string_map conversations, users;
    uint32_t *conversation_of; /* (rows) number of the row's conversation */
    size_t conversation_capacity, row_capacity;
    uint32_t *slots; /* (capacity, a power of two) row + 1; 0: free */
    size_t capacity;
};

const char *answer_fault_name(answer_fault f) {
    static const char *const names[ANSWER_FAULTS] = {"not_json", "no_key", "no_level", "bad_level", "duplicate"};
    return names[f];
}

uint64_t answers_bad(const answers *a) {
    uint64_t n = 0;
    for (size_t i = 0; i < a->n_files; i++) {
        for (int f = 0; f < ANSWER_FAULTS; f++) n += a->files[i].faults[f];
    }
    return n;
}

void answers_free(answers *a) {
    for (size_t i = 0; a->files && i < a->n_files; i++) {
        free(a->files[i].path);
        for (int f = 0; f < ANSWER_FAULTS; f++) free(a->files[i].first[f]);
    }
    for (size_t i = 0; i < a->n_columns; i++) {
        free(a->columns[i].name);
        free(a->columns[i].key);
    }
    free(a->files);
    free(a->rows);
    if (a->index) {
        arena_free(a->index->names);
        string_map_free(&a->index->conversations);
        string_map_free(&a->index->users);
        free(a->index->conversation_of);
        free(a->index->slots);
        free(a->index);
    }
    *a = (answers){0};
}

/* --- rows by key --- */

static uint64_t mix(uint32_t conversation, int64_t turn) {
    uint64_t h = ((uint64_t)conversation << 32 ^ (uint64_t)turn) * 0x9E3779B97F4A7C15u;
    h ^= h >> 29;
    return h * 0xBF58476D1CE4E5B9u ^ h >> 32;
}

static wr_status grow_slots(answers *a) {
    wr_status status = WR_OK;
    struct answers_index *x = a->index;
    if (2 * (a->n_rows + 1) <= x->capacity) return WR_OK;
    size_t capacity = x->capacity ? 2 * x->capacity : 1024;
    uint32_t *slots = mem_calloc(capacity, sizeof *slots);
    TRY_ALLOC(slots);
    for (size_t i = 0; i < a->n_rows; i++) {
        size_t at = mix(x->conversation_of[i], a->rows[i].turn) & (capacity - 1);
        while (slots[at]) at = (at + 1) & (capacity - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(x->slots);
    x->slots = slots;
    x->capacity = capacity;
cleanup:
    return status;
}

/* Number of a name, made when new; *stored: its lasting copy. */
static wr_status intern(arena *names, string_map *m, const char *s, size_t n, uint32_t *out, const char **stored) {
    wr_status status = WR_OK;
    string_entry *slot;
    int fresh;
    const string_entry *known = string_map_find(m, s, n);
    if (!known) {
        char *copy = arena_strndup(names, s, n);
        TRY_ALLOC(copy);
        TRY(string_map_put(m, copy, n, (int32_t)m->count, &slot, &fresh));
        known = slot;
    }
    *out = (uint32_t)known->value;
    if (stored) *stored = known->key;
cleanup:
    return status;
}

static wr_status find_row(answers *a, const char *conversation, size_t n, int64_t turn, answer_row **out) {
    wr_status status = WR_OK;
    struct answers_index *x = a->index;
    uint32_t number;
    const char *stored;
    TRY(intern(x->names, &x->conversations, conversation, n, &number, &stored));
    TRY(grow_slots(a));
    size_t at = mix(number, turn) & (x->capacity - 1);
    for (; x->slots[at]; at = (at + 1) & (x->capacity - 1)) {
        size_t i = x->slots[at] - 1;
        if (x->conversation_of[i] == number && a->rows[i].turn == turn) {
            *out = &a->rows[i];
            return WR_OK;
        }
    }
    if (a->n_rows >= UINT32_MAX - 1) TRY(wr_fail(WR_E_FORMAT, "agree: more than 4 billion follow-ups"));
    TRY(mem_reserve((void **)&a->rows, &x->row_capacity, a->n_rows + 1, sizeof *a->rows));
    TRY(mem_reserve((void **)&x->conversation_of, &x->conversation_capacity, a->n_rows + 1,
                    sizeof *x->conversation_of));
    x->conversation_of[a->n_rows] = number;
    a->rows[a->n_rows] =
        (answer_row){.conversation = stored, .turn = turn, .user = UNKNOWN_USER, .last_file = UINT16_MAX};
    x->slots[at] = (uint32_t)a->n_rows + 1;
    *out = &a->rows[a->n_rows++];
cleanup:
    return status;
}

/* --- columns --- */

/* "runs/turns.jsonl.zst" -> "turns" */
static char *stem(const char *path) {
    const char *slash = strrchr(path, '/'), *from = slash && slash[1] ? slash + 1 : path, *dot = strchr(from + 1, '.');
    return mem_strndup(from, dot ? (size_t)(dot - from) : strlen(from));
}

static wr_status find_column(answers *a, size_t file, const char *key, size_t n, size_t *out) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < a->n_columns; i++) {
        const answer_column *c = &a->columns[i];
        if (c->file == file && (key ? c->key && strlen(c->key) == n && memcmp(c->key, key, n) == 0 : !c->key)) {
            *out = i;
            return WR_OK;
        }
    }
    if (a->n_columns == PATTERN_ANNOTATORS)
        return wr_fail(WR_E_USAGE, "%s: more than %d annotators in all; give fewer files", a->files[file].path,
                       PATTERN_ANNOTATORS);
    answer_column *c = &a->columns[a->n_columns++];
    *c = (answer_column){.file = file};
    TRY_ALLOC(c->name = key ? mem_strndup(key, n) : stem(a->files[file].path));
    if (key) TRY_ALLOC(c->key = mem_strndup(key, n));
    *out = a->n_columns - 1;
cleanup:
    return status;
}

/* Names that occur twice become the file's path, with the key behind it. */
static wr_status separate_names(answers *a) {
    wr_status status = WR_OK;
    bool twice[PATTERN_ANNOTATORS] = {false};
    for (size_t i = 0; i < a->n_columns; i++) {
        for (size_t k = 0; k < a->n_columns; k++)
            twice[i] |= i != k && strcmp(a->columns[i].name, a->columns[k].name) == 0;
    }
    for (size_t i = 0; i < a->n_columns; i++) {
        if (!twice[i]) continue;
        answer_column *c = &a->columns[i];
        strbuf name = {0};
        strbuf_printf(&name, "%s%s%s", a->files[c->file].path, c->key ? ":" : "", c->key ? c->key : "");
        /* The same file given twice: told apart by number. */
        for (size_t k = 0, same = 1; k < i; k++) {
            if (strcmp(a->columns[k].name, strbuf_str(&name)) == 0) strbuf_printf(&name, " (%zu)", ++same);
        }
        TRY(strbuf_status(&name));
        free(c->name);
        c->name = name.data;
    }
cleanup:
    return status;
}

/* --- reading --- */

typedef struct parsed {
    const char *conversation;
    size_t n;
    int64_t turn;
    const json_value *levels, *level;
} parsed;

/* 0 … 5; null is 0. */
static bool level_of(const json_value *v, uint8_t *out) {
    int64_t level = 0;
    if (json_is(v, JSON_NULL)) {
        *out = 0;
        return true;
    }
    if (!json_is(v, JSON_NUMBER) || !json_to_int(v, &level) || level < 1 || level > PATTERN_LEVELS) return false;
    *out = (uint8_t)level;
    return true;
}

/* ANSWER_FAULTS: a good row. */
static answer_fault check_row(const json_value *row, parsed *out) {
    uint8_t level;
    if (!json_is(row, JSON_OBJECT)) return ANSWER_NOT_JSON;
    if (!json_get_string(row, "conversation_hash", &out->conversation, &out->n) ||
        !json_get_int(row, "turn_identifier", &out->turn))
        return ANSWER_NO_KEY;
    out->levels = json_get(row, "levels");
    if (json_is(out->levels, JSON_NULL)) out->levels = NULL; /* as if absent */
    if (out->levels) {
        if (!json_is(out->levels, JSON_OBJECT)) return ANSWER_BAD_LEVEL;
        for (const json_value *v = out->levels->first; v; v = v->next) {
            if (!level_of(v, &level)) return ANSWER_BAD_LEVEL;
        }
        return ANSWER_FAULTS;
    }
    out->level = json_get(row, "level");
    if (!out->level) out->level = json_get(row, "label");
    if (!out->level) return ANSWER_NO_LEVEL;
    return level_of(out->level, &level) ? ANSWER_FAULTS : ANSWER_BAD_LEVEL;
}

static wr_status note_fault(answer_file *f, answer_fault fault, const instream *in) {
    static const char *const what[ANSWER_FAULTS] = {
        "not a JSON object", "no conversation_hash (string) or turn_identifier (integer)", "no level, label or levels",
        "a level that is neither 1 … 5 nor null",
        "this conversation_hash and turn_identifier came before; the first row stays"};
    wr_status status = WR_OK;
    if (f->faults[fault]++ == 0) {
        strbuf text = {0};
        strbuf_printf(&text, "%s:%zu: %s", instream_name(in), instream_line_number(in), what[fault]);
        TRY(strbuf_status(&text));
        f->first[fault] = text.data;
    }
cleanup:
    return status;
}

static wr_status take_answer(answers *a, answer_row *row, size_t column, const json_value *v) {
    uint8_t level = 0;
    level_of(v, &level);
    row->answers[column] = level;
    a->columns[column].levels[level]++;
    return WR_OK;
}

static wr_status take_row(answers *a, size_t file, const json_value *json, const instream *in) {
    wr_status status = WR_OK;
    parsed p = {0};
    answer_row *row;
    const char *user;
    size_t n, column;
    answer_fault fault = check_row(json, &p);
    if (fault != ANSWER_FAULTS) return note_fault(&a->files[file], fault, in);
    TRY(find_row(a, p.conversation, p.n, p.turn, &row));
    if (row->last_file == file) return note_fault(&a->files[file], ANSWER_DUPLICATE, in);
    row->last_file = (uint16_t)file;
    a->files[file].rows++;
    if (row->user == UNKNOWN_USER && json_get_string(json, "user", &user, &n))
        TRY(intern(a->index->names, &a->index->users, user, n, &row->user, NULL));
    for (const json_value *v = p.levels ? p.levels->first : NULL; v; v = v->next) {
        TRY(find_column(a, file, v->key, v->key_length, &column));
        TRY(take_answer(a, row, column, v));
    }
    if (p.level) {
        TRY(find_column(a, file, NULL, 0, &column));
        TRY(take_answer(a, row, column, p.level));
    }
cleanup:
    return status;
}

static wr_status read_file(answers *a, size_t file, arena *memory) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    TRY(instream_open(a->files[file].path, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        size_t blank = 0;
        while (blank < n && (line[blank] == ' ' || line[blank] == '\t')) blank++;
        if (blank == n) continue; /* an empty line is no row */
        const json_value *row = NULL;
        arena_reset(memory);
        wr_status is_json = json_parse(memory, line, n, &row);
        if (is_json == WR_E_NOMEM) TRY(is_json);
        TRY(is_json < 0 ? note_fault(&a->files[file], ANSWER_NOT_JSON, in) : take_row(a, file, row, in));
    }
    if (!a->files[file].rows) {
        const answer_file *f = &a->files[file];
        const char *first = NULL;
        for (int k = 0; k < ANSWER_FAULTS && !first; k++) first = f->first[k];
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: no answer in it%s%s; rows need conversation_hash, turn_identifier and level, label or levels",
                    f->path, first ? "; " : "", first ? first : ""));
    }
cleanup:
    instream_close(in);
    return status;
}

/* Follow-ups whose user no file tells: one user a conversation. */
static wr_status number_users(answers *a) {
    struct answers_index *x = a->index;
    wr_status status = WR_OK;
    uint32_t *of = mem_calloc(x->conversations.count + 1, sizeof *of);
    TRY_ALLOC(of);
    a->n_users = a->n_known_users = x->users.count;
    for (size_t i = 0; i < a->n_rows; i++) {
        if (a->rows[i].user != UNKNOWN_USER) continue;
        uint32_t *mine = &of[x->conversation_of[i]];
        if (!*mine) *mine = (uint32_t)++a->n_users;
        a->rows[i].user = *mine - 1;
    }
cleanup:
    free(of);
    return status;
}

wr_status answers_read(const char *const *paths, size_t n, answers *out) {
    wr_status status = WR_OK;
    answers a = {0};
    arena *memory = arena_create();
    TRY_ALLOC(memory);
    if (n > PATTERN_ANNOTATORS)
        TRY(wr_fail(WR_E_USAGE, "agree: %zu files; at most %d annotators can be compared", n, PATTERN_ANNOTATORS));
    TRY_ALLOC(a.files = mem_calloc(n + 1, sizeof *a.files));
    TRY_ALLOC(a.index = mem_calloc(1, sizeof *a.index));
    TRY_ALLOC(a.index->names = arena_create());
    for (size_t i = 0; i < n; i++) {
        TRY_ALLOC(a.files[i].path = mem_strdup(paths[i]));
        a.n_files++;
        TRY(read_file(&a, i, memory));
    }
    TRY(separate_names(&a));
    TRY(number_users(&a));
    *out = a;
    a = (answers){0};
cleanup:
    arena_free(memory);
    answers_free(&a);
    return status;
}
