/* The format is a contract with programs that read the JSON. */
#include "resolver/explain/to_json.h"

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/rrtype.h"

void to_json_name(struct json *to, const char *key, const uint8_t *name)
{
    char text[DNAME_TEXT_MAX];
    dname_text_print(name, text);
    json_put_text(to, key, text);
}

void to_json_type(struct json *to, const char *key, uint16_t type)
{
    char text[RRTYPE_NAME_MAX];
    rrtype_print(type, text);
    json_put_text(to, key, text);
}

void to_json_addr(struct json *to, const char *key, const struct addr *addr)
{
    char text[ADDR_TEXT_MAX];
    addr_print(addr, text);
    json_put_text(to, key, text);
}

void to_json_time(struct json *to, const char *key, int64_t ms)
{
    char text[NOW_TEXT_MAX];
    now_print(ms, text);
    json_put_text(to, key, text);
}

const char *to_json_section(unsigned section)
{
    static const char *const names[] = {"question", "answer", "authority", "additional"};
    return names[section & 3];
}
