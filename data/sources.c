#include "data/sources.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/stream.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct sources {
    source_options o;
    char **paths;
    size_t n, capacity;
    arena *arena;
    instream *in;
    size_t file, block;
    uint64_t in_block;
    bool any, done;
};

static wr_status add(sources *s, const char *path) {
    wr_status status = WR_OK;
    TRY(mem_reserve((void **)&s->paths, &s->capacity, s->n + 1, sizeof *s->paths));
    TRY_ALLOC(s->paths[s->n] = mem_strdup(path));
    s->n++;
cleanup:
    return status;
}
static bool is_chat_file(const char *name) {
    return name[0] != '.' && (strstr(name, ".json") || strstr(name, ".tar") || strstr(name, ".tgz") || strstr(name, ".zip"));
}
wr_status sources_open(const char *const *paths, size_t n, const source_options *o, sources **out) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP];
    size_t k = 0;
    sources *s = mem_calloc(1, sizeof *s);
    TRY_ALLOC(s);
    s->o = *o;
    if (!s->o.block_bytes) s->o.block_bytes = 8 << 20;
    TRY_ALLOC(s->arena = arena_create());
    if (!n) TRY(wr_fail(WR_E_USAGE, "prepare needs at least one source: wildreward prepare SRC… --out DIR"));
    for (size_t i = 0; i < n; i++) {
        if (dir_exists(paths[i])) {
            size_t before = s->n;
            TRY(dir_list(paths[i], "", "", &names, &k));
            for (size_t j = 0; j < k; j++) {
                TRY(path_join(path, paths[i], names[j]));
                if (is_chat_file(names[j]) && !dir_exists(path)) TRY(add(s, path));
            }
            names_free(names, k);
            names = NULL;
            if (s->n == before) TRY(wr_fail(WR_E_IO, "%s: no chat file in this folder", paths[i]));
        } else if (file_exists(paths[i])) {
            TRY(add(s, paths[i]));
        } else {
            glob_t g = {0};
            if (glob(paths[i], 0, NULL, &g) != 0) TRY(wr_fail(WR_E_IO, "%s: no such file, folder or pattern", paths[i]));
            for (size_t j = 0; j < g.gl_pathc; j++) TRY(add(s, g.gl_pathv[j]));
            globfree(&g);
        }
    }
    *out = s;
    s = NULL;
cleanup:
    if (names) names_free(names, k);
    sources_close(s);
    return status;
}
void sources_close(sources *s) {
    if (!s) return;
    names_free(s->paths, s->n);
    instream_close(s->in);
    arena_free(s->arena);
    free(s);
}
size_t sources_files(const sources *s) { return s->n; }
const char *sources_path(const sources *s, size_t file) { return s->paths[file]; }
uint64_t sources_fingerprint(const sources *s) {
    uint64_t h = hash64(&s->o.block_bytes, sizeof s->o.block_bytes, s->o.user_key_header);
    for (size_t i = 0; i < s->n; i++) {
        struct stat st = {0};
        stat(s->paths[i], &st);
        uint64_t v[3] = {(uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec};
        h = hash64(v, sizeof v, h);
    }
    return h;
}
wr_status sources_blocks(sources *s, size_t file, size_t *n) {
    (void)s, (void)file;
    *n = SIZE_MAX;
    return WR_OK;
}
wr_status sources_read(sources *s, size_t file, size_t block, source_row_fn fn, void *context, uint64_t *bytes) {
    wr_status status = WR_OK;
    const char *line;
    size_t n;
    char where[PATH_CAP + 32];
    if (!s->in || s->file != file || s->block > block || s->done) {
        instream_close(s->in);
        s->in = NULL;
        TRY(instream_open(s->paths[file], &s->in));
        s->file = file, s->block = 0, s->in_block = 0, s->any = false, s->done = false;
    }
    for (;;) {
        wr_status got = instream_line(s->in, &line, &n);
        TRY(got);
        if (got == WR_END) {
            s->done = true;
            if (s->block < block || !s->any) status = WR_END;
            break;
        }
        if (s->block == block) {
            s->any = true;
            if (bytes) *bytes += n + 1;
            if (n) {
                conversation c;
                row_fault fault;
                arena_reset(s->arena);
                TRY(wildchat_parse(s->arena, line, n, s->o.user_key_header, &c, &fault));
                if (fault == ROW_GOOD && s->o.drop_toxic && c.toxic) fault = ROW_TOXIC;
                if (fault == ROW_GOOD && s->o.drop_redacted && c.redacted) fault = ROW_REDACTED;
                snprintf(where, sizeof where, "%s:%zu", instream_name(s->in), instream_line_number(s->in));
                TRY(fn(context, fault == ROW_GOOD ? &c : NULL, fault, where));
            }
        }
        s->in_block += n + 1;
        if (s->in_block >= s->o.block_bytes) {
            s->in_block = 0;
            if (s->block++ == block) {
                s->any = false;
                break;
            }
        }
    }
cleanup:
    return status;
}
