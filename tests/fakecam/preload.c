/* The C library's functions that a program may call on the camera. Each calls the real one unless
 * the path is the camera's node or the descriptor belongs to the camera. */
#include "camera.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The camera's descriptors. Read without the lock (every ioctl of the program asks), written with it. */
static _Atomic(struct handle *) handles[MAX_FDS];

struct handle *handle_of(int fd)
{
    if (fd < 0 || fd >= MAX_FDS)
        return NULL;
    return atomic_load_explicit(&handles[fd], memory_order_acquire);
}

/* The unplugging: every descriptor shows ERR|HUP from now on. With camera.lock held. */
void hang_up_all(void)
{
    for (int fd = 0; fd < MAX_FDS; fd++) {
        struct handle *handle = handles[fd];
        if (handle && handle->peer >= 0) {
            REAL(close)(handle->peer);
            handle->peer = -1;
        }
    }
}

/* ---- is it the camera's? ---- */

static int is_node(const struct stat *st)
{
    struct stat node;
    int kind = S_ISCHR(st->st_mode) || (S_ISREG(st->st_mode) && !st->st_size);
    return kind && !REAL(stat)(camera.path, &node) && st->st_ino == node.st_ino && st->st_dev == node.st_dev;
}

static int is_camera_path(int directory, const char *path)
{
    struct stat st;
    setup_once();
    return camera.path && path && !REAL(fstatat)(directory, path, &st, 0) && is_node(&st);
}

/* ---- open and close ---- */

static int open_camera(int flags)
{
    if (live_fault("deny"))
        return fail(EACCES);
    if (camera.gone)
        return fail(ENOENT);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -1;
    int small = 1;
    char fill[512] = { 0 };
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    while (send(pair[0], fill, sizeof fill, MSG_DONTWAIT) > 0)
        ;
    while (send(pair[0], fill, 1, MSG_DONTWAIT) > 0)
        ;
    if (flags & O_NONBLOCK)
        fcntl(pair[0], F_SETFL, O_RDWR | O_NONBLOCK);
    if (!(flags & O_CLOEXEC))
        fcntl(pair[0], F_SETFD, 0);
    int high = REAL(fcntl)(pair[1], F_DUPFD_CLOEXEC, 900); /* the program's low numbers stay as they were */
    if (high >= 0) {
        REAL(close)(pair[1]);
        pair[1] = high;
    }
    struct handle *handle = malloc(sizeof *handle);
    *handle = (struct handle){ .refs = 1, .generation = camera.generation, .peer = pair[1] };
    handles[pair[0]] = handle;
    say("open fd %d", pair[0]);
    return pair[0];
}

static int locked_open(int flags)
{
    pthread_mutex_lock(&camera.lock);
    int fd = open_camera(flags);
    int error = errno;
    pthread_mutex_unlock(&camera.lock);
    errno = error;
    return fd;
}

/* Before the real close. */
static void leave(int fd)
{
    if (!handle_of(fd))
        return;
    pthread_mutex_lock(&camera.lock);
    struct handle *handle = handles[fd];
    handles[fd] = NULL;
    if (!--handle->refs) {
        if (camera.owner == handle)
            free_buffers(fd);
        if (handle->peer >= 0)
            REAL(close)(handle->peer);
        say("close fd %d", fd);
        free(handle);
    }
    pthread_mutex_unlock(&camera.lock);
}

/* A duplicate of `from` appeared at `to`. */
static int adopt(int from, int to)
{
    struct handle *handle = handle_of(from);
    if (!handle || to < 0)
        return to;
    pthread_mutex_lock(&camera.lock);
    handle->refs++;
    handles[to] = handle;
    pthread_mutex_unlock(&camera.lock);
    return to;
}

/* open() and its kin: the file mode is there only with O_CREAT. */
#define FILE_MODE(flags, mode)           \
    mode_t mode = 0;                     \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest;                    \
        va_start(rest, flags);           \
        mode = va_arg(rest, mode_t);     \
        va_end(rest);                    \
    }

#define OPEN(name)                                                                                  \
    EXPORT int name(const char *path, int flags, ...)                                               \
    {                                                                                               \
        FILE_MODE(flags, mode)                                                                      \
        return is_camera_path(AT_FDCWD, path) ? locked_open(flags) : REAL(name)(path, flags, mode); \
    }

