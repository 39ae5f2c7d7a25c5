/* A folder of a test program's own: made by folder_set_up, gone after folder_tear_down (a cmocka group's). */
#ifndef WR_TESTS_SUPPORT_TEMP_FOLDER_H
#define WR_TESTS_SUPPORT_TEMP_FOLDER_H

#include <stddef.h>

int folder_set_up(void **state);
int folder_tear_down(void **state);
const char *test_folder(void);
/* The path of a name in it; valid until the next call. */
const char *in_folder(const char *name);
/* Writes a file there. */
void put_file(const char *name, const void *bytes, size_t n);

#endif
