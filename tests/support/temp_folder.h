/* A folder of a test program's own: made by folder_set_up, gone after folder_tear_down (a cmocka group's, or called
 * from one's own), and the files in it. LOCAL. */
#ifndef WR_TESTS_SUPPORT_TEMP_FOLDER_H
#define WR_TESTS_SUPPORT_TEMP_FOLDER_H

#include "mpi/world.h"
#include "tests/support/asserts.h"

int folder_set_up(void **state);
int folder_tear_down(void **state);
/* In memory where the machine has a file system there: for tests that write and sync hundreds of files. */
int folder_set_up_in_memory(void **state);
/* One folder for all ranks, made and removed by rank 0. COLLECTIVE. */
void folder_set_up_shared(world *w);
void folder_tear_down_shared(world *w);
/* Anew without anything in it. */
void folder_empty(void);
const char *test_folder(void);
/* The path of a name in it, which may have slashes; valid until the sixteenth call after. */
const char *in_folder(const char *name);
/* Writes a file there, over what had that name. */
void put_file(const char *name, const void *bytes, size_t n);
void put_text(const char *name, const char *text);
/* A text with the first `from` in it, which must be there, replaced by `to`. */
void put_changed(const char *name, const char *text, const char *from, const char *to);
/* All of a file there, with a NUL behind; free with free(). n may be NULL. */
char *get_file(const char *name, size_t *n);

#endif
