/* The whole head is looked for first, so that there is one place that waits; a head is at most HTTP_HEADER_MAX octets, so that looking
 * again at each piece costs little. */
#define _GNU_SOURCE
#include "net/http1.h"

enum { LINE_MIN = 4, ANSWER_HEAD_MAX = 320 };

/* Lifetime: the call. */
struct head {
    const char *at, *end; /* end: behind the last field's CRLF */
    struct http_request *out;
    size_t body_len;
    bool has_length, has_host, is_http10, keeps;
    unsigned status; /* 0: nothing is wrong */
};

/* RFC 9110 5.6.2 */
static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || util_is_digit(c) ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_word(const struct http_text *text, const char *word)
{
    return text->len == strlen(word) &&
           util_is_same((const uint8_t *)text->at, (const uint8_t *)word, text->len);
}

static void fail(struct head *h, unsigned status)
{
    if (!h->status)
        h->status = status;
}

/* What stands before the next `stop` of this line, which is skipped; of length 0 and wrong when there is none. */
static struct http_text take_until(struct head *h, const char *line_end, char stop)
{
    const char *found = memchr(h->at, stop, (size_t)(line_end - h->at));
    struct http_text text = {.at = h->at};

    if (!found) {
        fail(h, 400);
        return text;
    }
    text.len = (size_t)(found - h->at);
    h->at = found + 1;
    return text;
}

/* RFC 9112 3.2.2: a target may name the host as well; it is us, whatever it says. */
static struct http_text strip_authority(struct http_text target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (target.len < len ||
            !util_is_same((const uint8_t *)target.at, (const uint8_t *)schemes[i], len))
            continue;
        const char *path = memchr(target.at + len, '/', target.len - len);
        size_t before = path ? (size_t)(path - target.at) : target.len; /* no path: nothing */
        return (struct http_text){.at = target.at + before, .len = target.len - before};
    }
    return target;
}

/* RFC 9112 3: method SP request-target SP HTTP-version. */
static void read_request_line(struct head *h, const char *line_end)
{
    struct http_text method = take_until(h, line_end, ' ');
    struct http_text target = take_until(h, line_end, ' ');
    struct http_text version = {.at = h->at, .len = (size_t)(line_end - h->at)};

    for (size_t i = 0; i < method.len; i++)
        if (!is_token(method.at[i]))
            fail(h, 400);
    for (size_t i = 0; i < target.len; i++)
        if (target.at[i] <= ' ' || target.at[i] == 127)
            fail(h, 400);
    if (method.len == 0 || target.len == 0)
        fail(h, 400);
    h->is_http10 = version.len == 8 && memcmp(version.at, "HTTP/1.0", 8) == 0;
    if (!h->is_http10 && !(version.len == 8 && memcmp(version.at, "HTTP/1.1", 8) == 0))
        fail(h, version.len == 8 && memcmp(version.at, "HTTP/", 5) == 0 ? 505 : 400);
    h->out->method = method.len == 3 && memcmp(method.at, "GET", 3) == 0    ? HTTP_GET
                     : method.len == 4 && memcmp(method.at, "POST", 4) == 0 ? HTTP_POST
                     : method.len == 4 && memcmp(method.at, "HEAD", 4) == 0 ? HTTP_HEAD
                                                                            : HTTP_OTHER;
    h->out->target = strip_authority(target);
    h->keeps = !h->is_http10;
}

/* RFC 9110 8.6: digits, once. */
static void read_length(struct head *h, const struct http_text *value)
{
    size_t len = 0;

    if (h->has_length || value->len == 0)
        fail(h, 400);
    for (size_t i = 0; i < value->len; i++) {
        if (!util_is_digit(value->at[i])) {
            fail(h, 400);
            return;
        }
        len = util_min(len * 10 + (size_t)(value->at[i] - '0'), (size_t)HTTP_BODY_MAX + 1);
    }
    if (len > HTTP_BODY_MAX)
        fail(h, 413);
    h->has_length = true;
    h->body_len = len;
}

/* RFC 9112 9.3: a list; who says neither gets what the version says. */
static void read_connection(struct head *h, const struct http_text *value)
{
    const char *at = value->at, *end = at + value->len;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct http_text word = http_trim(
            (struct http_text){.at = at, .len = (size_t)((comma ? comma : end) - at)});
        if (is_word(&word, "close"))
            h->out->wants_close = true;
        else if (is_word(&word, "keep-alive"))
            h->keeps = true;
        at = comma ? comma + 1 : end;
    }
}

/* A field that may stand there once only: two could be read in two ways. */
static void take_once(struct head *h, struct http_text *to, const struct http_text *value)
{
    if (to->at)
        fail(h, 400);
    *to = *value;
}

