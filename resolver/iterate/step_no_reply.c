/* Each way to ask the same server again has a function of its own. */
#include "resolver/iterate/step_no_reply.h"

#include "base/now.h"

enum { MINIMISED_TRIES = 2 /* of a minimised query; then the full name is asked for */ };

/* RFC 5452 9.2, as BIND 9.21 does: after one mismatched reply the query is repeated over TCP,
 * where guessing is useless. */
static enum task_state handle_mismatch(struct task *task)
{
    task->engine->counts.mismatches++;
    trace_end(&task->attempts, TRACE_MISMATCH, 0);
    task_trace_note(task, TRACE_NOTE_TCP_AFTER_MISMATCH);
    task->is_suspect = task->is_tcp = true;
    return TASK_ASK;
}

/* True for a server that changes the case of names and does not answer over TCP.  Without 0x20
 * only ID, port and cookie protect the query. */
static bool may_ask_in_lower_case(const struct task *task)
{
    return task->is_suspect && task->is_case_all && !task->lower;
}

static enum task_state ask_in_lower_case(struct task *task)
{
    task_trace_note(task, TRACE_NOTE_LOWER_ALTERED);
    task->lower = TASK_LOWER_ALTERED;
    task->is_tcp = task->is_suspect = false;
    return TASK_ASK;
}

/* RFC 7873 5.3: the server sent cookies before, sends none now and does not answer over TCP.
 * Perhaps it was replaced, or it is one of several behind an anycast address. */
static bool may_ask_without_cookie(const struct task *task)
{
    return task->is_suspect && task->is_cookie_all;
}

static enum task_state ask_without_cookie(struct task *task, uint64_t now_ms)
{
    struct infra_server *server =
        infra_get(task->engine->infra, &task->delegation.addrs[task->addr].addr, now_ms);

    task_trace_note(task, TRACE_NOTE_NO_COOKIE);
    server->server_cookie_len = 0;
    server->no_cookie_until_ms = now_ms + INFRA_KEEP_MS;
    task->is_tcp = task->is_suspect = task->is_cookie_all = false;
    return TASK_ASK;
}

/* RFC 8310 5: strict privacy unless the configuration allows a fallback (tls-fallback). */
static bool may_ask_in_clear(const struct task *task)
{
    return task->ask.tls && task->delegation.tls_falls_back;
}

static enum task_state ask_in_clear(struct task *task)
{
    task_trace_note(task, TRACE_NOTE_TLS_FALLBACK);
    task->delegation.addrs[task->addr].is_clear = true;
    task->is_tcp = false;
    return TASK_ASK;
}

/* Choose another way to ask a server that does not answer over TCP or TLS.  Return TASK_TARGET
 * if there is none. */
static enum task_state ask_without_tcp(struct task *task, uint64_t now_ms)
{
    if (may_ask_in_clear(task))
        return ask_in_clear(task);
    if (may_ask_in_lower_case(task))
        return ask_in_lower_case(task);
    if (may_ask_without_cookie(task))
        return ask_without_cookie(task, now_ms);
    task->delegation.addrs[task->addr].is_useless = true;
    return TASK_TARGET;
}

/* The trace values for a fault of a TCP or TLS connection. */
static const struct {
    enum trace_outcome outcome;
    enum trace_silence silence;
} faults[] = {
    [OUT_FAULT_NONE] = {TRACE_TCP_CLOSED, TRACE_SILENCE_TCP_CLOSED},
    [OUT_FAULT_REFUSED] = {TRACE_TCP_REFUSED, TRACE_SILENCE_TCP_REFUSED},
    [OUT_FAULT_CLOSED] = {TRACE_TCP_CLOSED, TRACE_SILENCE_TCP_CLOSED},
    [OUT_FAULT_BROKEN] = {TRACE_BROKEN, TRACE_SILENCE_TCP_BROKEN},
    [OUT_FAULT_UNREACHABLE] = {TRACE_UNREACHABLE, TRACE_SILENCE_UNREACHABLE},
    [OUT_FAULT_TIMEOUT] = {TRACE_TIMEOUT, TRACE_SILENCE_TCP_TIMEOUT},
};

static enum task_state handle_tcp_fault(struct task *task, uint64_t now_ms)
{
    const char *verify_error = task->ask.verify_error;
    bool is_trusted = *verify_error == '\0';

    trace_end(&task->attempts, is_trusted ? faults[task->ask.fault].outcome : TRACE_UNTRUSTED,
              0);
    task_trace_no_reply(
        task, is_trusted ? faults[task->ask.fault].silence : TRACE_SILENCE_TLS_UNTRUSTED,
        verify_error);
    return ask_without_tcp(task, now_ms);
}

static enum task_state handle_timeout(struct task *task, uint64_t now_ms)
{
    struct delegation_addr *to = &task->delegation.addrs[task->addr];

    task->engine->counts.timeouts++;
    task_trace_no_reply(task, TRACE_SILENCE_TIMEOUT, "");
    trace_end(&task->attempts, TRACE_TIMEOUT, 0);
    if (task->is_tcp)
        return ask_without_tcp(task, now_ms);
    to->is_silent = true;
    infra_note_timeout(task->engine->infra, &to->addr, task->asked_us / 1000, now_ms);
    /* some servers drop minimised queries */
    if (task->is_minimising && to->tries >= MINIMISED_TRIES) {
        task_trace_note(task, TRACE_NOTE_WHOLE_NAME_SILENT);
        task->is_minimising = false;
    }
    return TASK_TARGET;
}

enum task_state step_no_reply(struct task *task)
{
    uint64_t now_ms = now_mono_ms();

    switch (task->result) {
    case OUT_TIMEOUT: return handle_timeout(task, now_ms);
    case OUT_MISMATCH: return handle_mismatch(task);
    case OUT_FAILED: return handle_tcp_fault(task, now_ms);
    case OUT_REPLY: break; /* step_reply handles it */
    }
    return TASK_TARGET;
}
