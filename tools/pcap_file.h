/* tools/pcap_file.h | the classic pcap format, which every tool reads
 *
 * Thread:   one at a time per file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

/* What a record begins with. */
enum pcap_file_link { PCAP_FILE_ETHERNET = 1, PCAP_FILE_RAW_IP = 101 };

/* Write the head of a file.  False: errno. */
MUST_USE bool pcap_file_begin(FILE *out, enum pcap_file_link link);

/* Write a packet of wall time `at_us`, in microseconds.  False: errno. */
MUST_USE bool pcap_file_add(FILE *out, int64_t at_us, const uint8_t *octets, size_t len);
