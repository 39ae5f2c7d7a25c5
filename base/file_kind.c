/* A format is named only when more of it than its first letters fits: "070707" and "BZh" may begin a text, as may 'q'
 * and a letter of Latin Extended-B, which is the magic number of old cpio archives. */
#include "base/file_kind.h"

#include <string.h>

enum { TAR_BLOCK = 512 };

static bool starts(const void *bytes, size_t n, const char *magic, size_t length) {
    return n >= length && memcmp(bytes, magic, length) == 0;
}
#define STARTS(magic) starts(bytes, n, magic, sizeof(magic) - 1)

/* --- archives --- */

/* The sum of a header's bytes, its own field taken as blanks, stands in it in octal. Some writers summed signed bytes.
 */
static bool is_tar(const unsigned char *s, size_t n) {
    enum { SUM = 148, SUM_BYTES = 8 };
    long wanted = 0, plain = 0, with_sign = 0;
    size_t i = SUM;
    if (n < TAR_BLOCK || s[0] == '\0') return false;
    while (i < SUM + SUM_BYTES && s[i] == ' ') i++;
    if (i == SUM + SUM_BYTES || s[i] < '0' || s[i] > '7') return false;
    for (; i < SUM + SUM_BYTES && s[i] >= '0' && s[i] <= '7'; i++) wanted = wanted * 8 + (s[i] - '0');
    for (i = 0; i < TAR_BLOCK; i++) {
        int byte = i >= SUM && i < SUM + SUM_BYTES ? ' ' : s[i];
        plain += byte;
        with_sign += byte < 128 ? byte : byte - 256;
    }
    return wanted == plain || wanted == with_sign;
}

static bool all_digits(const unsigned char *s, size_t from, size_t to, unsigned base) {
    for (size_t i = from; i < to; i++) {
        bool hex = (s[i] >= 'a' && s[i] <= 'f') || (s[i] >= 'A' && s[i] <= 'F');
        if (!(s[i] >= '0' && s[i] < '0' + (base == 8 ? 8 : 10)) && !(hex && base == 16)) return false;
    }
    return true;
}

/* A whole header, and the NUL that ends the name behind it. */
static bool is_cpio(const unsigned char *s, size_t n) {
    enum { ODC = 76, ODC_NAME = 59, NEWC = 110, NEWC_NAME = 94, BINARY = 26, BINARY_NAME = 20, NAME_MOST = 4096 };
    size_t name = 0, head = 0;
    if (n > ODC && memcmp(s, "070707", 6) == 0 && all_digits(s, 6, ODC, 8)) {
        head = ODC;
        for (size_t i = ODC_NAME; i < ODC_NAME + 6; i++) name = name * 8 + (size_t)(s[i] - '0');
    } else if (n > NEWC && (memcmp(s, "070701", 6) == 0 || memcmp(s, "070702", 6) == 0) && all_digits(s, 6, NEWC, 16)) {
        head = NEWC;
        for (size_t i = NEWC_NAME; i < NEWC_NAME + 8; i++)
            name = name * 16 + (size_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 32) - 'a' + 10);
    } else if (n > BINARY && ((s[0] == 0xC7 && s[1] == 0x71) || (s[0] == 0x71 && s[1] == 0xC7))) {
        bool little = s[0] == 0xC7;
        head = BINARY;
        name = (size_t)s[BINARY_NAME + !little] | (size_t)s[BINARY_NAME + little] << 8;
    }
    if (!head || name < 2 || name > NAME_MOST) return false;
    return head + name > n ? n == FILE_KIND_BYTES && memchr(s + head, '\0', n - head) == NULL
                           : s[head + name - 1] == '\0' && memchr(s + head, '\0', name) == s + head + name - 1;
}

static bool all_zeros(const unsigned char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i]) return false;
    return n > 0;
}

/* --- compressed --- */

/* .lzma has no magic number: its usual properties, a dictionary of 2^n or 3 × 2^(n-1) bytes, a length that is unknown
 * or below 256 GiB, and the range coder's first byte, which is always 0. */
static bool is_lzma(const unsigned char *s, size_t n) {
    enum { HEADER = 13 };
    if (n <= HEADER || s[0] >= 9 * 5 * 5 || s[HEADER] != 0) return false;
    unsigned long dictionary = s[1] | (unsigned long)s[2] << 8 | (unsigned long)s[3] << 16 | (unsigned long)s[4] << 24;
    while (dictionary && dictionary % 2 == 0) dictionary /= 2;
    bool unknown = true, small = true;
    for (size_t i = 5; i < HEADER; i++) {
        unknown &= s[i] == 0xFF;
        small &= i < 10 || s[i] == 0;
    }
    return (dictionary == 1 || dictionary == 3) && (s[3] || s[4] || s[2] >= 0x10) && (unknown || small);
}

