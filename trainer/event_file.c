#include "trainer/event_file.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Fields of event.proto and summary.proto. */
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION_LOG = 7 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, SESSION_STATUS = 1, SESSION_START = 1 };
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types of protocol buffers */
enum { TAG_CAP = 256, DEPTH = 4 };

struct event_file {
    int fd;
    char path[PATH_CAP];
    arena *memory;
    strbuf event, summary, value, record;
};

/* --- protocol buffers, as far as they are needed --- */

static void put_varint(strbuf *b, uint64_t v) {
    for (; v >= 0x80; v >>= 7) strbuf_putc(b, (char)(v | 0x80));
    strbuf_putc(b, (char)v);
}

static void put_key(strbuf *b, unsigned field, unsigned type) { put_varint(b, field << 3 | type); }

static void put_little(strbuf *b, uint64_t v, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) strbuf_putc(b, (char)(v >> 8 * i));
}

static void put_bytes(strbuf *b, unsigned field, const void *bytes, size_t n) {
    put_key(b, field, BYTES);
    put_varint(b, n);
    strbuf_append(b, bytes, n);
}

static void put_time(strbuf *b, unsigned field, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(b, field, FIXED64);
    put_little(b, bits, sizeof bits);
}

static void put_float(strbuf *b, unsigned field, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(b, field, FIXED32);
    put_little(b, bits, sizeof bits);
}

/* --- records --- */

/* CRC-32C (Castagnoli, reflected), a bit at a time: a few hundred bytes a step. */
static uint32_t crc32c(const void *bytes, size_t n) {
    uint32_t crc = ~0u;
    for (const unsigned char *p = bytes; n; n--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* A checksum of bytes that hold their own checksum would tell little; so it is turned and moved first. */
static uint32_t masked(const void *bytes, size_t n) {
    const uint32_t crc = crc32c(bytes, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static wr_status write_event(event_file *e) {
    wr_status status = WR_OK;
    const char *event = strbuf_str(&e->event);
    strbuf_clear(&e->record);
    put_little(&e->record, e->event.len, 8);
    put_little(&e->record, masked(strbuf_str(&e->record), 8), 4);
    strbuf_append(&e->record, event, e->event.len);
    put_little(&e->record, masked(event, e->event.len), 4);
    TRY(strbuf_status(&e->event));
    TRY(strbuf_status(&e->record));
    if (write(e->fd, e->record.data, e->record.len) != (ssize_t)e->record.len)
        TRY(wr_fail(WR_E_IO, "%s: %s", e->path, errno ? strerror(errno) : "not all was written"));
cleanup:
    return status;
}

static void begin_event(event_file *e, int64_t step) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    strbuf_clear(&e->event);
    put_time(&e->event, EVENT_WALL_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    if (!step) return; /* as absent numbers are 0 */
    put_key(&e->event, EVENT_STEP, VARINT);
    put_varint(&e->event, (uint64_t)step);
}

/* --- events --- */

wr_status event_file_create(const char *dir, const char *host, int64_t first, event_file **out) {
    static const char version[] = "brain.Event:2";
    wr_status status = WR_OK;
    char name[256];
    event_file *e = mem_calloc(1, sizeof *e);
    *out = NULL;
    TRY_ALLOC(e);
    e->fd = -1;
    TRY_ALLOC(e->memory = arena_create());
    for (int k = 0; e->fd < 0 && (k == 0 || errno == EEXIST); k++) { /* in a container each process may be number 1 */
        snprintf(name, sizeof name, "events.out.tfevents.%010lld.%.64s.%ld.%d.wildreward", (long long)time(NULL), host,
                 (long)getpid(), k);
        TRY(path_join(e->path, dir, name));
        e->fd = open(e->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    }
    if (e->fd < 0) TRY(wr_fail(WR_E_IO, "%s: %s", e->path, strerror(errno)));
    begin_event(e, 0);
    put_bytes(&e->event, EVENT_FILE_VERSION, version, sizeof version - 1);
    TRY(write_event(e));
    if (first > 0) { /* what earlier files hold of this step and later ones is void */
        strbuf_clear(&e->value);
        put_key(&e->value, SESSION_STATUS, VARINT);
        put_varint(&e->value, SESSION_START);
        begin_event(e, first);
        put_bytes(&e->event, EVENT_SESSION_LOG, strbuf_str(&e->value), e->value.len);
        TRY(write_event(e));
    }
    *out = e;
    e = NULL;
cleanup:
    event_file_close(e);
    return status;
}

static const char *group_of(const char *key, size_t n, size_t *skip) {
    *skip = n > 5 && memcmp(key, "eval_", 5) == 0 ? 5 : 0;
    if (*skip) return "eval/";
    return n > 2 && memcmp(key + n - 2, "_s", 2) == 0 ? "time/" : "train/";
}

static void put_scalar(event_file *e, const char *tag, double v) {
    strbuf_clear(&e->value);
    put_bytes(&e->value, VALUE_TAG, tag, strlen(tag));
    put_float(&e->value, VALUE_SIMPLE, (float)v);
    put_bytes(&e->summary, SUMMARY_VALUE, strbuf_str(&e->value), e->value.len);
}

/* Members of the line, and of the objects in it. */
static void put_members(event_file *e, const json_value *object, const char *above, int depth) {
    char tag[TAG_CAP];
    for (const json_value *m = object->first; m; m = m->next) {
        size_t skip = 0;
        const char *group = *above ? above : group_of(m->key, m->key_length, &skip);
        double v;
        if (!*above && strcmp(m->key, "step") == 0) continue;
        const int n = snprintf(tag, sizeof tag, "%s%s%s", group, m->key + skip, json_is(m, JSON_OBJECT) ? "/" : "");
        if (n < 0 || (size_t)n >= sizeof tag) continue;
        if (json_is(m, JSON_OBJECT) && depth < DEPTH)
            put_members(e, m, tag, depth + 1);
        else if (json_is_finite(m) && json_to_double(m, &v))
            put_scalar(e, tag, v);
    }
}

wr_status event_file_add(event_file *e, const char *line, size_t n) {
    wr_status status = WR_OK;
    const json_value *v = NULL;
    int64_t step = 0;
    arena_reset(e->memory);
    strbuf_clear(&e->summary);
    TRY(json_parse(e->memory, line, n, &v));
    if (!json_get_int(v, "step", &step)) TRY(wr_fail(WR_E_FORMAT, "%s: a line of metrics without a step", e->path));
    put_members(e, v, "", 0);
    TRY(strbuf_status(&e->value));
    TRY(strbuf_status(&e->summary));
    if (!e->summary.len) goto cleanup;
    begin_event(e, step);
    put_bytes(&e->event, EVENT_SUMMARY, e->summary.data, e->summary.len);
    TRY(write_event(e));
cleanup:
    return status;
}

void event_file_close(event_file *e) {
    if (!e) return;
    if (e->fd >= 0) close(e->fd);
    strbuf_free(&e->event);
    strbuf_free(&e->summary);
    strbuf_free(&e->value);
    strbuf_free(&e->record);
    arena_free(e->memory);
    free(e);
}
