/* A conversation, checked and reduced to what the pipeline needs, whatever row it came from (data/source/fields.h reads
 * them); and the same in the binary form that later phases read. What a conversation points to lives in the arena or in
 * the bytes it was read from. LOCAL. */
#ifndef WR_DATA_SOURCE_CONVERSATION_H
#define WR_DATA_SOURCE_CONVERSATION_H

#include "base/json.h"
#include "text/chat/chat_template.h"

enum { ROW_MESSAGE_LIMIT = 1 << 20, ROW_MESSAGES_LIMIT = 2000 }; /* bytes of a message; messages of a conversation */

/* Why a row was skipped. */
typedef enum row_fault {
    ROW_GOOD,
    ROW_UTF8,
    ROW_JSON,
    ROW_OBJECT,
    ROW_FIELD,
    ROW_NAN,   /* NaN or Infinity in a member that is read */
    ROW_PARTS, /* a content with parts that are no text */
    ROW_LONG,
    ROW_MANY,
    ROW_EMPTY,
    ROW_DUPLICATE,
    ROW_FORK, /* the beginning of another conversation */
    ROW_TOXIC,
    ROW_REDACTED,
    ROW_EXCLUDED,
    ROW_HUGE, /* longer than any row that is read */
    ROW_CSV,  /* of CSV: what makes no row under its header */
    ROW_FAULTS
} row_fault;
const char *row_fault_name(row_fault f);
/* The row could not be used; a duplicate, or one that an option leaves out, is not bad. */
bool row_fault_bad(row_fault f);

typedef struct conversation conversation;
/* ", field messages[2].content" behind a place, for a row that is ROW_FIELD. */
void conversation_name_wrong(const conversation *c, strbuf *where);

struct conversation {
    const char *id; /* conversation_hash */
    const char *user, *language, *model;
    const char *timestamp; /* as the source has it, RFC 3339 where that is a number or Parquet; "" = unknown */
    bool toxic, redacted;
    chat_message *messages; /* (n) */
    int64_t *turns;         /* (n) turn identifiers */
    size_t n;
    /* of a row that is ROW_FIELD: the field, or NULL; where it is a message's, the list and which one */
    const char *wrong, *wrong_list;
    size_t wrong_at;
    const json_value *row; /* what a chat template sees beside the messages (chat_read_variables), or NULL */
};

/* The user of a conversation: ip (of ip_length bytes; 0: unknown, then every conversation is a user of its own), and 16
 * hex digits of the header where one is given: the text of its JSON object without white space, members in source order
 * and with null where they are, as json_writer writes it (header NULL: without). NUL-terminated in the arena. */
wr_status conversation_user(arena *a, const char *ip, size_t ip_length, const char *header, size_t header_length,
                            const char *id, const char **user);

/* The binary form: appends one record, whose length the caller keeps. Reading copies no text: strings are
 * NUL-terminated where they stand in `bytes`, which must outlive the conversation. Damaged bytes are WR_E_FORMAT. */
void conversation_pack(const conversation *c, strbuf *out);
wr_status conversation_unpack(arena *a, const void *bytes, size_t n, conversation *out);

/* A follow-up: messages[at] is a user's and messages[at - 1] an assistant's. Next one at or behind `from`; false at the
 * end. */
bool conversation_followup(const conversation *c, size_t from, size_t *at);
/* The query of that turn is messages[at - 2] when there is one and a user wrote it. */
bool conversation_query(const conversation *c, size_t at, const chat_message **query);

#endif