static bool is_utf(const unsigned char *s, size_t n, unsigned width) {
    static const char *const marks[] = {"\xFF\xFE", "\xFE\xFF", "\xFF\xFE\0\0", "\0\0\xFE\xFF"};
    enum { LOOK = 32 };
    size_t zeros[4] = {0}, units = (n < LOOK ? n : LOOK) / width;
    const char *const *mark = width == 2 ? marks : marks + 2;
    if (n >= width && (memcmp(s, mark[0], width) == 0 || memcmp(s, mark[1], width) == 0)) return true;
    for (size_t i = 0; i < units * width; i++) zeros[i % width] += s[i] == 0;
    if (units < 2) return false;
    /* Letters of ASCII: all of their bytes but one are 0, in each unit the same ones. */
    bool little = zeros[0] == 0, big = zeros[width - 1] == 0;
    for (size_t i = 1; i < width; i++) {
        little &= zeros[i] == units;
        big &= zeros[i - 1] == units;
    }
    return little || big;
}

file_kind file_kind_of(const void *bytes, size_t n) {
    const unsigned char *s = bytes;
    if (n > FILE_KIND_BYTES) n = FILE_KIND_BYTES;
    if (STARTS("\x1F\x8B")) return KIND_GZIP;
    if (n >= 10 && STARTS("BZh") && s[3] >= '1' && s[3] <= '9' &&
        (memcmp(s + 4, "1AY&SY", 6) == 0 || memcmp(s + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0))
        return KIND_BZIP2;
    if (STARTS("\xFD"
               "7zXZ\0"))
        return KIND_XZ;
    if (STARTS("\x28\xB5\x2F\xFD")) return KIND_ZSTD;
    if (STARTS("\x04\x22\x4D\x18") || STARTS("\x02\x21\x4C\x18")) return KIND_LZ4;
    if (n >= 4 && (s[0] & 0xF0) == 0x50 && memcmp(s + 1, "\x2A\x4D\x18", 3) == 0) return KIND_SKIPPABLE;
    if (is_lzma(s, n)) return KIND_LZMA;
    if (STARTS("PK\3\4") || STARTS("PK\5\6") || STARTS("PK00PK\3\4")) return KIND_ZIP;
    if (STARTS("7z\xBC\xAF\x27\x1C")) return KIND_7ZIP;
    if (STARTS("Rar!\x1A\7")) return KIND_RAR;
    if (is_tar(s, n)) return KIND_TAR;
    if (is_cpio(s, n)) return KIND_CPIO;
    if (n >= 8 && (STARTS("PAR1") || STARTS("PARE"))) return KIND_PARQUET;
    if (STARTS("version https://git-lfs.github.com/spec/") || STARTS("version https://hawser.github.com/spec/"))
        return KIND_LFS_POINTER;
    if (n == TAR_BLOCK && all_zeros(s, n)) return KIND_ZEROS;
    if (is_utf(s, n, 4)) return KIND_UTF32;
    if (is_utf(s, n, 2)) return KIND_UTF16;
    return KIND_OTHER;
}

bool file_kind_is_compressed(file_kind k) { return k >= KIND_GZIP && k <= KIND_SKIPPABLE; }

bool file_kind_is_archive(file_kind k) { return k >= KIND_TAR && k <= KIND_RAR; }

const char *file_kind_name(file_kind k) {
    static const char *const names[] = {
        [KIND_OTHER] = "text",   [KIND_GZIP] = "gzip",      [KIND_BZIP2] = "bzip2",
        [KIND_XZ] = "xz",        [KIND_LZMA] = "lzma",      [KIND_LZ4] = "lz4",
        [KIND_ZSTD] = "zstd",    [KIND_SKIPPABLE] = "zstd", [KIND_TAR] = "tar",
        [KIND_ZEROS] = "zeros",  [KIND_CPIO] = "cpio",      [KIND_ZIP] = "zip",
        [KIND_7ZIP] = "7z",      [KIND_RAR] = "rar",        [KIND_PARQUET] = "Parquet",
        [KIND_UTF16] = "UTF-16", [KIND_UTF32] = "UTF-32",   [KIND_LFS_POINTER] = "Git LFS pointer",
    };
    return names[k];
}

bool looks_like_json(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r')) i++;
    return i + 1 < n && s[i] == '{' && (s[i + 1] == '"' || s[i + 1] == '}' || s[i + 1] == ' ' || s[i + 1] == '\n');
}

wr_status file_kind_refuse(file_kind k, const char *name) {
    switch (k) {
    case KIND_LFS_POINTER:
        return wr_fail(WR_E_FORMAT,
                       "%s is a Git LFS pointer, not the file itself: run `git lfs pull` where it was cloned (git-lfs "
                       "has to be installed), or download the file",
                       name);
    case KIND_UTF16:
    case KIND_UTF32:
        return wr_fail(WR_E_FORMAT, "%s is %s text, and UTF-8 is read: convert it first, `iconv -f %s -t UTF-8`", name,
                       file_kind_name(k), file_kind_name(k));
    case KIND_PARQUET:
        return wr_fail(WR_E_FORMAT,
                       "%s is a Parquet file, which is read as a plain file and by `prepare` alone: unpack it first",
                       name);
    default:
        return WR_OK;
    }
}

wr_status lfs_pointer_refuse(const void *bytes, size_t n, const char *name) {
    return file_kind_of(bytes, n) == KIND_LFS_POINTER ? file_kind_refuse(KIND_LFS_POINTER, name) : WR_OK;
}
