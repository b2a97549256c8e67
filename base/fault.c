/* The text is printed aside first, because the arguments may point into the text it replaces.
 */
#include "base/fault.h"

/* Replace the end of a text that fills its room, at the start of a UTF-8 sequence. */
static void mark_truncation(char text[FAULT_TEXT_MAX])
{
    static const char mark[] = "...";
    size_t at = FAULT_TEXT_MAX - sizeof(mark);

    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    memcpy(text + at, mark, sizeof(mark));
}

enum err fault_set_va(struct fault *fault, enum err err, const char *fmt, va_list args)
{
    char text[FAULT_TEXT_MAX];

    if (!fault)
        return err;
    if (vsnprintf(text, sizeof(text), fmt, args) >= FAULT_TEXT_MAX)
        mark_truncation(text);
    strcpy(fault->text, text);
    return err;
}

enum err fault_set(struct fault *fault, enum err err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fault_set_va(fault, err, fmt, args);
    va_end(args);
    return err;
}

enum err fault_name(struct fault *fault, enum err err)
{
    return err ? fault_set(fault, err, "%s", err_name(err)) : ERR_OK;
}
