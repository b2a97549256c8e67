/* The whole head is looked for first, so that there is one place that waits; a head is at most
 * HTTP_HEADER_MAX octets, so that looking again at each piece costs little. */
#define _GNU_SOURCE
#include "net/transport/http1.h"

enum { LINE_MIN = 4, ANSWER_HEAD_MAX = 768 };

/* Lifetime: the call. */
struct head {
    const char *at, *end; /* end: behind the last field's CRLF */
    struct http_request *out;
    size_t body_len;
    bool has_length, has_host, is_http10, keeps;
    struct http_verdict fault; /* status 0: nothing is wrong */
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

static void fail(struct head *h, unsigned status, const char *why)
{
    if (!h->fault.status)
        h->fault = (struct http_verdict){status, why};
}

/* What stands before the next `stop` of this line, which is skipped; of length 0 and wrong when
 * there is none. */
static struct http_text take_until(struct head *h, const char *line_end, char stop)
{
    const char *found = memchr(h->at, stop, (size_t)(line_end - h->at));
    struct http_text text = {.at = h->at};

    if (!found) {
        fail(h, 400,
             stop == ':' ? "a field has no colon"
                         : "the request line is not METHOD TARGET HTTP/1.1");
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
            fail(h, 400, "the method is not a token");
    for (size_t i = 0; i < target.len; i++)
        if (target.at[i] <= ' ' || target.at[i] == 127)
            fail(h, 400, "the target has a character that has to be percent-encoded");
    if (method.len == 0 || target.len == 0)
        fail(h, 400, "the request line is not METHOD TARGET HTTP/1.1");
    h->is_http10 = version.len == 8 && memcmp(version.at, "HTTP/1.0", 8) == 0;
    if (!h->is_http10 && !(version.len == 8 && memcmp(version.at, "HTTP/1.1", 8) == 0))
        fail(h, version.len == 8 && memcmp(version.at, "HTTP/", 5) == 0 ? 505 : 400,
             "HTTP/1.1, HTTP/1.0 and HTTP/2 are spoken here");
    h->out->method = method.len == 3 && memcmp(method.at, "GET", 3) == 0       ? HTTP_GET
                     : method.len == 4 && memcmp(method.at, "POST", 4) == 0    ? HTTP_POST
                     : method.len == 4 && memcmp(method.at, "HEAD", 4) == 0    ? HTTP_HEAD
                     : method.len == 7 && memcmp(method.at, "OPTIONS", 7) == 0 ? HTTP_OPTIONS
                                                                               : HTTP_OTHER;
    h->out->target = strip_authority(target);
    h->keeps = !h->is_http10;
}

/* RFC 9110 8.6: digits, once. */
static void read_length(struct head *h, const struct http_text *value)
{
    size_t len = 0;

    if (h->has_length || value->len == 0)
        fail(h, 400, "Content-Length is empty or stands there twice");
    for (size_t i = 0; i < value->len; i++) {
        if (!util_is_digit(value->at[i])) {
            fail(h, 400, "Content-Length is not a number");
            return;
        }
        len = util_min(len * 10 + (size_t)(value->at[i] - '0'), (size_t)HTTP_BODY_MAX + 1);
    }
    if (len > HTTP_BODY_MAX)
        fail(h, 413, "a DNS message has at most 65535 octets");
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
        fail(h, 400, "Content-Type stands there twice");
    *to = *value;
}

static void take_field(struct head *h, const struct http_text *name,
                       const struct http_text *value)
{
    if (is_word(name, "content-length")) {
        read_length(h, value);
    } else if (is_word(name, "transfer-encoding")) {
        /* RFC 9112 6.1 */
        fail(h, 411, "transfer codings are not taken: Content-Length is wanted");
    } else if (is_word(name, "content-type")) {
        take_once(h, &h->out->type, value);
    } else if (is_word(name, "host")) {
        if (h->has_host)
            fail(h, 400, "Host stands there twice");
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
            fail(h, 400,
                 "the name of a field is not a token: no blank before its colon, no folding");
    for (size_t i = 0; i < value.len; i++)
        if ((uint8_t)value.at[i] < ' ' && value.at[i] != '\t')
            fail(h, 400, "a field has a control character");
    value = http_trim(value);
    if (name.len == 0)
        fail(h, 400, "a field has no name");
    if (!h->fault.status)
        take_field(h, &name, &value);
}

static void read_lines(struct head *h)
{
    bool is_first = true;

    while (h->at < h->end && !h->fault.status) {
        const char *cr = memchr(h->at, '\r', (size_t)(h->end - h->at));
        if (!cr || cr + 1 >= h->end ||
            cr[1] != '\n') { /* a bare CR; bare LFs are control characters */
            fail(h, 400, "a carriage return without a line feed");
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
        fail(h, 400, "HTTP/1.1 wants a field Host"); /* RFC 9112 3.2 */
    if (!h->has_length && h->out->method == HTTP_POST)
        fail(h, 411, "a POST wants Content-Length");
}

/* RFC 9112 2.2: an empty line before a request is left out. */
size_t http1_skip_lines(const uint8_t *octets, size_t len)
{
    size_t at = 0;

    while (len - at >= 2 && octets[at] == '\r' && octets[at + 1] == '\n')
        at += 2;
    return at;
}

static bool has_bare_lf(const uint8_t *octets, size_t len)
{
    for (const uint8_t *lf = octets, *end = octets + len;
         (lf = memchr(lf, '\n', (size_t)(end - lf))); lf++)
        if (lf == octets || lf[-1] != '\r')
            return true;
    return false;
}

enum http1_result http1_parse(const uint8_t *octets, size_t len, struct http_request *out,
                              size_t *used, struct http_verdict *fault)
{
    const uint8_t *end = memmem(octets, util_min(len, HTTP_HEADER_MAX), "\r\n\r\n", 4);
    struct head h = {.at = (const char *)octets, .out = out};

    *out = (struct http_request){.method = HTTP_OTHER};
    *fault = (struct http_verdict){0};
    if (!end && has_bare_lf(octets, util_min(len, HTTP_HEADER_MAX))) {
        *fault =
            (struct http_verdict){400, "lines end in CR LF, not in LF alone (RFC 9112 2.2)"};
        return HTTP1_WRONG;
    }
    if (!end && len < HTTP_HEADER_MAX)
        return HTTP1_MORE;
    if (!end) {
        *fault = (struct http_verdict){memchr(octets, '\r', len) ? 431 : 414,
                                       "a request has at most 8192 octets before its body"};
        return HTTP1_WRONG;
    }
    h.end = (const char *)end + 2;
    read_lines(&h);
    if (h.fault.status) {
        *fault = h.fault;
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

/* What stands behind the fields that every answer has. */
static int print_special(char *to, size_t size, const struct http_answer *a,
                         struct http1_form form)
{
    const char *text = http_answer_text(a);

    if (a->status == 200)
        return snprintf(to, size,
                        "Content-Type: application/dns-message\r\nContent-Length: %zu\r\n"
                        "Cache-Control: max-age=%u\r\n\r\n",
                        a->body.len, (unsigned)a->max_age_s);
    if (a->status == 204)
        return snprintf(to, size,
                        "Allow: " HTTP_ALLOWED_METHODS
                        "\r\nAccess-Control-Allow-Methods: " HTTP_CORS_METHODS
                        "\r\nAccess-Control-Allow-Headers: " HTTP_CORS_HEADERS
                        "\r\nAccess-Control-Max-Age: " HTTP_CORS_MAX_AGE "\r\n\r\n");
    return snprintf(to, size, "%sContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s%s",
                    a->status == 405 ? "Allow: " HTTP_ALLOWED_METHODS "\r\n" : "",
                    strlen(text) + 1, form.is_head ? "" : text, form.is_head ? "" : "\n");
}

bool http1_print(struct buffer *out, const struct http_answer *a, struct http1_form form)
{
    const char *date = a->date ? a->date : "", *date_name = a->date ? "Date: " : "",
               *date_end = a->date ? "\r\n" : "";

    if (!buffer_reserve(out, ANSWER_HEAD_MAX + a->body.len))
        return false;
    char *to = (char *)out->at + out->len;
    int len = snprintf(to, ANSWER_HEAD_MAX,
                       "HTTP/1.1 %u %s\r\n%s%s%s%sAccess-Control-Allow-Origin: *\r\n",
                       a->status, http_reason(a->status), date_name, date, date_end,
                       form.closes ? "Connection: close\r\n" : "");
    len += print_special(to + len, (size_t)(ANSWER_HEAD_MAX - len), a, form);
    must(len < ANSWER_HEAD_MAX); /* all of it is ours, and HTTP_WHY_MAX bounds the rest */
    if (a->status == 200) {
        memcpy(to + len, a->body.at, a->body.len);
        len += (int)a->body.len;
    }
    out->len += (size_t)len;
    return true;
}
