/* IP_LOCAL_PORT_RANGE can only narrow the system's range; it is silently ignored where it would
 * widen it.  So ports outside that range are bound one by one, and of a range with excepted
 * ports the kernel draws only from the largest part without one. */
#include "net/upstream/ports.h"

#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IP_LOCAL_PORT_RANGE_OPTION = 51, DEFAULT_FIRST = 32768, DEFAULT_LAST = 60999 };

/* UDP services that may start after this process: a query must not occupy their port just then.
 * Inside the kernel's range any program may get these ports; there the administrator reserves
 * them. */
static const uint16_t services[] = {1194, 1701, 1812, 1813, 2049, 3478, 4500,
                                    4789, 5060, 5353, 5355, 6081, 8472, 11211};

/* Lifetime: the call. */
struct port_set {
    bool has[UINT16_MAX + 1];
};

static void set_port_range(struct port_set *set, unsigned first, unsigned last, bool value)
{
    for (unsigned port = first; port <= last && port <= UINT16_MAX; port++)
        set->has[port] = value;
}

/* The file reads like "8080,9000-9010". */
static void remove_reserved_ports(struct port_set *set)
{
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
    unsigned first, last;

    if (!f)
        return;
    while (fscanf(f, "%u", &first) == 1) {
        int next = fgetc(f);
        last = first;
        if (next == '-' && fscanf(f, "%u", &last) == 1)
            next = fgetc(f);
        set_port_range(set, first, last, false);
        if (next != ',')
            break;
    }
    fclose(f);
}

static void read_kernel_port_range(unsigned *first, unsigned *last)
{
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

    if (!f || fscanf(f, "%u %u", first, last) != 2 || *first > *last || *last > UINT16_MAX) {
        *first = DEFAULT_FIRST;
        *last = DEFAULT_LAST;
    }
    if (f)
        fclose(f);
}

/* Find the largest part of the kernel's range in which every port is allowed. */
static void find_kernel_ports(const struct port_set *set, struct ports *ports)
{
    unsigned first, last, begin = 0, cnt = 0;

    read_kernel_port_range(&first, &last);
    for (unsigned port = first; port <= last; port++) {
        cnt = set->has[port] ? cnt + 1 : 0;
        if (cnt == 1)
            begin = port;
        if (cnt > ports->kernel_cnt) {
            ports->kernel_cnt = cnt;
            ports->kernel_first = (uint16_t)begin;
            ports->kernel_last = (uint16_t)port;
        }
    }
    ports->is_narrowed = ports->kernel_cnt > 0 && ports->kernel_cnt < last - first + 1;
}

/* True if the kernel supports IP_LOCAL_PORT_RANGE. */
static bool can_narrow_ports(const struct ports *ports)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool works = fd >= 0 && ports_narrow(ports, fd);
    if (fd >= 0)
        close(fd);
    return works;
}

enum err ports_new(const struct ports_terms *terms, struct ports **out)
{
    struct port_set *set = calloc(1, sizeof(*set));
    struct ports *ports = calloc(1, sizeof(*ports));

    if (!set || !ports) {
        free(set);
        free(ports);
        return ERR_NOMEM;
    }
    if (terms->allowed_cnt == 0)
        set_port_range(set, PORTS_FIRST, PORTS_LAST, true);
    for (size_t i = 0; i < terms->allowed_cnt; i++)
        set_port_range(set, terms->allowed[i].first, terms->allowed[i].last, true);
    for (size_t i = 0; i < terms->except_cnt; i++)
        set_port_range(set, terms->except[i].first, terms->except[i].last, false);
    /* before `services` and reserved ports are removed: the kernel avoids its reserved ports
     * itself */
    find_kernel_ports(set, ports);
    if (ports->is_narrowed && !can_narrow_ports(ports))
        ports->kernel_cnt = 0;
    if (ports->kernel_cnt > 0)
        set_port_range(set, ports->kernel_first, ports->kernel_last, false);
    for (size_t i = 0; i < ARRAY_LEN(services) && terms->allowed_cnt == 0; i++)
        set->has[services[i]] = false;
    remove_reserved_ports(set);
    for (unsigned port = 1; port <= UINT16_MAX; port++)
        if (set->has[port])
            ports->bound[ports->bound_cnt++] = (uint16_t)port;
    free(set);
    if (ports_cnt(ports) == 0) {
        free(ports);
        return ERR_CONFIG;
    }
    *out = ports;
    return ERR_OK;
}

void ports_free(struct ports **ports)
{
    free(*ports);
    *ports = NULL;
}

uint32_t ports_cnt(const struct ports *ports) { return ports->kernel_cnt + ports->bound_cnt; }

unsigned ports_decibits(const struct ports *ports)
{
    return (unsigned)(10 * log2(ports_cnt(ports)));
}

bool ports_narrow(const struct ports *ports, int fd)
{
    uint32_t range = (uint32_t)ports->kernel_last << 16 | ports->kernel_first;
    return setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE_OPTION, &range, sizeof(range)) == 0;
}