static void take_field(struct head *h, const struct http_text *name,
                       const struct http_text *value)
{
    if (is_word(name, "content-length")) {
        read_length(h, value);
    } else if (is_word(name, "transfer-encoding")) {
        fail(h, 411); /* RFC 9112 6.1: no chunks; a length is wanted */
    } else if (is_word(name, "content-type")) {
        take_once(h, &h->out->type, value);
    } else if (is_word(name, "host")) {
        if (h->has_host)
            fail(h, 400);
        h->has_host = true;
    } else if (is_word(name, "connection")) {
        read_connection(h, value);
    } else if (is_word(name, "expect")) {
        h->out->wants_continue = is_word(value, "100-continue") && !h->is_http10;
    } else if (is_word(name, "forwarded")) {
        h->out->forwarded = *value; /* of several the last: the nearest proxy has added it */
    } else if (is_word(name, "x-forwarded-for")) {
        h->out->x_forwarded_for = *value;
    }
}

/* RFC 9112 5: name ":" OWS value OWS, and nothing between the name and its colon. */
static void read_field(struct head *h, const char *line_end)
{
    struct http_text name = take_until(h, line_end, ':');
    struct http_text value = {.at = h->at, .len = (size_t)(line_end - h->at)};

    for (size_t i = 0; i < name.len; i++)
        if (!is_token(name.at[i]))
            fail(h, 400);
    for (size_t i = 0; i < value.len; i++)
        if ((uint8_t)value.at[i] < ' ' && value.at[i] != '\t')
            fail(h, 400);
    value = http_trim(value);
    if (name.len == 0)
        fail(h, 400);
    if (!h->status)
        take_field(h, &name, &value);
}

static void read_lines(struct head *h)
{
    bool is_first = true;

    while (h->at < h->end && !h->status) {
        const char *cr = memchr(h->at, '\r', (size_t)(h->end - h->at));
        if (!cr || cr + 1 >= h->end ||
            cr[1] != '\n') { /* a bare CR; bare LFs are control characters */
            fail(h, 400);
            return;
        }
        if (is_first)
            read_request_line(h, cr);
        else
            read_field(h, cr);
        is_first = false;
        h->at = cr + 2;
    }
    if (!h->has_host && !h->is_http10)
        fail(h, 400); /* RFC 9112 3.2 */
    if (!h->has_length && h->out->method == HTTP_POST)
        fail(h, 411);
}

enum http1_result http1_parse(const uint8_t *octets, size_t len, struct http_request *out,
                              size_t *used, unsigned *status)
{
    const uint8_t *end = memmem(octets, util_min(len, HTTP_HEADER_MAX), "\r\n\r\n", 4);
    struct head h = {.at = (const char *)octets, .out = out};

    *out = (struct http_request){.method = HTTP_OTHER};
    *status = 0;
    if (!end && len < HTTP_HEADER_MAX)
        return HTTP1_MORE;
    if (!end) {
        *status = memchr(octets, '\r', len) ? 431 : 414;
        return HTTP1_WRONG;
    }
    h.end = (const char *)end + 2;
    read_lines(&h);
    if (h.status) {
        *status = h.status;
        return HTTP1_WRONG;
    }
    size_t head_len = (size_t)(end - octets) + LINE_MIN;
    out->wants_continue &= len == head_len;
    if (len - head_len < h.body_len)
        return HTTP1_MORE;
    out->body = (struct http_text){.at = (const char *)octets + head_len, .len = h.body_len};
    out->wants_close |= !h.keeps;
    *used = head_len + h.body_len;
    return HTTP1_WHOLE;
}

bool http1_print_continue(struct buffer *out)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    return buffer_put(out, text, sizeof(text) - 1);
}

bool http1_print(struct buffer *out, const struct http_answer *a, struct http1_form form)
{
    const char *reason = http_reason(a->status), *date = a->date ? a->date : "";
    const char *date_name = a->date ? "Date: " : "", *date_end = a->date ? "\r\n" : "";
    const char *end = form.closes ? "Connection: close\r\n" : "";
    int len;

    if (!buffer_reserve(out, ANSWER_HEAD_MAX + a->body.len))
        return false;
    char *to = (char *)out->at + out->len;
    if (a->status == 200) {
        len = snprintf(to, ANSWER_HEAD_MAX,
                       "HTTP/1.1 200 OK\r\n%s%s%sContent-Type: application/dns-message\r\n"
                       "Content-Length: %zu\r\nCache-Control: max-age=%u\r\n%s\r\n",
                       date_name, date, date_end, a->body.len, (unsigned)a->max_age_s, end);
        memcpy(to + len, a->body.at, a->body.len);
        len += (int)a->body.len;
    } else {
        len = snprintf(to, ANSWER_HEAD_MAX,
                       "HTTP/1.1 %u %s\r\n%s%s%sContent-Type: text/plain\r\n%sContent-Length: "
                       "%zu\r\n%s\r\n%s%s",
                       a->status, reason, date_name, date, date_end,
                       a->status == 405 ? "Allow: GET, POST\r\n" : "", strlen(reason) + 1, end,
                       form.is_head ? "" : reason, form.is_head ? "" : "\n");
    }
    out->len += (size_t)len;
    return true;
}
