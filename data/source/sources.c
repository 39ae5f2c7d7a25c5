/* Which files the sources are, what kind each is, and what tells one set of sources from another. */
#include "data/source/sources_internal.h"

#include "base/file.h"
#include "base/hash.h"
#include "data/source/parquet.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFAULT_BLOCK = 8 << 20, SNIFF_BYTES = 4096, DEEPEST_FOLDER = 16 };

/* --- kinds -------------------------------------------------------------------------------------------------------- */

/* Lines of JSON can be entered anywhere: text whose first row is an object. An array cannot, nor can what is
 * compressed. */
static source_kind kind_of(const char *s, size_t n) {
    size_t i = n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    if (n >= 4 && (memcmp(s, "PAR1", 4) == 0 || memcmp(s, "PARE", 4) == 0)) return SOURCE_PARQUET;
    while (i < n && (s[i] == ' ' || (s[i] >= '\t' && s[i] <= '\r'))) i++;
    if (i < n && s[i] == '{') {
        for (i++; i < n && (s[i] == ' ' || (s[i] >= '\t' && s[i] <= '\r'));) i++;
        if (i == n || s[i] == '"' || s[i] == '}') return SOURCE_PLAIN;
    }
    return SOURCE_STREAM; /* an empty file too: the stream knows by its name whether it may be empty */
}

static bool ends_in(const char *name, const char *const *ends) {
    for (size_t i = 0, n = strlen(name); ends[i]; i++) {
        size_t k = strlen(ends[i]);
        if (n >= k && strcasecmp(name + n - k, ends[i]) == 0) return true;
    }
    return false;
}

/* An empty or damaged file, or a pointer to one, is what its name says too, and must not pass for text: its reader says
 * what is wrong. */
static bool is_parquet_name(const char *name) {
    static const char *const ends[] = {".parquet", ".pq", NULL};
    return ends_in(name, ends);
}

static wr_status look(source_file *f) {
    wr_status status = WR_OK;
    struct stat info;
    char bytes[SNIFF_BYTES];
    int fd = -1;
    if (stat(f->path, &info) < 0) return wr_fail(WR_E_IO, "cannot open %s: %s", f->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return wr_fail(WR_E_USAGE,
                       "%s is no regular file, and rows are found by their place in it: save it to a file first",
                       f->path);
    fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return wr_fail(WR_E_IO, "cannot open %s: %s", f->path, strerror(errno));
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    if (n < 0) TRY(wr_fail(WR_E_IO, "cannot read %s: %s", f->path, strerror(errno)));
    f->kind = kind_of(bytes, (size_t)n);
    if (f->kind == SOURCE_STREAM && is_parquet_name(f->path)) f->kind = SOURCE_PARQUET;
    f->size = (uint64_t)info.st_size;
    f->seconds = info.st_mtim.tv_sec;
    f->nanoseconds = info.st_mtim.tv_nsec;
cleanup:
    close(fd);
    return status;
}

/* --- files, folders, patterns ------------------------------------------------------------------------------------- */

static wr_status add_file(sources *s, const char *path) {
    wr_status status = WR_OK;
    source_file f = {0};
    TRY_ALLOC(f.path = mem_strdup(path));
    TRY(look(&f));
    VEC_PUSH(s->files, s->n_files, s->capacity, f);
    f.path = NULL;
cleanup:
    free(f.path);
    return status;
}

/* In a folder only what looks like rows is taken: not what a download has not finished, nor what tools leave beside the
 * data. */
static bool is_chat_file(const char *name, bool csv) {
    static const char *const parts[] = {".json", ".ndjson", ".parquet", ".tar", ".tgz", ".txz", ".zip", ".7z", NULL};
    static const char *const unfinished[] = {".incomplete", ".part",     ".partial",    ".tmp",
                                             ".lock",       ".metadata", ".crdownload", NULL};
    static const char *const beside[] = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", NULL};
    if (name[0] == '.' || ends_in(name, unfinished) || ends_in(name, beside)) return false;
    for (size_t i = 0; parts[i]; i++) {
        if (strcasestr(name, parts[i])) return true;
    }
    return csv && (csv_name(name) || tsv_name(name));
}

static wr_status add_folder(sources *s, const char *dir, unsigned depth) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP];
    size_t n = 0, before = s->n_files;
    if (depth > DEEPEST_FOLDER)
        return wr_fail(WR_E_IO, "%s: folders are nested too deep (does a link lead back?)", dir);
    TRY(dir_list(dir, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        TRY(path_join(path, dir, names[i]));
        if (names[i][0] == '.') continue;
        if (dir_exists(path))
            TRY(add_folder(s, path, depth + 1));
        else if (is_chat_file(names[i], s->o.csv))
            TRY(add_file(s, path));
    }
    if (depth == 0 && s->n_files == before)
        TRY(wr_fail(WR_E_IO, "%s: no .parquet, .jsonl, .json,%s .tar, .zip or .7z file in this folder", dir,
                    s->o.csv ? " .csv," : ""));
cleanup:
    names_free(names, n);
    return status;
}

