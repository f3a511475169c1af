/* The picture of a frame: one of FAKECAM_FRAMES or a moving ramp, with the stamp on top. */
#include "camera.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NEUTRAL = 128, SQUARE = 8 };

int is_jpeg(uint32_t format)
{
    return format == V4L2_PIX_FMT_MJPEG || format == V4L2_PIX_FMT_JPEG;
}

/* JPEG counts as 16: room enough for its worst picture. */
int bits_per_pixel(uint32_t format)
{
    switch (format) {
    case V4L2_PIX_FMT_GREY:
        return 8;
    case V4L2_PIX_FMT_NV12:
    case V4L2_PIX_FMT_YUV420:
        return 12;
    case V4L2_PIX_FMT_RGB24:
    case V4L2_PIX_FMT_BGR24:
        return 24;
    }
    return 16;
}

/* ---- where things lie in a raw frame ---- */

/* A rectangle of bytes: rows of `length` bytes, `stride` apart. */
struct plane {
    size_t offset;
    unsigned stride, length, rows;
};

/* The planes of a raw frame with that many bytes per (luma) row; returns their number. */
static int planes_of(unsigned bytesperline, struct plane planes[3])
{
    unsigned width = camera.pix.width;
    unsigned height = camera.pix.height;
    size_t luma = (size_t)bytesperline * height;
    switch (camera.pix.pixelformat) {
    case V4L2_PIX_FMT_NV12:
        planes[0] = (struct plane){ 0, bytesperline, width, height };
        planes[1] = (struct plane){ luma, bytesperline, width, height / 2 };
        return 2;
    case V4L2_PIX_FMT_YUV420:
        planes[0] = (struct plane){ 0, bytesperline, width, height };
        planes[1] = (struct plane){ luma, bytesperline / 2, width / 2, height / 2 };
        planes[2] = (struct plane){ luma + luma / 4, bytesperline / 2, width / 2, height / 2 };
        return 3;
    }
    planes[0] = (struct plane){ 0, bytesperline, width * bits_per_pixel(camera.pix.pixelformat) / 8, height };
    return 1;
}

static unsigned tight_bytesperline(void)
{
    int bits = bits_per_pixel(camera.pix.pixelformat);
    return bits == 12 ? camera.pix.width : camera.pix.width * bits / 8;
}

static size_t tight_size(void)
{
    return (size_t)camera.pix.width * camera.pix.height * bits_per_pixel(camera.pix.pixelformat) / 8;
}

/* Copies a picture file, whose rows are contiguous, into a buffer, whose rows may be padded. */
static void copy_in(uint8_t *frame, const uint8_t *file)
{
    struct plane from[3], to[3];
    if (camera.pix.bytesperline == tight_bytesperline()) {
        memcpy(frame, file, camera.pix.sizeimage);
        return;
    }
    planes_of(tight_bytesperline(), from);
    int count = planes_of(camera.pix.bytesperline, to);
    for (int p = 0; p < count; p++)
        for (unsigned row = 0; row < to[p].rows; row++)
            memcpy(frame + to[p].offset + (size_t)row * to[p].stride,
                   file + from[p].offset + (size_t)row * from[p].stride, to[p].length);
}

/* A grey square of a raw frame; x, y are multiples of SQUARE. */
static void paint(uint8_t *frame, unsigned x, unsigned y, int luma)
{
    uint32_t format = camera.pix.pixelformat;
    struct plane planes[3];
    int count = planes_of(camera.pix.bytesperline, planes);
    for (unsigned row = y; row < y + SQUARE && row < camera.pix.height; row++) {
        uint8_t *line = frame + (size_t)row * planes[0].stride;
        if (format == V4L2_PIX_FMT_YUYV || format == V4L2_PIX_FMT_UYVY) {
            int luma_first = format == V4L2_PIX_FMT_YUYV;
            for (unsigned i = 2 * x; i < 2 * (x + SQUARE); i += 2) {
                line[i + !luma_first] = luma;
                line[i + luma_first] = NEUTRAL;
            }
        } else {
            unsigned bytes = bits_per_pixel(format) == 24 ? 3 : 1;
            memset(line + x * bytes, luma, SQUARE * bytes);
        }
    }
    for (int p = 1; p < count; p++) { /* NV12: pairs, so half the squares wide and as many bytes */
        unsigned across = format == V4L2_PIX_FMT_NV12 ? 1 : 2;
        for (unsigned row = y / 2; row < (y + SQUARE) / 2 && row < planes[p].rows; row++)
            memset(frame + planes[p].offset + (size_t)row * planes[p].stride + x / across, NEUTRAL,
                   SQUARE / across);
    }
}

/* ---- the picture without any files: a ramp that moves ---- */

static int ramp(unsigned column, unsigned row, uint32_t time)
{
    return 40 + (column * 5 + row * 3 + time * 4) % 160;
}

