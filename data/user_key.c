#include "data/user_key.h"

#include "base/hash.h"

void user_key(strbuf *out, const char *id, const char *ip, size_t n, const strbuf *header) {
    if (n)
        strbuf_append(out, ip, n);
    else
        strbuf_printf(out, "conversation:%s", id);
    if (header) strbuf_printf(out, "+%016llx", (unsigned long long)hash64(header->data, header->len, 0));
}
