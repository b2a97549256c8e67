/* tools/lab/capture.h | the packets of a host, as a pcap file or as text
 *
 * Thread:   the only one.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/util.h"

enum { CAPTURE_FRAME_MAX = 65536 };

/* Open a socket that receives a copy of each packet of eth0, in the caller's network namespace.
 * The caller closes it.  -1: errno. */
int capture_open(void);

/* Read a packet, and wait for it at most `wait_ms`.  Return its length with the Ethernet
 * header; 0: none came; -1: errno. */
MUST_USE ssize_t capture_read(int fd, uint8_t frame[CAPTURE_FRAME_MAX], int wait_ms);

/* Write what arrives at `fd`, which capture_open opened, to `file`, or print it if `file` is
 * NULL, until SIGINT or SIGTERM, or until `packets` have come (below 0: no limit).  False: an
 * error, which is reported. */
MUST_USE bool capture_run(int fd, FILE *file, long long packets);
