#include "tools/lab/web.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { REQUEST_MAX = 8192, PAGE_MAX = 2048, WAIT_S = 2 };

static int open_web(void)
{
    const struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    const int on = 1, off = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 16) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The request does not matter: there is one page.  But it must be read, or closing resets the
 * connection. */
static void read_request(int fd)
{
    char request[REQUEST_MAX + 1];
    size_t len = 0;

    while (len < REQUEST_MAX) {
        ssize_t got = recv(fd, request + len, REQUEST_MAX - len, 0);
        if (got <= 0)
            return;
        len += (size_t)got;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n"))
            return;
    }
}

static void answer_web(int fd, const char *title)
{
    char body[PAGE_MAX], page[2 * PAGE_MAX];
    const struct timeval wait = {.tv_sec = WAIT_S};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    read_request(fd);
    int body_len = snprintf(body, sizeof(body),
                            "<!doctype html>\n<title>%s</title>\n<h1>%s</h1>\n"
                            "<p>This page is of the Rootline laboratory.</p>\n",
                            title, title);
    int len = snprintf(page, sizeof(page),
                       "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
                       "Content-Length: %d\r\nCache-Control: no-store\r\n"
                       "Connection: close\r\n\r\n%s",
                       body_len, body);
    (void)!send(fd, page, (size_t)len, MSG_NOSIGNAL);
}

void web_run(const char *title)
{
    int listener = open_web();

    while (listener >= 0) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        answer_web(fd, title);
        close(fd);
    }
}
