/* Payloads are sequences of fields: u8 tag, u24 length, value (docs/protocol.md). */
#include <string.h>

#include "agent.h"

struct fields fields_of(uint8_t *payload, size_t length)
{
    return (struct fields){.next = payload, .end = payload + length};
}

bool next_field(struct fields *fields, struct field *field)
{
    size_t left = (size_t)(fields->end - fields->next);
    if (left == 0 || fields->malformed) return false;
    if (left < 4) {
        fields->malformed = true;
        return false;
    }
    field->tag = fields->next[0];
    field->length = (size_t)fields->next[1] << 16 | (size_t)fields->next[2] << 8 | fields->next[3];
    field->value = fields->next + 4;
    if (field->length > left - 4) {
        fields->malformed = true;
        return false;
    }
    fields->next += 4 + field->length;
    return true;
}

uint64_t take_int(struct fields *fields, const struct field *field, uint64_t most)
{
    uint64_t value = 0;
    if (field->length == 0 || field->length > 8) fields->malformed = true;
    else
        for (size_t i = 0; i < field->length; i++) value = value << 8 | field->value[i];
    if (value <= most) return value;
    fields->malformed = true;
    return 0;
}

char *take_text(struct fields *fields, const struct field *field)
{
    /* One byte to the left, over the last of the header, which has been read: that makes room for the NUL. */
    char *text = (char *)field->value - 1;
    if (memchr(field->value, '\0', field->length) != NULL) fields->malformed = true;
    memmove(text, field->value, field->length);
    text[field->length] = '\0';
    return text;
}

/* What does not fit is left out: answers are short but for notes, of which the first thousands are enough. */
void put_field(struct builder *builder, int tag, const void *value, size_t length)
{
    if (4 + length > sizeof builder->bytes - builder->length) return;
    uint8_t *next = builder->bytes + builder->length;
    next[0] = (uint8_t)tag;
    next[1] = (uint8_t)(length >> 16);
    next[2] = (uint8_t)(length >> 8);
    next[3] = (uint8_t)length;
    if (length > 0) memcpy(next + 4, value, length);
    builder->length += 4 + length;
}

void put_int(struct builder *builder, int tag, uint64_t value)
{
    uint8_t bytes[8];
    put64(bytes, value);
    size_t zeros = 0;
    while (zeros < 7 && bytes[zeros] == 0) zeros++;
    put_field(builder, tag, bytes + zeros, 8 - zeros);
}

void put_text(struct builder *builder, int tag, const char *text)
{
    put_field(builder, tag, text, strlen(text));
}
