#ifndef WR_DATA_CONVERSATION_PACK_H
#define WR_DATA_CONVERSATION_PACK_H
#include "data/wildchat.h"
void conversation_pack(const conversation *c, strbuf *out);
wr_status conversation_unpack(arena *a, const void *bytes, size_t n, conversation *out);
#endif
