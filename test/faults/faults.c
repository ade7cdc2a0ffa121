/*
 * Fails calls of libc on files below one path. For LD_PRELOAD, with these variables:
 *
 * FAULTS_BELOW   absolute paths, a line each: calls on one and on all below it count, separately for each
 * FAULTS_REPORT  file of one struct report: the test writes what shall fail, and reads what has happened
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Mode ONCE: one call fails; EVER: this call and all later ones; SAME_PATH: this call and all later ones on its path. */
enum { ONCE, EVER, SAME_PATH };
enum { OPEN, READ, WRITE, FSYNC, RENAME, READDIR, STAT, UNLINK, MAKE, ATTRIBUTES, CLOSE, CLASSES };

#define PATH_BYTES 4096
#define AREAS 8

struct report {
  /* What fails. Without an area calls are only counted. */
  int64_t area, class, mode, error;
  uint64_t at;
  /* What has happened. */
  uint64_t counts[AREAS][CLASSES];
  uint64_t failed;
  char call[64];
  char path[PATH_BYTES];
};

static struct report *report;
static const char *below[AREAS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((typeof(&name))real_of(#name))

static void *real_of(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULTS_REPORT"), *paths = getenv("FAULTS_BELOW");
  if (path == NULL || paths == NULL) return;
  char *rest = strdup(paths);
  for (int area = 0; area < AREAS; area++) below[area] = strsep(&rest, "\n");
  int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (file < 0) return;
  void *memory = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  syscall(SYS_close, file);
  if (memory != MAP_FAILED) report = memory;
}

/* Where a descriptor leads; an empty string when it cannot be known. */
static void path_of_descriptor(int file, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  long length = syscall(SYS_readlinkat, AT_FDCWD, link, out, PATH_BYTES - 1);
  out[length < 0 ? 0 : length] = 0;
}

static void full_path(int directory, const char *name, char *out) {
  char base[PATH_BYTES] = "";
  int descriptor, used = 0;
  if (name == NULL) name = "";
  if (sscanf(name, "/proc/self/fd/%d%n", &descriptor, &used) == 1) {
    path_of_descriptor(descriptor, base);
    name += used;
    while (*name == '/') name++;
  } else if (name[0] != '/') {
    if (directory != AT_FDCWD) path_of_descriptor(directory, base);
    else if (syscall(SYS_getcwd, base, sizeof base) < 0) base[0] = 0;
  }
  if (*name == 0 || strcmp(name, ".") == 0) snprintf(out, PATH_BYTES, "%s", base);
  else if (base[0] == 0) snprintf(out, PATH_BYTES, "%s", name);
  else snprintf(out, PATH_BYTES, "%.2000s/%.2000s", base, name);
}

/* -1 for paths that do not count. */
static int area_of(const char *path) {
  for (int area = 0; area < AREAS && below[area] != NULL; area++) {
    size_t length = strlen(below[area]);
    if (strncmp(path, below[area], length) == 0 && (path[length] == 0 || path[length] == '/')) return area;
  }
  return -1;
}

/* Whether this call fails; errno is set then. */
static int fails(int class, const char *call, const char *path) {
  int area = report == NULL ? -1 : area_of(path);
  if (area < 0) return 0;
  uint64_t number = __atomic_add_fetch(&report->counts[area][class], 1, __ATOMIC_SEQ_CST);
  if (area != report->area || class != report->class || number < report->at) return 0;
  if (report->mode == ONCE && number != report->at) return 0;
  pthread_mutex_lock(&lock);
  if (number == report->at) {
    snprintf(report->call, sizeof report->call, "%s", call);
    snprintf(report->path, sizeof report->path, "%s", path);
  }
  int failing = report->mode != SAME_PATH || strcmp(report->path, path) == 0;
  pthread_mutex_unlock(&lock);
  if (!failing) return 0;
  __atomic_add_fetch(&report->failed, 1, __ATOMIC_SEQ_CST);
  errno = (int)report->error;
  return 1;
}

static int fails_at(int class, const char *call, int directory, const char *name) {
  char path[PATH_BYTES];
  if (report == NULL) return 0;
  full_path(directory, name, path);
  return fails(class, call, path);
}

static int fails_on(int class, const char *call, int file) {
  char path[PATH_BYTES];
  if (report == NULL || file < 0) return 0;
  path_of_descriptor(file, path);
  return fails(class, call, path);
}

#define OPENED(flags, last)                                                                                            \
  mode_t permissions = 0;                                                                                              \
  if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                             \
    va_list list;                                                                                                      \
    va_start(list, last);                                                                                              \
    permissions = va_arg(list, mode_t);                                                                                \
    va_end(list);                                                                                                      \
  }

#define OPEN_PATH(name)                                                                                                \
  int name(const char *path, int flags, ...) {                                                                         \
    OPENED(flags, flags)                                                                                               \
    return fails_at(OPEN, #name, AT_FDCWD, path) ? -1 : REAL(name)(path, flags, permissions);                          \
  }
#define OPEN_AT(name)                                                                                                  \
  int name(int directory, const char *path, int flags, ...) {                                                          \
    OPENED(flags, flags)                                                                                               \
    return fails_at(OPEN, #name, directory, path) ? -1 : REAL(name)(directory, path, flags, permissions);              \
  }
OPEN_PATH(open)
OPEN_PATH(open64)
OPEN_AT(openat)
OPEN_AT(openat64)

/* A call on a descriptor, and one on a name in a directory: the result, then parameters with and without types. */
#define ON_FILE(class, result, name, file, types, values)                                                              \
  result name types { return fails_on(class, #name, file) ? (result)-1 : REAL(name) values; }
#define AT_NAME(class, result, name, directory, path, types, values)                                                   \
  result name types { return fails_at(class, #name, directory, path) ? (result)-1 : REAL(name) values; }

ON_FILE(READ, ssize_t, read, f, (int f, void *b, size_t n), (f, b, n))
ON_FILE(READ, ssize_t, pread, f, (int f, void *b, size_t n, off_t o), (f, b, n, o))
ON_FILE(READ, ssize_t, pread64, f, (int f, void *b, size_t n, off64_t o), (f, b, n, o))
ON_FILE(READ, off_t, lseek, f, (int f, off_t o, int w), (f, o, w))
ON_FILE(READ, ssize_t, readv, f, (int f, const struct iovec *v, int n), (f, v, n))
ON_FILE(READ, ssize_t, preadv, f, (int f, const struct iovec *v, int n, off_t o), (f, v, n, o))
ON_FILE(READ, ssize_t, preadv64, f, (int f, const struct iovec *v, int n, off64_t o), (f, v, n, o))
ON_FILE(WRITE, ssize_t, write, f, (int f, const void *b, size_t n), (f, b, n))
ON_FILE(WRITE, ssize_t, pwrite, f, (int f, const void *b, size_t n, off_t o), (f, b, n, o))
ON_FILE(WRITE, ssize_t, pwrite64, f, (int f, const void *b, size_t n, off64_t o), (f, b, n, o))
ON_FILE(WRITE, ssize_t, writev, f, (int f, const struct iovec *v, int n), (f, v, n))
ON_FILE(WRITE, ssize_t, pwritev, f, (int f, const struct iovec *v, int n, off_t o), (f, v, n, o))
ON_FILE(WRITE, ssize_t, pwritev64, f, (int f, const struct iovec *v, int n, off64_t o), (f, v, n, o))
ON_FILE(WRITE, int, ftruncate, f, (int f, off_t n), (f, n))
ON_FILE(WRITE, int, ftruncate64, f, (int f, off64_t n), (f, n))
ON_FILE(FSYNC, int, fsync, f, (int f), (f))
ON_FILE(FSYNC, int, fdatasync, f, (int f), (f))
ON_FILE(READDIR, ssize_t, getdents64, f, (int f, void *b, size_t n), (f, b, n))
ON_FILE(ATTRIBUTES, int, fchmod, f, (int f, mode_t m), (f, m))
ON_FILE(ATTRIBUTES, int, fchown, f, (int f, uid_t u, gid_t g), (f, u, g))
ON_FILE(ATTRIBUTES, int, futimens, f, (int f, const struct timespec t[2]), (f, t))
ON_FILE(STAT, ssize_t, flistxattr, f, (int f, char *b, size_t n), (f, b, n))
ON_FILE(STAT, ssize_t, fgetxattr, f, (int f, const char *k, void *b, size_t n), (f, k, b, n))
ON_FILE(ATTRIBUTES, int, fsetxattr, f, (int f, const char *k, const void *b, size_t n, int g), (f, k, b, n, g))
ON_FILE(ATTRIBUTES, int, fremovexattr, f, (int f, const char *k), (f, k))
ON_FILE(STAT, int, fstat, f, (int f, struct stat *s), (f, s))
ON_FILE(STAT, int, fstat64, f, (int f, struct stat64 *s), (f, s))

AT_NAME(RENAME, int, rename, AT_FDCWD, q, (const char *p, const char *q), (p, q))
AT_NAME(RENAME, int, renameat, e, q, (int d, const char *p, int e, const char *q), (d, p, e, q))
AT_NAME(RENAME, int, link, AT_FDCWD, q, (const char *p, const char *q), (p, q))
AT_NAME(RENAME, int, linkat, e, q, (int d, const char *p, int e, const char *q, int g), (d, p, e, q, g))
AT_NAME(UNLINK, int, unlink, AT_FDCWD, p, (const char *p), (p))
AT_NAME(UNLINK, int, unlinkat, d, p, (int d, const char *p, int g), (d, p, g))
AT_NAME(UNLINK, int, rmdir, AT_FDCWD, p, (const char *p), (p))
AT_NAME(MAKE, int, mkdir, AT_FDCWD, p, (const char *p, mode_t m), (p, m))
AT_NAME(MAKE, int, mkdirat, d, p, (int d, const char *p, mode_t m), (d, p, m))
AT_NAME(MAKE, int, symlink, AT_FDCWD, p, (const char *t, const char *p), (t, p))
AT_NAME(MAKE, int, symlinkat, d, p, (const char *t, int d, const char *p), (t, d, p))
AT_NAME(MAKE, int, mknodat, d, p, (int d, const char *p, mode_t m, dev_t v), (d, p, m, v))
AT_NAME(ATTRIBUTES, int, chmod, AT_FDCWD, p, (const char *p, mode_t m), (p, m))
AT_NAME(ATTRIBUTES, int, fchmodat, d, p, (int d, const char *p, mode_t m, int g), (d, p, m, g))
AT_NAME(ATTRIBUTES, int, fchownat, d, p, (int d, const char *p, uid_t u, gid_t v, int g), (d, p, u, v, g))
AT_NAME(ATTRIBUTES, int, utimensat, d, p, (int d, const char *p, const struct timespec t[2], int g), (d, p, t, g))
AT_NAME(STAT, ssize_t, readlink, AT_FDCWD, p, (const char *p, char *b, size_t n), (p, b, n))
AT_NAME(STAT, ssize_t, readlinkat, d, p, (int d, const char *p, char *b, size_t n), (d, p, b, n))
AT_NAME(STAT, int, access, AT_FDCWD, p, (const char *p, int m), (p, m))
AT_NAME(STAT, int, stat, AT_FDCWD, p, (const char *p, struct stat *s), (p, s))
AT_NAME(STAT, int, stat64, AT_FDCWD, p, (const char *p, struct stat64 *s), (p, s))
AT_NAME(STAT, int, lstat, AT_FDCWD, p, (const char *p, struct stat *s), (p, s))
AT_NAME(STAT, int, lstat64, AT_FDCWD, p, (const char *p, struct stat64 *s), (p, s))
AT_NAME(STAT, int, statx, d, p, (int d, const char *p, int g, unsigned m, struct statx *s), (d, p, g, m, s))
AT_NAME(STAT, ssize_t, llistxattr, AT_FDCWD, p, (const char *p, char *b, size_t n), (p, b, n))
AT_NAME(STAT, ssize_t, lgetxattr, AT_FDCWD, p, (const char *p, const char *k, void *b, size_t n), (p, k, b, n))
AT_NAME(ATTRIBUTES, int, lsetxattr, AT_FDCWD, p, (const char *p, const char *k, const void *b, size_t n, int g),
        (p, k, b, n, g))
AT_NAME(ATTRIBUTES, int, lremovexattr, AT_FDCWD, p, (const char *p, const char *k), (p, k))
AT_NAME(READDIR, int, scandir64, AT_FDCWD, p,
        (const char *p, struct dirent64 ***l, int (*s)(const struct dirent64 *),
         int (*c)(const struct dirent64 **, const struct dirent64 **)),
        (p, l, s, c))
AT_NAME(READDIR, int, scandir, AT_FDCWD, p,
        (const char *p, struct dirent ***l, int (*s)(const struct dirent *),
         int (*c)(const struct dirent **, const struct dirent **)),
        (p, l, s, c))

DIR *opendir(const char *path) {
  return fails_at(READDIR, "opendir", AT_FDCWD, path) ? NULL : REAL(opendir)(path);
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t length, unsigned flags) {
  if (fails_on(READ, "copy_file_range", from) || fails_on(WRITE, "copy_file_range", to)) return -1;
  return REAL(copy_file_range)(from, at, to, there, length, flags);
}

/* Of files open for writing, as with network file systems. The descriptor is closed all the same, as the kernel does. */
int close(int file) {
  int writing = report != NULL && (fcntl(file, F_GETFL) & O_ACCMODE) != O_RDONLY;
  int failed = writing && fails_on(CLOSE, "close", file);
  int result = REAL(close)(file);
  if (!failed) return result;
  errno = (int)report->error;
  return -1;
}

/* libuv closes files by it, and some versions ask for statx. */
long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  if (number == SYS_close && report != NULL) return close((int)a);
  if (number == SYS_statx && report != NULL && fails_at(STAT, "statx", (int)a, (const char *)b)) return -1;
  static long (*real)(long, ...);
  if (real == NULL) real = (long (*)(long, ...))real_of("syscall");
  return real(number, a, b, c, d, e, f);
}
