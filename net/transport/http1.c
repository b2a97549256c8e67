/* The end of the head is searched first, so that there is one place that waits for more.  A
 * head is at most HTTP_HEADER_MAX octets, so searching again after each piece costs little. */
#define _GNU_SOURCE
#include "net/transport/http1.h"

enum { HEAD_END_LEN = 4, ANSWER_HEAD_MAX = 768 };

/* Lifetime: the call. */
struct head {
    const char *at, *end; /* `end`: behind the CRLF of the last field */
    struct http_request *out;
    size_t body_len;
    bool has_length, has_host, is_http10, keeps;
    struct http_verdict fault; /* status 0: none */
};

/* RFC 9110 5.6.2 */
static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || util_is_digit(c) ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_http_word(const struct http_text *text, const char *word)
{
    return text->len == strlen(word) &&
           util_is_same((const uint8_t *)text->at, (const uint8_t *)word, text->len);
}

static void set_http_fault(struct head *h, unsigned status, const char *why)
{
    if (!h->fault.status)
        h->fault = (struct http_verdict){status, why};
}

/* Return the text before the next `stop` of the line and skip both.  Empty, with a fault, if
 * there is none. */
static struct http_text read_until(struct head *h, const char *line_end, char stop)
{
    const char *found = memchr(h->at, stop, (size_t)(line_end - h->at));
    struct http_text text = {.at = h->at};

    if (!found) {
        set_http_fault(h, 400,
                       stop == ':' ? "a field has no colon"
                                   : "the request line is not METHOD TARGET HTTP/1.1");
        return text;
    }
    text.len = (size_t)(found - h->at);
    h->at = found + 1;
    return text;
}

/* RFC 9112 3.2.2: a target may be a URI with any host, which we ignore. */
static struct http_text strip_authority(struct http_text target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (target.len < len ||
            !util_is_same((const uint8_t *)target.at, (const uint8_t *)schemes[i], len))
            continue;
        const char *path = memchr(target.at + len, '/', target.len - len);
        size_t before = path ? (size_t)(path - target.at) : target.len;
        return (struct http_text){.at = target.at + before, .len = target.len - before};
    }
    return target;
}

/* RFC 9112 3: method SP request-target SP HTTP-version. */
static void read_request_line(struct head *h, const char *line_end)
{
    struct http_text method = read_until(h, line_end, ' ');
    struct http_text target = read_until(h, line_end, ' ');
    struct http_text version = {.at = h->at, .len = (size_t)(line_end - h->at)};

    for (size_t i = 0; i < method.len; i++)
        if (!is_token_char(method.at[i]))
            set_http_fault(h, 400, "the method is not a token");
    for (size_t i = 0; i < target.len; i++)
        if (target.at[i] <= ' ' || target.at[i] == 127)
            set_http_fault(h, 400, "the target has a character that must be percent-encoded");
    if (method.len == 0 || target.len == 0)
        set_http_fault(h, 400, "the request line is not METHOD TARGET HTTP/1.1");
    h->is_http10 = version.len == 8 && memcmp(version.at, "HTTP/1.0", 8) == 0;
    if (!h->is_http10 && !(version.len == 8 && memcmp(version.at, "HTTP/1.1", 8) == 0))
        set_http_fault(h, version.len == 8 && memcmp(version.at, "HTTP/", 5) == 0 ? 505 : 400,
                       "this server supports HTTP/1.1, HTTP/1.0 and HTTP/2");
    h->out->method = method.len == 3 && memcmp(method.at, "GET", 3) == 0       ? HTTP_GET
                     : method.len == 4 && memcmp(method.at, "POST", 4) == 0    ? HTTP_POST
                     : method.len == 4 && memcmp(method.at, "HEAD", 4) == 0    ? HTTP_HEAD
                     : method.len == 7 && memcmp(method.at, "OPTIONS", 7) == 0 ? HTTP_OPTIONS
                                                                               : HTTP_OTHER;
    h->out->target = strip_authority(target);
    h->keeps = !h->is_http10;
}

/* RFC 9110 8.6: only digits, and only one field. */
static void read_content_length(struct head *h, const struct http_text *value)
{
    size_t len = 0;

    if (h->has_length || value->len == 0)
        set_http_fault(h, 400, "Content-Length is empty or occurs twice");
    for (size_t i = 0; i < value->len; i++) {
        if (!util_is_digit(value->at[i])) {
            set_http_fault(h, 400, "Content-Length is not a number");
            return;
        }
        len = util_min(len * 10 + (size_t)(value->at[i] - '0'), (size_t)HTTP_BODY_MAX + 1);
    }
    if (len > HTTP_BODY_MAX)
        set_http_fault(h, 413, "a DNS message has at most 65535 octets");
    h->has_length = true;
    h->body_len = len;
}

