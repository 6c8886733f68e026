/* The loss drill's library for LD_PRELOAD: fsync that fails or takes its time while a file says so,
   and a clock that is wrong by a number of seconds. Without DRILL_FSYNC and DRILL_CLOCK_OFFSET_S it
   does nothing. Only a drill loads it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* What the file that DRILL_FSYNC names says: 'f' for failing, 's' for slow. */
static char fsync_told(void) {
  const char *name = getenv("DRILL_FSYNC");
  char word = 0;
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (file >= 0) {
    if (read(file, &word, 1) != 1) word = 0;
    close(file);
  }
  return word;
}

static int synced(const char *real, int file) {
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, real);
  switch (fsync_told()) {
    case 'f':
      errno = EIO;
      return -1;
    case 's':
      usleep(500000);
  }
  return next(file);
}
int fsync(int file) { return synced("fsync", file); }
int fdatasync(int file) { return synced("fdatasync", file); }

static long offset(void) {
  static long seconds = -1;
  static int known;
  if (!known) {
    const char *text = getenv("DRILL_CLOCK_OFFSET_S");
    seconds = text ? atol(text) : 0;
    known = 1;
  }
  return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*next)(clockid_t, struct timespec *);
  if (!next) next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = next(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
  return result;
}