static void paint_ramp(uint8_t *frame, uint32_t time)
{
    for (unsigned y = 0; y < camera.pix.height; y += SQUARE)
        for (unsigned x = 0; x + SQUARE <= camera.pix.width; x += SQUARE)
            paint(frame, x, y, ramp(x / SQUARE, y / SQUARE, time));
}

/* ---- the picture files ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "jpg", or the format's fourcc in small letters. */
static void extension_of(uint32_t format, char extension[5])
{
    if (is_jpeg(format)) {
        strcpy(extension, "jpg");
        return;
    }
    memcpy(extension, &format, 4);
    extension[4] = 0;
    for (char *c = extension; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c += 'a' - 'A';
}

/* Skips a file that is no picture of the current format and size. */
static void load_source(const char *path)
{
    struct source *source = &camera.sources[camera.nsources];
    struct stat st;
    int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (!REAL(fstat)(fd, &st) && st.st_size) {
        size_t size = st.st_size;
        const uint8_t *data = REAL(mmap)(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (data != MAP_FAILED) {
            int usable = size == tight_size();
            if (is_jpeg(camera.pix.pixelformat)) {
                struct splice *s = &source->splice;
                usable = splice_find(s, data, size) && s->width == (int)camera.pix.width &&
                         s->height == (int)camera.pix.height && size + JPEG_HEADROOM < camera.pix.sizeimage;
            }
            if (usable) {
                source->data = data;
                source->size = size;
                camera.nsources++;
            } else {
                munmap((void *)data, size);
            }
        }
    }
    REAL(close)(fd);
}

/* Maps the files of FAKECAM_FRAMES that fit the current format, in the order of their names. */
void load_sources(void)
{
    const char *folder = setting("FAKECAM_FRAMES", NULL);
    char *names[MAX_SOURCES];
    char extension[5];
    char path[1024];
    int count = 0;
    for (int i = 0; i < camera.nsources; i++)
        munmap((void *)camera.sources[i].data, camera.sources[i].size);
    camera.nsources = 0;

    extension_of(camera.pix.pixelformat, extension);
    DIR *directory = folder ? opendir(folder) : NULL;
    if (!directory)
        return;
    for (struct dirent *entry; count < MAX_SOURCES && (entry = readdir(directory));) {
        char *dot = strrchr(entry->d_name, '.');
        if (dot && !strcmp(dot + 1, extension))
            names[count++] = strdup(entry->d_name);
    }
    closedir(directory);
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        free(names[i]);
        load_source(path);
    }
    say("sources %d", camera.nsources);
}

/* ---- a frame ---- */

/* 128 bits: FA4E | check, index of the picture file << 24 | sequence, microseconds of CLOCK_MONOTONIC. */
static void make_stamp(uint32_t stamp[4], uint32_t sequence, int index, uint64_t due_us)
{
    stamp[1] = (sequence & 0xffffff) | (uint32_t)index << 24;
    stamp[2] = due_us >> 32;
    stamp[3] = due_us;
    uint32_t mix = stamp[1] ^ stamp[2] ^ stamp[3];
    stamp[0] = 0xFA4E0000u | ((mix ^ mix >> 16) & 0xffff);
}

/* FAKECAM_STATIC: each buffer keeps one picture, so that a frame costs no more than its stamp. */
void prefill(void)
{
    if (is_jpeg(camera.pix.pixelformat))
        return;
    for (int b = 0; b < camera.nbuffers; b++) {
        uint8_t *frame = camera.memory + b * camera.slot;
        memset(frame, NEUTRAL, camera.pix.sizeimage);
        if (camera.nsources)
            copy_in(frame, camera.sources[b % camera.nsources].data);
        else
            paint_ramp(frame, b * 8);
    }
}

/* Fills a buffer, without camera.lock; gives the bytes used. */
size_t draw(int buffer, uint32_t sequence, uint64_t due_us)
{
    uint8_t *frame = camera.memory + buffer * camera.slot;
    unsigned width = camera.pix.width;
    int index = 0;
    if (camera.nsources)
        index = (camera.is_static ? (uint32_t)buffer : sequence) % camera.nsources;
    uint32_t stamp[4];
    make_stamp(stamp, sequence, index, due_us);

    if (is_jpeg(camera.pix.pixelformat)) {
        const struct splice *splice = camera.nsources ? &camera.sources[index].splice : NULL;
        return jpeg_frame(frame, splice, width, camera.pix.height, stamp, sequence, ramp,
                          fault("nodht", 0, NULL));
    }
    if (!camera.is_static) {
        if (camera.nsources)
            copy_in(frame, camera.sources[index].data);
        else
            paint_ramp(frame, sequence);
    }
    unsigned columns = stamp_columns(width);
    for (unsigned i = 0; i < STAMP_SQUARES; i++)
        paint(frame, i % columns * SQUARE, i / columns * SQUARE,
              stamp_luma(stamp, columns, i % columns, i / columns));
    return camera.pix.sizeimage;
}