/* RFC 9112 9.3: a list; without "close" or "keep-alive" the version decides. */
static void read_connection(struct head *h, const struct http_text *value)
{
    const char *at = value->at, *end = at + value->len;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct http_text word = http_trim(
            (struct http_text){.at = at, .len = (size_t)((comma ? comma : end) - at)});
        if (is_http_word(&word, "close"))
            h->out->wants_close = true;
        else if (is_http_word(&word, "keep-alive"))
            h->keeps = true;
        at = comma ? comma + 1 : end;
    }
}

/* A field that may occur once: two could be read in two ways. */
static void set_once(struct head *h, struct http_text *to, const struct http_text *value)
{
    if (to->at)
        set_http_fault(h, 400, "Content-Type occurs twice");
    *to = *value;
}

static void use_field(struct head *h, const struct http_text *name,
                      const struct http_text *value)
{
    if (is_http_word(name, "content-length")) {
        read_content_length(h, value);
    } else if (is_http_word(name, "transfer-encoding")) {
        /* RFC 9112 6.1 */
        set_http_fault(h, 411, "Transfer-Encoding is not supported: send Content-Length");
    } else if (is_http_word(name, "content-type")) {
        set_once(h, &h->out->type, value);
    } else if (is_http_word(name, "host")) {
        if (h->has_host)
            set_http_fault(h, 400, "Host occurs twice");
        h->has_host = true;
    } else if (is_http_word(name, "connection")) {
        read_connection(h, value);
    } else if (is_http_word(name, "expect")) {
        h->out->wants_continue = is_http_word(value, "100-continue") && !h->is_http10;
    } else if (is_http_word(name, "forwarded")) {
        h->out->forwarded = *value; /* the last of several: the nearest proxy has added it */
    } else if (is_http_word(name, "x-forwarded-for")) {
        h->out->x_forwarded_for = *value;
    }
}

/* RFC 9112 5: name ":" OWS value OWS, without whitespace before the colon. */
static void read_field(struct head *h, const char *line_end)
{
    struct http_text name = read_until(h, line_end, ':');
    struct http_text value = {.at = h->at, .len = (size_t)(line_end - h->at)};

    for (size_t i = 0; i < name.len; i++)
        if (!is_token_char(name.at[i]))
            set_http_fault(
                h, 400, "a field name is not a token: no space before the colon, no folding");
    for (size_t i = 0; i < value.len; i++)
        if ((uint8_t)value.at[i] < ' ' && value.at[i] != '\t')
            set_http_fault(h, 400, "a field has a control character");
    value = http_trim(value);
    if (name.len == 0)
        set_http_fault(h, 400, "a field has no name");
    if (!h->fault.status)
        use_field(h, &name, &value);
}

static void read_head(struct head *h)
{
    bool is_first = true;

    while (h->at < h->end && !h->fault.status) {
        const char *cr = memchr(h->at, '\r', (size_t)(h->end - h->at));
        if (!cr || cr + 1 >= h->end ||
            cr[1] != '\n') { /* a bare CR; a bare LF is rejected as a control character */
            set_http_fault(h, 400, "a carriage return without a line feed");
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
        set_http_fault(h, 400, "HTTP/1.1 requires a Host field"); /* RFC 9112 3.2 */
    if (!h->has_length && h->out->method == HTTP_POST)
        set_http_fault(h, 411, "a POST requires Content-Length");
}

/* RFC 9112 2.2: empty lines before a request are ignored. */
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
        *fault = (struct http_verdict){
            400, "lines must end in CR LF, not in LF alone (RFC 9112 2.2)"};
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
    read_head(&h);
    if (h.fault.status) {
        *fault = h.fault;
        return HTTP1_WRONG;
    }
    size_t head_len = (size_t)(end - octets) + HEAD_END_LEN;
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
    return buffer_append(out, text, sizeof(text) - 1);
}

/* Print what follows the fields that every answer has. */
static int print_answer_fields(char *to, size_t size, const struct http_answer *a,
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
    len += print_answer_fields(to + len, (size_t)(ANSWER_HEAD_MAX - len), a, form);
    must(len < ANSWER_HEAD_MAX); /* we write all of it, and HTTP_WHY_MAX bounds the rest */
    if (a->status == 200) {
        memcpy(to + len, a->body.at, a->body.len);
        len += (int)a->body.len;
    }
    out->len += (size_t)len;
    return true;
}