#define OPENAT(name)                                                                              \
    EXPORT int name(int at, const char *path, int flags, ...)                                     \
    {                                                                                             \
        FILE_MODE(flags, mode)                                                                    \
        return is_camera_path(at, path) ? locked_open(flags) : REAL(name)(at, path, flags, mode); \
    }

/* Fortified programs call these instead. */
#define OPEN_2(name)                                                                          \
    int name(const char *path, int flags);                                                    \
    EXPORT int name(const char *path, int flags)                                              \
    {                                                                                         \
        return is_camera_path(AT_FDCWD, path) ? locked_open(flags) : REAL(name)(path, flags); \
    }

#define OPENAT_2(name)                                                                      \
    int name(int at, const char *path, int flags);                                          \
    EXPORT int name(int at, const char *path, int flags)                                    \
    {                                                                                       \
        return is_camera_path(at, path) ? locked_open(flags) : REAL(name)(at, path, flags); \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
OPEN_2(__open_2)
OPEN_2(__open64_2)
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)

EXPORT int close(int fd)
{
    leave(fd);
    return REAL(close)(fd);
}

EXPORT int dup(int fd)
{
    return adopt(fd, REAL(dup)(fd));
}

EXPORT int dup2(int fd, int to)
{
    if (fd == to)
        return REAL(dup2)(fd, to);
    leave(to);
    return adopt(fd, REAL(dup2)(fd, to));
}

EXPORT int dup3(int fd, int to, int flags)
{
    leave(to);
    return adopt(fd, REAL(dup3)(fd, to, flags));
}

#define FCNTL(name)                                                    \
    EXPORT int name(int fd, int command, ...)                          \
    {                                                                  \
        va_list rest;                                                  \
        va_start(rest, command);                                       \
        void *argument = va_arg(rest, void *);                         \
        va_end(rest);                                                  \
        int result = REAL(name)(fd, command, argument);                \
        int copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC; \
        return copies ? adopt(fd, result) : result;                    \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

/* ---- ioctl and mmap ---- */

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    struct handle *handle = handle_of(fd);
    if (!handle)
        return REAL(ioctl)(fd, request, argument);
    pthread_mutex_lock(&camera.lock);
    int result = camera_ioctl(handle, fd, request, argument);
    int error = errno;
    pthread_mutex_unlock(&camera.lock);
    errno = error;
    return result;
}

static void *map_buffer(struct handle *handle, void *address, size_t length, int protection, int flags,
                        off_t offset)
{
    void *result = MAP_FAILED;
    int error = EINVAL;
    pthread_mutex_lock(&camera.lock);
    if (handle->generation != camera.generation) {
        error = ENODEV;
    } else if (camera.owner == handle && camera.nbuffers && offset % camera.slot == 0 &&
               offset / camera.slot < (size_t)camera.nbuffers && length <= camera.slot) {
        result = REAL(mmap)(address, length, protection, flags, camera.memfd, offset);
        error = errno;
        camera.buffers[offset / camera.slot].mapped = 1;
    }
    pthread_mutex_unlock(&camera.lock);
    if (result == MAP_FAILED)
        errno = error;
    return result;
}

