/* net/transport/http.h | what HTTP of either version asks and answers, as far as DNS over HTTPS
 * needs it (RFC 8484)
 *
 * Owner:    values; texts are borrowed from whoever parsed them, for the call.
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEADER_MAX = 8192, /* octets of all fields of a request: docs/LIMITS.md section 4 */
    HTTP_BODY_MAX = 65535,  /* more no DNS message has */
};

enum http_method { HTTP_GET, HTTP_POST, HTTP_HEAD, HTTP_OPTIONS, HTTP_OTHER };

/* What becomes of a request.  A value. */
struct http_verdict {
    unsigned status; /* 200: it is served */
    const char
        *why; /* static: what is wrong with it, for its author; NULL: the status says enough */
};

/* Not ended by a NUL. */
struct http_text {
    const char *at;
    size_t len;
};

/* The fields that count.  A field that is not there has length 0. */
struct http_request {
    enum http_method method;
    struct http_text target; /* path and query */
    struct http_text type;   /* Content-Type */
    struct http_text forwarded, x_forwarded_for;
    struct http_text body;
    bool wants_close;    /* HTTP/1 only */
    bool wants_continue; /* HTTP/1 only: it waits for a word before it sends the body */
};

/* An answer; without a body its text is `why`, else the words for the status. */
struct http_answer {
    unsigned status;
    const char *why;       /* static, at most HTTP_WHY_MAX octets; NULL: none */
    struct http_text body; /* application/dns-message when the status is 200 */
    uint32_t max_age_s;
    const char *date; /* RFC 9110 6.6.1; NULL: none */
};

enum { HTTP_DATE_MAX = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Fields of every answer, and of those to OPTIONS.  Scripts in browsers may ask from any page,
 * as they may ask other public DoH servers: who may ask is decided by address (`allow`), never
 * by cookies or passwords that a page could use in its visitor's name. */
#define HTTP_ALLOWED_METHODS "GET, POST, OPTIONS"
#define HTTP_CORS_METHODS "GET, POST"
#define HTTP_CORS_HEADERS "Content-Type"
#define HTTP_CORS_MAX_AGE "86400"

enum { HTTP_WHY_MAX = 120 };

/* Without the blanks around it (OWS, RFC 9110 5.6.3). */
static inline struct http_text http_trim(struct http_text text)
{
    while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text.at++, text.len--;
    while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* The words for a status that we send (RFC 9110 15). */
static inline const char *http_reason(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
    }
}

/* The text of an answer that is no DNS message. */
static inline const char *http_answer_text(const struct http_answer *answer)
{
    return answer->why ? answer->why : http_reason(answer->status);
}
