#include "tools/lab/defence.h"

#include <string.h>

const struct defence_row defence_rows[DEFENCE_CNT] = {
#define DEFENCE(symbol, name, section, off, what) {name, DEFENCE_##section, off, what},
#include "tools/lab/defence.def"
#undef DEFENCE
};

const struct defence_era defence_eras[] = {
    {"1995",
     "random-port,random-id,0x20,cookies,bailiwick,sections,question,source,wrong-reply-tcp,"
     "merging,dnssec,qname-minimisation,aggressive-nsec,private-addresses",
     "One port for all queries, IDs that count up, and every record of a reply is believed."},
    {"2008",
     "random-port,0x20,cookies,wrong-reply-tcp,merging,dnssec,qname-minimisation,"
     "aggressive-nsec,private-addresses,udp-size",
     "IDs are random and records out of bailiwick are ignored, but all queries leave from one "
     "port: the year of Kaminsky's attack."},
    {"2016", "0x20,cookies,wrong-reply-tcp,qname-minimisation,aggressive-nsec,udp-size",
     "Ports are random, and signatures are validated where a zone has them."},
    {"today", "", "Every defence is on."},
};
const size_t defence_era_cnt = ARRAY_LEN(defence_eras);

bool defence_switch_off(struct defence_set *set, const char *list, char bad[64])
{
    while (*list) {
        const size_t len = strcspn(list, ",");
        bool is_known = false;
        for (size_t i = 0; i < DEFENCE_CNT; i++)
            if ((len == 3 && memcmp(list, "all", len) == 0) ||
                (strlen(defence_rows[i].name) == len &&
                 memcmp(defence_rows[i].name, list, len) == 0))
                is_known = set->is_off[i] = true;
        if (!is_known) {
            snprintf(bad, 64, "%.*s", (int)util_min(len, 60), list);
            return false;
        }
        list += len + (list[len] == ',');
    }
    return true;
}

void defence_print_keys(const struct defence_set *set, enum defence_section section, FILE *out)
{
    for (size_t i = 0; i < DEFENCE_CNT; i++)
        if (set->is_off[i] && defence_rows[i].section == section)
            fprintf(out, "%s, ", defence_rows[i].off);
}

void defence_print_names(const struct defence_set *set, char *out, size_t size)
{
    size_t len = 0;

    snprintf(out, size, "none");
    for (size_t i = 0; i < DEFENCE_CNT && len < size; i++)
        if (set->is_off[i])
            len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "",
                                    defence_rows[i].name);
}
