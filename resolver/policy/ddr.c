/* The records are few and made once, so they are written as text for the parser of zone files.
 */
#include "resolver/policy/ddr.h"

#include "dns/rrline.h"

enum { TTL = 300, TEXT_MAX = 2048, HINTS_MAX = TLS_SERVER_ADDRS_MAX * INET6_ADDRSTRLEN };

/* What the record of a kind of listener says; clients prefer the lower priority. */
static const struct kind {
    unsigned priority;
    const char *alpn;
    bool has_path;
} https = {1, "h2", true}, tls = {2, "dot", false};

/* Print the addresses of one family that a client can verify: the listener's own if the
 * certificate contains it, or for a wildcard listener all of the certificate's.  Return the
 * length of the text. */
static size_t print_hints(const struct addr *listener, const struct tls_server_certificate *c,
                          bool is_v6, char out[HINTS_MAX])
{
    size_t len = 0;

    out[0] = 0;
    for (size_t i = 0; i < c->addr_cnt && addr_is_v6(listener) == is_v6; i++) {
        char text[ADDR_TEXT_MAX];
        struct addr bare = *listener;
        addr_set_port(&bare, 0);
        if (addr_is_v6(&c->addrs[i]) != is_v6 ||
            !(addr_is_wildcard(listener) || addr_is_equal(&bare, &c->addrs[i])))
            continue;
        addr_print_host(&c->addrs[i], text);
        len += (size_t)snprintf(out + len, HINTS_MAX - len, "%s%s", len > 0 ? "," : "", text);
    }
    return len;
}

static enum err add_svcb(struct local *local, const struct server_conf *conf,
                         const struct addr *listener, const struct kind *kind, struct rrline *r,
                         struct arena *arena)
{
    static const uint8_t root[] = {0};
    char text[TEXT_MAX], v4[HINTS_MAX], v6[HINTS_MAX];
    const struct tls_server_certificate *c = &conf->certificate;
    size_t v4_len = print_hints(listener, c, false, v4),
           v6_len = print_hints(listener, c, true, v6);

    if (v4_len + v6_len == 0)
        return ERR_OK;
    snprintf(text, sizeof(text),
             "_dns.resolver.arpa. %d IN SVCB %u %s. alpn=%s port=%u%s%s%s%s%s%s%s", TTL,
             kind->priority, c->name, kind->alpn, addr_port(listener),
             v4_len ? " ipv4hint=" : "", v4, v6_len ? " ipv6hint=" : "", v6,
             kind->has_path ? " dohpath=" : "", kind->has_path ? conf->https_path : "",
             kind->has_path ? "{?dns}" : "");
    enum err err = rrline_read(text, strlen(text), root, TTL, r);
    if (err)
        return err == ERR_NOMEM ? err
                                : ERR_OK; /* the certificate's name is not a domain name */
    struct local_record record = {r->owner, r->rdata, r->type, (uint16_t)r->rdata_len, r->ttl};
    err = local_add(local, &record, arena, NULL);
    return err == ERR_NOMEM ? err : ERR_OK;
}

enum err ddr_add(struct local *local, const struct server_conf *conf, struct arena *arena)
{
    struct rrline *r = malloc(sizeof(*r));
    enum err err = r ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0;
         i < conf->listen[EXCHANGE_STACK_HTTPS].cnt && *conf->certificate.name && !err; i++)
        err =
            add_svcb(local, conf, &conf->listen[EXCHANGE_STACK_HTTPS].at[i], &https, r, arena);
    for (size_t i = 0;
         i < conf->listen[EXCHANGE_STACK_TLS].cnt && *conf->certificate.name && !err; i++)
        err = add_svcb(local, conf, &conf->listen[EXCHANGE_STACK_TLS].at[i], &tls, r, arena);
    free(r);
    return err;
}
