/* tools/pcap.h | packets of an explanation as a file for Wireshark
 *
 * Each message in an IP and a UDP or TCP header made for it; where a question over TCP left
 * from was not noted, and 127.0.0.1 or ::1 and port 49152 stand for it.
 *
 * Thread:   the only one.
 */
#pragma once

#include <stdio.h>

#include "base/json.h"

/* Write the packets of a story to `path`.  ERR_IO: errno tells why; ERR_FORMAT: there are none
 * that can be read. */
MUST_USE enum err pcap_write(const char *path, const struct json *tree);
