#include <errno.h>
#include <string.h>

#include "launcher.h"

const void *take_bytes(struct fields *fields, size_t length)
{
    if (fields->left < length) {
        errno = EBADMSG;
        give_up("order");
    }
    const void *bytes = fields->next;
    fields->next += length;
    fields->left -= length;
    return bytes;
}

uint32_t take_u32(struct fields *fields)
{
    uint32_t value;
    memcpy(&value, take_bytes(fields, sizeof value), sizeof value);
    return value;
}

uint64_t take_u64(struct fields *fields)
{
    uint64_t value;
    memcpy(&value, take_bytes(fields, sizeof value), sizeof value);
    return value;
}

const char *take_text(struct fields *fields)
{
    uint32_t length = take_u32(fields);
    const char *text = take_bytes(fields, (size_t)length + 1);
    if (memchr(text, 0, (size_t)length + 1) != text + length) {
        errno = EBADMSG;
        give_up("order");
    }
    return text;
}

void take_end(const struct fields *fields)
{
    if (fields->left == 0) return;
    errno = EBADMSG;
    give_up("order");
}