static wr_status add_path(sources *s, const char *path) {
    wr_status status = WR_OK;
    glob_t found = {0};
    if (strcmp(path, "-") == 0)
        return wr_fail(WR_E_USAGE, "-: standard input cannot be entered in the middle; it must be saved to a file "
                                   "before it is read as a source");
    if (dir_exists(path)) return add_folder(s, path, 0);
    if (file_exists(path)) return add_file(s, path);
    if (glob(path, 0, NULL, &found) != 0) TRY(wr_fail(WR_E_IO, "%s: no such file, folder or pattern", path));
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *match = found.gl_pathv[i];
        TRY(dir_exists(match) ? add_folder(s, match, 0) : add_file(s, match));
    }
cleanup:
    globfree(&found);
    return status;
}

/* --- the handle --------------------------------------------------------------------------------------------------- */

static wr_status take_options(sources *s, const source_options *o) {
    wr_status status = WR_OK;
    s->o = *o;
    if (!s->o.block_bytes) s->o.block_bytes = DEFAULT_BLOCK;
    TRY(field_map_open(o->fields, &s->map));
    if (o->fields) {
        TRY_ALLOC(s->fields = mem_strdup(o->fields));
        s->o.fields = s->fields;
        s->fields_hash = hash64(o->fields, strlen(o->fields), 0);
    }
    if (s->map->memory) { /* the file may change under its name */
        char hex[HASH_HEX];
        TRY(hash_file_hex(o->fields, hex));
        s->fields_hash = hash64(hex, strlen(hex), 1);
    }
cleanup:
    return status;
}

wr_status sources_open(const char *const *paths, size_t n, const source_options *o, sources **out) {
    wr_status status = WR_OK;
    *out = NULL;
    sources *s = mem_calloc(1, sizeof *s);
    if (!s) return WR_E_NOMEM;
    s->open_file = SIZE_MAX;
    TRY_ALLOC(s->memory = arena_create());
    TRY(take_options(s, o));
    for (size_t i = 0; i < n; i++) TRY(add_path(s, paths[i]));
    *out = s;
    s = NULL;
cleanup:
    sources_close(s);
    return status;
}

void source_close_file(sources *s) {
    text_rows_close(s->rows);
    s->rows = NULL;
    parquet_close(s->parquet);
    s->parquet = NULL;
    s->open_file = SIZE_MAX;
}

void sources_close(sources *s) {
    if (!s) return;
    source_close_file(s);
    for (size_t i = 0; i < s->n_files; i++) free(s->files[i].path);
    free(s->files);
    free(s->fields);
    field_map_close(s->map);
    arena_free(s->memory);
    strbuf_free(&s->where);
    free(s);
}

size_t sources_files(const sources *s) { return s->n_files; }

const char *sources_path(const sources *s, size_t file) { return s->files[file].path; }

uint64_t sources_fingerprint(const sources *s) {
    const uint64_t options[] = {s->o.user_key_header, s->o.drop_toxic, s->o.drop_redacted,
                                s->o.block_bytes,     s->fields_hash,  s->n_files};
    uint64_t h = hash64(options, sizeof options, 0);
    for (size_t i = 0; i < s->n_files; i++) {
        const source_file *f = &s->files[i];
        const uint64_t numbers[] = {f->size, (uint64_t)f->seconds, (uint64_t)f->nanoseconds};
        h = hash64(f->path, strlen(f->path) + 1, h);
        h = hash64(numbers, sizeof numbers, h);
    }
    return h;
}
