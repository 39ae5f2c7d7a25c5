/* A buffer that grows to need and never shrinks; contents are lost when it grows. Large ones ask for huge pages, and
 * their pages are touched by the threads that will work on them (NUMA first touch under a static schedule). Internal to
 * model/. LOCAL. */
#ifndef WR_MODEL_BUFFER_H
#define WR_MODEL_BUFFER_H

#include "base/status.h"
#include <stddef.h>

typedef struct buffer {
    void *data;
    size_t bytes;
} buffer;

wr_status buffer_need(buffer *b, size_t bytes);
void buffer_free(buffer *b);
/* bytes zeroed, placed as above; free with free(). NULL: out of memory (wr_error() says so). */
void *buffer_pages(size_t bytes);
size_t buffer_room(size_t bytes); /* what such a buffer takes: whole pages */

#endif
