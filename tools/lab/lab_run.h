/* tools/lab/lab_run.h | rootline lab run
 *
 * Thread:   the only one.
 */
#pragma once

/* rootline lab run NAME | --list ...; the arguments after "run", and the laboratory's name.
 * Return an exit status. */
int lab_run(const char *name, int argc, char **argv);
