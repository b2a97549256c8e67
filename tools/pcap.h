/* tools/pcap.h | writer of an explanation's packets for Wireshark
 *
 * Each message gets IP and UDP or TCP headers.  The local address and port of a query over TCP
 * are not recorded: 127.0.0.1 or ::1 and port 49152 stand for them.
 *
 * Thread:   the only one.
 */
#pragma once

#include <stdio.h>

#include "base/json.h"

/* Write the packets of an explanation to the file `path`, and remove it if that fails half way;
 * a device, pipe or link is not removed.  ERR_IO: errno has the reason; ERR_FORMAT: the
 * explanation has a malformed packet; ERR_NOMEM. */
MUST_USE enum err pcap_write(const char *path, const struct json *tree);