#define MMAP(name, offset_type)                                                                            \
    EXPORT void *name(void *address, size_t length, int protection, int flags, int fd, offset_type offset) \
    {                                                                                                      \
        struct handle *handle = handle_of(fd);                                                             \
        if (!handle)                                                                                       \
            return REAL(name)(address, length, protection, flags, fd, offset);                             \
        return map_buffer(handle, address, length, protection, flags, offset);                             \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

/* libv4l2 (which v4l2-ctl -w uses) goes to the kernel through syscall(). */
EXPORT long syscall(long number, ...)
{
    va_list rest;
    long a[6];
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    switch (number) {
#ifdef SYS_open
    case SYS_open:
        return open((char *)a[0], a[1], (mode_t)a[2]);
#endif
    case SYS_openat:
        return openat(a[0], (char *)a[1], a[2], (mode_t)a[3]);
    case SYS_close:
        return close(a[0]);
    case SYS_ioctl:
        return ioctl(a[0], a[1], (void *)a[2]);
#ifdef SYS_mmap
    case SYS_mmap:
        return (long)mmap((void *)a[0], a[1], a[2], a[3], a[4], a[5]);
#endif
    }
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- stat: a character device, even where a plain file stands in, and never a socket ---- */

/* The descriptor a path such as /proc/self/fd/5 names; -1 for others. */
static int fd_of_proc_path(const char *path)
{
    static const char folder[] = "/proc/self/fd/";
    if (!path || strncmp(path, folder, sizeof folder - 1))
        return -1;
    return atoi(path + sizeof folder - 1);
}

static int is_camera_file(const struct stat *st, int fd)
{
    setup_once();
    if (!camera.path)
        return 0;
    return fd >= 0 ? handle_of(fd) != NULL : is_node(st);
}

#define AS_DEVICE(result, st, fd)                                            \
    if (!(result) && is_camera_file((const struct stat *)(st), fd)) {        \
        (st)->st_mode = S_IFCHR | ((fd) >= 0 ? 0666 : (st)->st_mode & 0777); \
        (st)->st_rdev = makedev(81, camera.minor);                           \
        (st)->st_size = 0;                                                   \
    }                                                                        \
    return result;

#define STAT(name, type)                               \
    EXPORT int name(const char *path, struct type *st) \
    {                                                  \
        int result = REAL(name)(path, st);             \
        AS_DEVICE(result, st, fd_of_proc_path(path))   \
    }
#define LSTAT(name, type)                              \
    EXPORT int name(const char *path, struct type *st) \
    {                                                  \
        int result = REAL(name)(path, st);             \
        AS_DEVICE(result, st, -1)                      \
    }
#define FSTAT(name, type)                    \
    EXPORT int name(int fd, struct type *st) \
    {                                        \
        int result = REAL(name)(fd, st);     \
        AS_DEVICE(result, st, fd)            \
    }
#define FSTATAT(name, type)                                                   \
    EXPORT int name(int at, const char *path, struct type *st, int flags)     \
    {                                                                         \
        int result = REAL(name)(at, path, st, flags);                         \
        int fd = *path ? fd_of_proc_path(path) : at;                          \
        AS_DEVICE(result, st, flags & AT_SYMLINK_NOFOLLOW && *path ? -1 : fd) \
    }

/* On 64-bit systems struct stat64 is struct stat. */
STAT(stat, stat)
STAT(stat64, stat64)
LSTAT(lstat, stat)
LSTAT(lstat64, stat64)
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)
FSTATAT(fstatat, stat)
FSTATAT(fstatat64, stat64)

EXPORT int statx(int at, const char *path, int flags, unsigned mask, struct statx *out)
{
    int result = REAL(statx)(at, path, flags, mask, out);
    if (result)
        return result;
    setup_once();
    if (!camera.path)
        return 0;
    struct stat st;
    int by_fd = !*path ? at : fd_of_proc_path(path);
    int link = flags & AT_SYMLINK_NOFOLLOW && S_ISLNK(out->stx_mode);
    if (link || (by_fd >= 0 ? !handle_of(by_fd) : REAL(fstatat)(at, path, &st, 0) || !is_node(&st)))
        return 0;
    out->stx_mode = S_IFCHR | 0666;
    out->stx_rdev_major = 81;
    out->stx_rdev_minor = camera.minor;
    out->stx_size = 0;
    return 0;
}

/* v4l2-ctl reads the kind of device 81:N from sysfs. */
static FILE *open_uevent(const char *path)
{
    char wanted[64];
    char text[96];
    setup_once();
    if (!camera.path || !path)
        return NULL;
    snprintf(wanted, sizeof wanted, "/sys/dev/char/81:%d/uevent", camera.minor);
    if (strcmp(path, wanted))
        return NULL;
    int length =
        snprintf(text, sizeof text, "MAJOR=81\nMINOR=%d\nDEVNAME=video%d\n", camera.minor, camera.minor);
    int fd = memfd_create("uevent", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, length) != length)
        return NULL;
    lseek(fd, 0, SEEK_SET);
    return fdopen(fd, "r");
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
    FILE *file = open_uevent(path);
    return file ? file : REAL(fopen)(path, mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
    FILE *file = open_uevent(path);
    return file ? file : REAL(fopen64)(path, mode);
}
