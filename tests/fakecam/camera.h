/* fakecam: a V4L2 capture device that exists only inside the processes that preload this library.
 *
 * The descriptor a program gets from open(FAKECAM_PATH) is one end of a socket pair. The pacer
 * thread sends one byte for each filled buffer and DQBUF receives one byte, so poll, select, epoll,
 * O_NONBLOCK and a blocking DQBUF all work in the kernel and need no interposing. The other end is
 * filled up at open, so the descriptor is never writable, and closing that end with unread data
 * gives ERR|HUP, as an unplugged camera does. Buffers live in a memfd, mapped in the device's place.
 *
 *   preload.c   what the program calls: open, ioctl, mmap, close, dup, stat ...
 *   ioctl.c     the V4L2 questions and answers
 *   controls.c  brightness, exposure, focus ...
 *   capture.c   buffers, and the pacer: the thread that plays the sensor
 *   picture.c   the picture of a frame, and its stamp
 *   jpeg.c      just enough JPEG for picture.c
 *   camera.c    settings, faults, log, the node in the file system, unplugging
 *
 * README.md lists the environment, the faults and the differences from a real driver. */
#ifndef FAKECAM_CAMERA_H
#define FAKECAM_CAMERA_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "jpeg.h"

/* The C library's own function of that name, past our interposed one. */
#define REAL(name)                                               \
    ({                                                           \
        static __typeof__(name) *real_;                          \
        if (!real_)                                              \
            real_ = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
        real_;                                                   \
    })

enum { MAX_BUFFERS = 32, MAX_FDS = 65536, MAX_SOURCES = 256, MAX_CHOICES = 16 };

/* One open() of the camera, shared by the descriptors dup() made of it. */
struct handle {
    int refs;
    int generation; /* camera.generation at open: an older one was unplugged since */
    int peer;       /* our end of the socket pair, -1 once unplugged */
};

/* A picture file of FAKECAM_FRAMES, mapped. */
struct source {
    const uint8_t *data;
    size_t size;
    struct splice splice; /* JPEG only */
};

enum buffer_state { IDLE, QUEUED, ACTIVE, DONE };
struct buffer {
    enum buffer_state state;
    int mapped;
    uint32_t sequence, bytesused, flags;
    struct timeval timestamp;
};

/* FIFO of buffer indices; a buffer is in one at most, so it cannot overflow. */
struct fifo {
    int index[MAX_BUFFERS];
    int length;
};

/* The camera of this process. All of it is guarded by lock, except the picture memory of the one
 * ACTIVE buffer, which is the pacer's, and what setup() writes once before anything else runs. */
extern struct camera {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* tells the pacer to stop; CLOCK_MONOTONIC */

    const char *path; /* NULL: the library does nothing */
    int minor;
    int is_static;
    unsigned row_multiple; /* FAKECAM_STRIDE */
    uint32_t formats[MAX_CHOICES];
    int nformats;
    struct {
        unsigned width, height;
    } sizes[MAX_CHOICES];
    int nsizes;
    double rates[MAX_CHOICES];
    int nrates;

    int generation; /* counts pluggings and unpluggings */
    int gone;       /* unplugged now */
    int priority;
    double rate;
    struct v4l2_pix_format pix;

    struct handle *owner; /* who holds the buffers in this process ... */
    int lockfd;           /* ... and the lock file that says so to other processes */
    int memfd;
    uint8_t *memory;
    size_t slot; /* bytes from one buffer to the next */
    int nbuffers;
    struct buffer buffers[MAX_BUFFERS];
    struct fifo queued, done;
    int waiters; /* threads inside DQBUF */

    int streaming, stopping, stalled;
    pthread_t pacer;
    uint32_t sequence, dropped, filled;
    uint32_t total; /* frames of this process's life: what faults count */

    struct source sources[MAX_SOURCES];
    int nsources;
} camera;

/* camera.c */
void setup_once(void);
int fail(int error); /* sets errno, gives -1 */
uint64_t now_ns(clockid_t clock);
const char *setting(const char *name, const char *otherwise);
const char *state_file(const char *suffix);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
int fault(const char *name, uint32_t frame, double *argument);
int live_fault(const char *name);
void obey_control_file(void);
void quiet_thread(pthread_t *thread, void *(*body)(void *), void *argument);
void unplug(double seconds);

/* controls.c: 0 or an errno */
int query_control(struct v4l2_queryctrl *query);
int query_ext_control(struct v4l2_query_ext_ctrl *query);
int query_menu(struct v4l2_querymenu *item);
int one_control(unsigned long request, struct v4l2_control *control);
int many_controls(unsigned long request, struct v4l2_ext_controls *controls);
void reset_controls(void);

/* picture.c */
int is_jpeg(uint32_t format);
int bits_per_pixel(uint32_t format);
void load_sources(void);
void prefill(void);
size_t draw(int buffer, uint32_t sequence, uint64_t due_us);

/* capture.c */
int request_buffers(struct handle *handle, int fd, struct v4l2_requestbuffers *request);
void free_buffers(int fd);
void describe_buffer(int index, struct v4l2_buffer *out);
int queue_buffer(struct handle *handle, struct v4l2_buffer *buffer);
int dequeue_buffer(struct handle *handle, int fd, struct v4l2_buffer *buffer);
int stream_on(struct handle *handle);
int stream_off(struct handle *handle, int fd);

/* ioctl.c, called with camera.lock held */
void adjust_format(struct v4l2_pix_format *pix);
int camera_ioctl(struct handle *handle, int fd, uint32_t request, void *argument);

/* preload.c */
struct handle *handle_of(int fd);
void hang_up_all(void);

#endif
