/* layer 24 | net/out_net.h | questions to servers over UDP and TCP
 *
 * UDP: a socket of the pool for each question, connected anew each time, so that the kernel draws another port.  TCP: one
 * connection to a server at a time, kept for a while, with many questions on it.
 *
 * Owner:    the worker.
 * Thread:   the worker.
 */
#pragma once

#include <uv.h>

#include "net/out.h"

/* Source addresses to ask from; without one of a family the system chooses. */
struct out_net_sources {
    const struct addr *at;
    size_t cnt;
};

/* Make it on `loop`; its settle and data are the caller's to set.  ERR_NOMEM, ERR_IO. */
MUST_USE enum err out_net_new(uv_loop_t *loop, const struct out_net_sources *sources,
                              struct out **out);

/* From how many ports the system lets questions leave (net.ipv4.ip_local_port_range); 0 when it does not say. */
unsigned out_net_port_cnt(void);

/* Forget all questions and close; memory goes when the loop has closed the handles.  Clears the pointer; NULL inside
 * is fine. */
void out_net_close(struct out **out);
