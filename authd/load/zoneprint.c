/* One buffer serves all records: the text of a record may have a megabyte. */
#include "authd/load/zoneprint.h"

#include "dns/dname_text.h"
#include "dns/rdata_text.h"

static enum err print_zone_record(FILE *out, const struct zonebuild_record *r, char *room)
{
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];

    must(rdata_text_print_whole(r->type, r->rdata, r->len, room, RDATA_TEXT_WHOLE) > 0);
    dname_text_print(r->owner->name, owner);
    rrtype_print(r->type, type);
    return fprintf(out, "%s %u IN %s %s\n", owner, r->ttl, type, room) > 0 ? ERR_OK : ERR_IO;
}

enum err zoneprint(const struct zonebuild *build, FILE *out)
{
    size_t apex = zonebuild_find_owner(build, build->origin);
    size_t soa = zonebuild_find_type(build, apex, RRTYPE_SOA);
    char *room = malloc(RDATA_TEXT_WHOLE);
    enum err err = room ? ERR_OK : ERR_NOMEM;

    if (!err && soa < build->cnt)
        err = print_zone_record(out, &build->records[soa], room);
    for (size_t i = 0; i < build->cnt && !err; i++)
        if (i != soa)
            err = print_zone_record(out, &build->records[i], room);
    free(room);
    return err;
}
