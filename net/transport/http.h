/* net/transport/http.h | HTTP requests and answers, as far as DNS over HTTPS needs them
 *
 * They are the same for HTTP/1.1 and HTTP/2 (RFC 8484).
 *
 * Owner:    values; texts point into the parser's input, for the call.
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEADER_MAX = 8192, /* octets of all fields of a request (docs/LIMITS.md section 4) */
    HTTP_BODY_MAX = 65535,  /* octets; no DNS message is longer */
};

enum http_method { HTTP_GET, HTTP_POST, HTTP_HEAD, HTTP_OPTIONS, HTTP_OTHER };

/* The outcome of reading a request. */
struct http_verdict {
    unsigned status; /* 200: serve it */
    /* Static: what is wrong with the request, for its author.  NULL: the status says enough. */
    const char *why;
};

/* Text without a NUL at its end. */
struct http_text {
    const char *at;
    size_t len;
};

/* The parts of a request that matter.  An absent field has length 0. */
struct http_request {
    enum http_method method;
    struct http_text target; /* path and query (RFC 9112 3.2.1) */
    struct http_text type;   /* Content-Type */
    struct http_text forwarded, x_forwarded_for;
    struct http_text body;
    bool wants_close;    /* HTTP/1 only */
    bool wants_continue; /* HTTP/1 only: its body follows a 100 (Continue) */
};

/* An answer.  Unless the status is 200, its text is `why` or the reason phrase. */
struct http_answer {
    unsigned status;
    const char *why;       /* static, at most HTTP_WHY_MAX octets, or NULL */
    struct http_text body; /* application/dns-message, if the status is 200 */
    uint32_t max_age_s;
    const char *date; /* of the field Date (RFC 9110 6.6.1), or NULL */
};

enum { HTTP_DATE_MAX = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Fields of answers.  Scripts of any web page may ask, as they may ask other public DoH
 * servers: clients are allowed by address (`allow`), never by cookies or passwords that a page
 * could use in its visitor's name. */
#define HTTP_ALLOWED_METHODS "GET, POST, OPTIONS"
#define HTTP_CORS_METHODS "GET, POST"
#define HTTP_CORS_HEADERS "Content-Type"
#define HTTP_CORS_MAX_AGE "86400"

enum { HTTP_WHY_MAX = 120 };

/* Return the text without the whitespace around it (OWS, RFC 9110 5.6.3). */
static inline struct http_text http_trim(struct http_text text)
{
    while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text.at++, text.len--;
    while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Return the reason phrase of a status that we send (RFC 9110 15). */
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

/* Return the text of an answer that is no DNS message. */
static inline const char *http_answer_text(const struct http_answer *answer)
{
    return answer->why ? answer->why : http_reason(answer->status);
}
