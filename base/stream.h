/* Compressed text streams. Input: text, plain or in gzip, zstd, xz, bzip2, lzma, lz4 (nested too), and archives (tar,
 * zip, 7z …) whose members are read one after another; told by content. The end is WR_END only when all checksums and
 * end marks have been compared; what is no text (a Git LFS pointer, UTF-16, a Parquet file) is refused by name. Output:
 * plain, or zstd when the name ends in .zst; written under a temporary name in the same folder, fsynced and renamed by
 * outstream_commit(), so a half-written file never has its final name. "-" is stdin / stdout. LOCAL; a stream belongs
 * to one thread. */
#ifndef WR_BASE_STREAM_H
#define WR_BASE_STREAM_H

#include "base/status.h"
#include "base/strbuf.h"
#include <stddef.h>
#include <stdint.h>

typedef struct instream instream;
wr_status instream_open(const char *path, instream **out);
void instream_close(instream *s); /* NULL is fine */
/* Next line without its \n (and \r\n), across members. *line is valid until the next call. WR_END at the end.
 * Errors: WR_E_FORMAT (truncated or corrupt; message names file and member), WR_E_IO. */
wr_status instream_line(instream *s, const char **line, size_t *length);
/* 1-based number of the line last returned within its member, and where it came from ("chats.tar: part1.jsonl"). */
size_t instream_line_number(const instream *s);
const char *instream_name(const instream *s);
/* The same as bytes, for what is not lines; not to be mixed with instream_line on one stream. instream_member goes to
 * the next member (a file that is no archive has one), WR_END behind the last; instream_read gives 1 to `room` decoded
 * bytes of it, WR_END at its end. */
wr_status instream_member(instream *s);
wr_status instream_read(instream *s, void *to, size_t room, size_t *n);
/* Compressed bytes consumed and total size of the file (0 if unknown), for progress. */
void instream_position(const instream *s, uint64_t *done, uint64_t *total);

typedef struct outstream outstream;
wr_status outstream_create(const char *path, outstream **out);
wr_status outstream_write(outstream *s, const void *bytes, size_t n);
wr_status outstream_line(outstream *s, const strbuf *line); /* line + '\n' */
wr_status outstream_flush(outstream *s);   /* what was written so far reaches the file (plain and stdout) */
wr_status outstream_commit(outstream **s); /* finish, fsync, rename to the final name, free; *s = NULL */
void outstream_discard(outstream *s);      /* remove the temporary file, free; NULL is fine */
/* A whole file of one line. */
wr_status outstream_write_line(const char *path, const strbuf *line);
/* Appends one whole zstd frame of n bytes to out, with a checksum. Frames behind one another are a .zst file, and no
 * frame at all is none. */
wr_status zstd_frame_append(strbuf *out, const void *bytes, size_t n, int level);

#endif
