/* What FOLDER/lock says of who works there, and what follows from it. LOCAL; nothing here takes a lock or writes.
 * base/folder_lock.h has the table of who may take it over; the words of the file and the limits are told here alone. */
#ifndef WR_BASE_FOLDER_HOLDER_H
#define WR_BASE_FOLDER_HOLDER_H

#include <fcntl.h>
#include <stdbool.h>

#define HOLDER_STALE_BEATS 6 /* so many missing: no beat */
enum { HOLDER_TEXT = 640, HOLDER_NAME = 256, HOLDER_MACHINE = 128 };

typedef struct folder_holder {
    char text[HOLDER_TEXT];          /* the file as it stands */
    char who[HOLDER_TEXT];           /* "process 4711 on node7, job 812", fit to be printed */
    char host[HOLDER_NAME], job[64]; /* of that; "": not said */
    char machine[HOLDER_MACHINE];
    long pid;
    double beat, every; /* when (of its clock), and how often; 0: of an earlier build, which had no beats */
    bool named, ended;
} folder_holder;

/* Reads the file at `path`, opened anew: only that is fresh on a network. A file that is not there, or cannot be read,
 * names nobody. */
folder_holder folder_holder_read(const char *path);
/* The text alone; false where the file cannot be read. */
bool folder_holder_text(const char *path, char text[HOLDER_TEXT]);
/* From h->text, the rest. */
void folder_holder_understand(folder_holder *h);

/* What process ids are told apart by: one boot of one host, and the container's view of them. */
void folder_machine_name(char out[HOLDER_MACHINE]);
/* Does the holder belong to this machine? Then it can be told at once whether it lives: not where the kernel has the
 * lock free, or knows no process of that id. */
bool folder_holder_here(const folder_holder *h);
bool folder_holder_dead_here(const folder_holder *h, bool kernel_free);

typedef enum holder_state {
    HOLDER_NONE, /* nobody, or one that ended */
    HOLDER_LIVES,
    HOLDER_DEAD,   /* on this host, and gone */
    HOLDER_SILENT, /* on another host, or before a boot, and its beats are missing as far as clocks can tell */
} holder_state;
/* Who has FOLDER, without asking for it. out: what the file says. */
holder_state folder_holder_find(const char *folder, folder_holder *out);
/* What of the file is locked: a byte far behind the text, which others can read where locks are mandatory. */
struct flock folder_lock_region(void);
/* Seconds since its beat, by two clocks: maybe below 0. */
double folder_holder_beat_age(const folder_holder *h);

#endif
