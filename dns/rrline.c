/* Words are separated as in RFC 1035 5.1: by white space and quotes; ";" begins a comment. */
#include "dns/rrline.h"

enum { TOKENS_MAX = 512 };

static bool is_line_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Return the end of an unquoted word.  key="a value" is one word (RFC 9460 2.1); any other
 * quote begins the next word. */
static size_t find_word_end(const char *text, size_t len, size_t start, bool may_quote)
{
    size_t pos = start;

    while (pos < len && !is_line_space(text[pos]) && text[pos] != ';') {
        bool is_value = text[pos] == '"' && pos > start && text[pos - 1] == '=' && may_quote;
        if (text[pos] == '"' && !is_value)
            break;
        if (is_value) {
            for (pos++; pos < len && text[pos] != '"';)
                pos += text[pos] == '\\' && pos + 1 < len ? 2 : 1;
            return util_min(pos + 1, len);
        }
        pos += text[pos] == '\\' && pos + 1 < len ? 2 : 1;
    }
    return util_min(pos, len);
}

/* Read the word at *pos into tokens[cnt], which follows `cnt` others.  False at the end of the
 * line. */
static bool read_token(const char *text, size_t len, size_t *pos, struct rrtext_token *tokens,
                       size_t cnt)
{
    struct rrtext_token *token = &tokens[cnt];

    while (*pos < len && is_line_space(text[*pos]))
        (*pos)++;
    if (*pos >= len || text[*pos] == ';')
        return false;
    token->is_quoted = text[*pos] == '"';
    *pos += token->is_quoted;
    size_t start = *pos;
    if (!token->is_quoted)
        *pos = find_word_end(text, len, start, rrtext_is_at_param(tokens, cnt));
    else
        while (*pos < len && text[*pos] != '"')
            *pos += text[*pos] == '\\' && *pos + 1 < len ? 2 : 1;
    token->text = text + start;
    token->len = *pos - start;
    *pos += token->is_quoted && *pos < len;
    return true;
}

static enum err set_line_error(struct rrline *out, const char *what,
                               const struct rrtext_token *token)
{
    return fault_set(&out->fault, ERR_FORMAT, "%s%s%.*s%s", what, token ? " \"" : "",
                     token ? (int)util_min(token->len, 100) : 0, token ? token->text : "",
                     token ? "\"" : "");
}

/* Read TTL and class, in either order and both optional.  *at moves to the type. */
static void read_ttl_and_class(const struct rrtext_token *tokens, size_t cnt, size_t *at,
                               struct rrline *out)
{
    bool has_ttl = false, has_class = false;

    for (; *at < cnt; (*at)++) {
        const struct rrtext_token *t = &tokens[*at];
        if (!has_ttl && t->len > 0 && util_is_digit(t->text[0]) &&
            rrtext_read_ttl(t->text, t->len, &out->ttl) == ERR_OK)
            has_ttl = true;
        else if (!has_class && rrtype_read_class(t->text, t->len, &out->class) == ERR_OK)
            has_class = true;
        else
            return;
    }
}

enum err rrline_read(const char *text, size_t len, const uint8_t *origin, uint32_t default_ttl,
                     struct rrline *out)
{
    struct rrtext_token tokens[TOKENS_MAX];
    struct rrtext_fault fault;
    size_t cnt = 0, pos = 0, at = 1, name_len;

    while (cnt < TOKENS_MAX && read_token(text, len, &pos, tokens, cnt))
        cnt++;
    if (cnt == 0)
        return ERR_ABSENT;
    if (cnt == TOKENS_MAX)
        return set_line_error(out, "the line has too many words", NULL);
    if (dname_text_read(tokens[0].text, tokens[0].len, origin, out->owner, &name_len,
                        &out->fault, NULL) != ERR_OK)
        return fault_set(&out->fault, ERR_FORMAT, "invalid owner name: %s", out->fault.text);
    out->ttl = default_ttl;
    out->class = RRTYPE_CLASS_IN;
    read_ttl_and_class(tokens, cnt, &at, out);
    out->is_ttl_wrong = out->ttl > INT32_MAX;
    if (out->is_ttl_wrong)
        out->ttl = 0; /* RFC 2181 8 */
    if (at == cnt)
        return set_line_error(out, "the record type is missing", NULL);
    if (rrtype_read(tokens[at].text, tokens[at].len, &out->type) != ERR_OK)
        return set_line_error(out, "unknown record type", &tokens[at]);
    if (rrtext_read(out->type, tokens + at + 1, cnt - at - 1, origin, &out->scratch, out->rdata,
                    &out->rdata_len, &fault) != ERR_OK) {
        out->fault = fault.reason;
        return ERR_FORMAT;
    }
    return ERR_OK;
}
