/* tools/lab/web.h | a web server with one page
 *
 * So that a poisoned name is seen in curl and in a browser.
 *
 * Thread:   the only one.
 */
#pragma once

/* Serve a page with this title on port 80 of all addresses, one client after the other, until
 * the process is killed.  Returns only on error: errno. */
void web_run(const char *title);
