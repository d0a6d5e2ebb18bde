/* `loftctl adopt --dry-run`: what taking over from another server would mean. */
#ifndef WORKER_ADOPT_H
#define WORKER_ADOPT_H

/* `loft-worker --adopt CONF [USER ...]`. 0: nothing would be lost; 1: something would. */
int adopt_main(int argc, char **argv);

#endif
