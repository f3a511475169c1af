/* Buffers, and the pacer: the thread that plays the sensor. Called with camera.lock held. */
#include "camera.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void push(struct fifo *fifo, int index)
{
    fifo->index[fifo->length++] = index;
}

static int pop(struct fifo *fifo)
{
    int first = fifo->index[0];
    memmove(fifo->index, fifo->index + 1, --fifo->length * sizeof *fifo->index);
    return first;
}

/* Wakes one DQBUF, poll or select on the descriptor. */
static void ring(void)
{
    if (camera.owner && camera.owner->peer >= 0 &&
        send(camera.owner->peer, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        say("cannot signal a frame: %s", strerror(errno));
}

/* ---- the pacer ---- */

/* What the driver says of the time of a frame (FAKECAM_STAMP). */
static struct timeval stamp(uint64_t due, uint32_t frame)
{
    static uint64_t first;
    const char *kind = setting("FAKECAM_STAMP", "right");
    if (!first)
        first = due;
    if (!strcmp(kind, "zero"))
        due = 0;
    else if (!strcmp(kind, "real"))
        due = now_ns(CLOCK_REALTIME);
    else if (!strcmp(kind, "still"))
        due = first;
    else if (!strcmp(kind, "slow"))
        due = first + (due - first) / 2;
    else if (!strcmp(kind, "jump") && frame % 40 < 10)
        due -= 4000000000ull;
    return (struct timeval){ due / 1000000000, due / 1000 % 1000000 };
}

/* Draws the frame into a buffer and applies the faults. camera.lock is released meanwhile:
 * an ACTIVE buffer belongs to the pacer, and stream_off() joins it before touching any. */
static void expose(int index, uint32_t frame, uint32_t sequence, uint64_t due)
{
    struct buffer *b = &camera.buffers[index];
    b->state = ACTIVE;
    pthread_mutex_unlock(&camera.lock);

    size_t used = draw(index, sequence, due / 1000);
    double share = 0.5;
    b->flags = 0;
    if (fault("short", frame, &share))
        used *= share;
    if (fault("badlen", frame, NULL)) /* a length that no whole rows make up */
        used -= camera.pix.height / 2 + 1;
    if (fault("corrupt", frame, NULL)) {
        b->flags = V4L2_BUF_FLAG_ERROR;
        for (size_t k = used / 3; k < used / 2; k++)
            camera.memory[index * camera.slot + k] ^= 0x5a;
    }
    if (fault("empty", frame, NULL))
        used = 0;
    b->sequence = sequence;
    b->bytesused = used;
    b->timestamp = stamp(due, frame);

    pthread_mutex_lock(&camera.lock);
}

/* One frame is due. */
static void tick(uint64_t due)
{
    uint32_t frame = camera.total++;
    uint32_t sequence = camera.sequence++;
    double seconds = 0;
    if (fault("unplug", frame, &seconds)) {
        unplug(seconds);
        return;
    }
    if (fault("stall", frame, &seconds)) {
        camera.stalled = seconds > 0 ? (int)(seconds * camera.rate) : INT32_MAX;
        say("stall at %u", frame);
    }
    if (camera.stalled) {
        camera.stalled--;
        camera.dropped++;
        return;
    }
    if (!camera.queued.length) {
        camera.dropped++;
        camera.total--; /* faults count the frames that could have been seen */
        return;
    }
    int index = pop(&camera.queued);
    expose(index, frame, sequence, due);
    if (camera.stopping || camera.gone)
        return;
    camera.buffers[index].state = DONE;
    push(&camera.done, index);
    camera.filled++;
    /* Without the lock, or the program would wake only to wait for it. The owner stays while the
     * pacer runs: a change of the owner joins the pacer first. */
    pthread_mutex_unlock(&camera.lock);
    ring();
    pthread_mutex_lock(&camera.lock);
}

static void *pace(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&camera.lock);
    uint64_t step = 1e9 / camera.rate;
    uint64_t next = now_ns(CLOCK_MONOTONIC) + step;
    while (!camera.stopping && !camera.gone) {
        struct timespec until = { next / 1000000000, next % 1000000000 };
        if (pthread_cond_timedwait(&camera.wake, &camera.lock, &until) != ETIMEDOUT)
            continue;
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        for (next += step; next <= now; next += step) { /* we were late: those are lost */
            camera.sequence++;
            camera.dropped++;
        }
        obey_control_file();
        double rate = 5;
        if (fault("dim", camera.total, &rate)) /* a long exposure from here on */
            step = 1e9 / rate;
        if (!camera.gone)
            tick(now);
    }
    say("pacer end filled=%u dropped=%u cpu_us=%llu", camera.filled, camera.dropped,
        (unsigned long long)now_ns(CLOCK_THREAD_CPUTIME_ID) / 1000);
    pthread_mutex_unlock(&camera.lock);
    return NULL;
}

int stream_on(struct handle *handle)
{
    if (camera.owner != handle || live_fault("busy"))
        return fail(EBUSY);
    if (fault("nospace", 0, NULL)) /* no USB bandwidth left, as UVC reports it */
        return fail(ENOSPC);
    if (camera.streaming)
        return 0;
    camera.streaming = 1;
    camera.stalled = 0;
    camera.sequence = camera.dropped = camera.filled = 0;
    say("streamon %.3f fps, %d buffers", camera.rate, camera.nbuffers);
    quiet_thread(&camera.pacer, pace, NULL);
    return 0;
}

static void stop_stream(int fd)
{
    if (camera.streaming) {
        camera.stopping = 1;
        pthread_cond_broadcast(&camera.wake);
        pthread_mutex_unlock(&camera.lock);
        pthread_join(camera.pacer, NULL);
        pthread_mutex_lock(&camera.lock);
        camera.streaming = camera.stopping = 0;
    }
    char sink[64];
    while (fd >= 0 && recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
    for (int i = 0; i < camera.waiters; i++) /* they find the stream stopped */
        ring();
    for (int i = 0; i < MAX_BUFFERS; i++)
        camera.buffers[i].state = IDLE;
    camera.queued.length = camera.done.length = 0;
}

int stream_off(struct handle *handle, int fd)
{
    if (!camera.owner)
        return 0;
    if (camera.owner != handle)
        return fail(EBUSY);
    stop_stream(fd);
    say("streamoff");
    return 0;
}

/* ---- buffers ---- */

/* fd: the owner's descriptor, whose unread bytes are discarded; -1 after unplugging. */
void free_buffers(int fd)
{
    stop_stream(fd);
    if (camera.memory)
        munmap(camera.memory, camera.nbuffers * camera.slot);
    if (camera.memfd >= 0)
        REAL(close)(camera.memfd);
    if (camera.lockfd >= 0)
        REAL(close)(camera.lockfd);
    camera.memory = NULL;
    camera.memfd = camera.lockfd = -1;
    camera.nbuffers = 0;
    camera.owner = NULL;
}

int request_buffers(struct handle *handle, int fd, struct v4l2_requestbuffers *request)
{
    if (request->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || request->memory != V4L2_MEMORY_MMAP)
        return fail(EINVAL);
    request->capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP;
    request->flags = 0;
    if ((camera.owner && camera.owner != handle) || camera.streaming || live_fault("busy"))
        return fail(EBUSY);
    free_buffers(fd);
    if (!request->count)
        return 0;

    camera.lockfd = REAL(open)(state_file(".lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (camera.lockfd >= 0 && flock(camera.lockfd, LOCK_EX | LOCK_NB)) { /* another process streams */
        REAL(close)(camera.lockfd);
        camera.lockfd = -1;
        return fail(EBUSY);
    }
    if (request->count < 2)
        request->count = 2;
    if (request->count > MAX_BUFFERS)
        request->count = MAX_BUFFERS;
    camera.slot = (camera.pix.sizeimage + 4095) & ~4095ul;
    size_t size = request->count * camera.slot;
    camera.memfd = memfd_create("fakecam", MFD_CLOEXEC);
    if (camera.memfd < 0 || ftruncate(camera.memfd, size))
        return fail(ENOMEM);
    void *memory = REAL(mmap)(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, camera.memfd, 0);
    if (memory == MAP_FAILED)
        return fail(ENOMEM);
    camera.memory = memory;
    camera.nbuffers = request->count;
    camera.owner = handle;
    memset(camera.buffers, 0, sizeof camera.buffers);
    load_sources();
    prefill();
    return 0;
}

void describe_buffer(int index, struct v4l2_buffer *out)
{
    const struct buffer *b = &camera.buffers[index];
    *out = (struct v4l2_buffer){
        .index = index,
        .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
        .memory = V4L2_MEMORY_MMAP,
        .field = V4L2_FIELD_NONE,
        .flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | (b->mapped ? V4L2_BUF_FLAG_MAPPED : 0),
        .length = camera.pix.sizeimage,
        .m.offset = index * camera.slot,
        .sequence = b->sequence,
        .bytesused = b->bytesused,
        .timestamp = b->timestamp,
    };
    if (b->state == QUEUED || b->state == ACTIVE)
        out->flags |= V4L2_BUF_FLAG_QUEUED;
    else
        out->flags |= b->flags | (b->state == DONE ? V4L2_BUF_FLAG_DONE : 0);
}

static int is_ours(const struct v4l2_buffer *b)
{
    return b->type == V4L2_BUF_TYPE_VIDEO_CAPTURE && b->memory == V4L2_MEMORY_MMAP;
}

int queue_buffer(struct handle *handle, struct v4l2_buffer *buffer)
{
    if (!is_ours(buffer) || (int)buffer->index >= camera.nbuffers)
        return fail(EINVAL);
    if (camera.owner != handle)
        return fail(EBUSY);
    if (camera.buffers[buffer->index].state != IDLE)
        return fail(EINVAL);
    camera.buffers[buffer->index].state = QUEUED;
    push(&camera.queued, buffer->index);
    describe_buffer(buffer->index, buffer);
    return 0;
}

/* One byte is one filled buffer: recv() blocks, or not, exactly as the descriptor asks. */
int dequeue_buffer(struct handle *handle, int fd, struct v4l2_buffer *buffer)
{
    if (!is_ours(buffer))
        return fail(EINVAL);
    for (;;) {
        if (handle->generation != camera.generation)
            return fail(ENODEV);
        if (camera.owner != handle || !camera.streaming)
            return fail(EINVAL);
        char byte;
        camera.waiters++;
        pthread_mutex_unlock(&camera.lock);
        ssize_t n = recv(fd, &byte, 1, 0);
        int error = errno;
        pthread_mutex_lock(&camera.lock);
        camera.waiters--;
        if (handle->generation != camera.generation)
            return fail(ENODEV);
        if (n < 0)
            return fail(error);
        if (camera.done.length) {
            int index = pop(&camera.done);
            camera.buffers[index].state = IDLE;
            describe_buffer(index, buffer);
            return 0;
        }
    }
}
