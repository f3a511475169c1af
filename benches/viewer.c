/* viewer: the benchmark's clients of an MJPEG stream, many in one process.
 *
 *   viewer URL -n CLIENTS -t SECONDS [-w WARM_UP] [-m MARK] [-s DIRECTORY]
 *       The first, the last and two clients between read the pictures and the camera's stamp in each;
 *       the others let the kernel discard what arrives, so that they cost next to nothing. MARK is created
 * when the measuring begins. DIRECTORY gets a picture of each of the camera's picture files: INDEX.jpg.
 *   viewer URL -f [-b MICROSECONDS]
 *       The time from connect() to the first whole picture of the camera; with -b also from that moment
 *       of CLOCK_MONOTONIC, and it keeps trying until there is a server.
 *   viewer URL -z SECONDS
 *       A client with a receive buffer of 32 kB reads for a second, stalls for SECONDS, and reads on.
 *       It counts the pictures that are older than the moment at which it resumed.
 *   viewer -p PICTURES WIDTH HEIGHT JPEG...
 *       PSNR of the luma of each INDEX.jpg against PICTURES/INDEX.yuyv below the stamp, averaged.
 *
 * It prints key=value pairs on one line. A picture is the camera's if it carries the stamp of
 * tests/fakecam (in APP9 or in its pixels): a server's placeholder is not counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <jpeglib.h>

static char host[256], port[16], target[1024];
static struct addrinfo *address;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "viewer: %s\n", what);
    exit(3);
}

static void *allocate(size_t bytes)
{
    void *p = malloc(bytes);
    if (!p)
        die("out of memory");
    return p;
}

/* Connects and requests the stream; -1 if nobody listens. */
static int dial(int receive_buffer)
{
    char request[1600];
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("no socket");
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%s\r\n\r\n", target, host, port);
    if (connect(fd, address->ai_addr, address->ai_addrlen) || write(fd, request, n) != n) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- the camera's stamp: tests/fakecam/README.md ---- */

struct stamp {
    unsigned picture; /* index of the picture file */
    uint32_t sequence;
    uint64_t due_us;
};

static int decode_stamp(const uint32_t w[4], struct stamp *out)
{
    uint32_t mix = w[1] ^ w[2] ^ w[3];
    if (w[0] != (0xFA4E0000u | ((mix ^ mix >> 16) & 0xffff)))
        return 0;
    *out = (struct stamp){ w[1] >> 24, w[1] & 0xffffff, (uint64_t)w[2] << 32 | w[3] };
    return 1;
}

static int stamp_in_segment(const uint8_t *jpeg, size_t length, struct stamp *out)
{
    const uint8_t *p = memmem(jpeg, length < 4096 ? length : 4096, "FAKECAM", 8);
    uint32_t w[4];
    if (!p || p + 24 > jpeg + length)
        return 0;
    p += 8;
    for (int i = 0; i < 4; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
    return decode_stamp(w, out);
}

struct jpeg_failure {
    struct jpeg_error_mgr manager;
    jmp_buf back;
};

static void on_error(j_common_ptr c)
{
    longjmp(((struct jpeg_failure *)c->err)->back, 1);
}

static void on_message(j_common_ptr c)
{
    (void)c;
}

/* The luma of the first `rows` rows (0: all), in new memory; NULL if it is no JPEG. */
static uint8_t *decode_luma(const uint8_t *jpeg, size_t length, unsigned rows, unsigned *width,
                            unsigned *height)
{
    struct jpeg_decompress_struct d;
    struct jpeg_failure failure;
    uint8_t *volatile luma = NULL;
    d.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = on_error;
    failure.manager.output_message = on_message;
    if (setjmp(failure.back)) {
        jpeg_destroy_decompress(&d);
        free(luma);
        return NULL;
    }
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, jpeg, length);
    jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_GRAYSCALE;
    jpeg_start_decompress(&d);
    *width = d.output_width;
    *height = d.output_height;
    unsigned wanted = rows && rows < d.output_height ? rows : d.output_height;
    luma = allocate((size_t)wanted * d.output_width);
    for (unsigned y = 0; y < wanted; y++) {
        JSAMPROW row = luma + (size_t)y * d.output_width;
        jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_destroy_decompress(&d);
    return luma;
}

static int stamp_in_pixels(const uint8_t *jpeg, size_t length, struct stamp *out)
{
    unsigned width, height;
    uint32_t w[4] = { 0 };
    uint8_t *luma = decode_luma(jpeg, length, 32, &width, &height);
    int readable = luma && width >= 256 && height >= 32;
    for (unsigned i = 0; i < 128 && readable; i++)
        if (luma[(i / 32 * 8 + 4) * width + i % 32 * 8 + 4] > 125)
            w[i / 32] |= 1u << (31 - i % 32);
    free(luma);
    return readable && decode_stamp(w, out);
}

static int find_stamp(const uint8_t *jpeg, size_t length, struct stamp *out)
{
    return stamp_in_segment(jpeg, length, out) || stamp_in_pixels(jpeg, length, out);
}

/* ---- one stream, taken apart ---- */

enum { CAPACITY = 4 << 20 };
typedef void on_picture(const uint8_t *jpeg, size_t length, uint64_t arrived_us);

struct stream {
    uint8_t *body;
    size_t held;      /* bytes in body */
    size_t part_left; /* length of the part being read, 0: its header is still to come */
    int head_read;
    int is_chunked;
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END } chunk_state;
    size_t chunk_left;
};

static struct stream *new_stream(void)
{
    struct stream *s = allocate(sizeof *s);
    *s = (struct stream){ .body = allocate(CAPACITY) };
    return s;
}

static void keep(struct stream *s, const uint8_t *bytes, size_t length)
{
    if (s->held + length > CAPACITY)
        die("a part larger than 4 MiB");
    memcpy(s->body + s->held, bytes, length);
    s->held += length;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Takes the chunked coding off (RFC 9112, 7.1). */
static void keep_body(struct stream *s, const uint8_t *bytes, size_t length)
{
    if (!s->is_chunked) {
        keep(s, bytes, length);
        return;
    }
    while (length) {
        if (s->chunk_state == CHUNK_DATA) {
            size_t n = length < s->chunk_left ? length : s->chunk_left;
            keep(s, bytes, n);
            bytes += n;
            length -= n;
            s->chunk_left -= n;
            if (!s->chunk_left)
                s->chunk_state = CHUNK_END;
            continue;
        }
        uint8_t c = *bytes++;
        length--;
        if (s->chunk_state == CHUNK_SIZE && hex_digit(c) >= 0)
            s->chunk_left = s->chunk_left * 16 + hex_digit(c);
        if (c == '\n')
            s->chunk_state = s->chunk_state == CHUNK_SIZE && s->chunk_left ? CHUNK_DATA : CHUNK_SIZE;
    }
}

static void read_head(struct stream *s)
{
    uint8_t *end = memmem(s->body, s->held, "\r\n\r\n", 4);
    if (!end)
        return;
    *end = 0;
    if (strncmp((char *)s->body + 9, "200", 3)) {
        fprintf(stderr, "viewer: %.80s\n", s->body);
        exit(3);
    }
    s->is_chunked = strcasestr((char *)s->body, "transfer-encoding: chunked") != NULL;
    s->head_read = 1;
    size_t rest = s->held - (end + 4 - s->body);
    uint8_t *copy = allocate(rest + 1);
    memcpy(copy, end + 4, rest);
    s->held = 0;
    keep_body(s, copy, rest);
    free(copy);
}

static void drop_front(struct stream *s, size_t length)
{
    s->held -= length;
    memmove(s->body, s->body + length, s->held);
}

/* Bytes from the socket: calls back for each whole picture. Both servers give each part's length. */
static void feed(struct stream *s, const uint8_t *bytes, size_t length, uint64_t arrived_us,
                 on_picture *callback)
{
    if (s->head_read) {
        keep_body(s, bytes, length);
    } else {
        keep(s, bytes, length);
        read_head(s);
    }
    while (s->head_read) {
        if (!s->part_left) {
            uint8_t *start = memmem(s->body, s->held, "\r\n\r\n\xff\xd8", 6);
            if (!start)
                return;
            *start = 0;
            char *field = strcasestr((char *)s->body, "content-length:");
            if (!field)
                die("a part without Content-Length");
            s->part_left = strtoul(field + strlen("content-length:"), NULL, 10);
            drop_front(s, start + 4 - s->body);
        }
        if (s->held < s->part_left)
            return;
        callback(s->body, s->part_left, arrived_us);
        drop_front(s, s->part_left);
        s->part_left = 0;
    }
}

/* ---- many clients for some seconds ---- */

static uint64_t begin_us, end_us; /* of the measuring */
static uint64_t pictures, picture_bytes, unstamped;
static double latencies_ms[200000];
static size_t nlatencies;
static const char *save_to;
static uint8_t saved[256];

static void measure_picture(const uint8_t *jpeg, size_t length, uint64_t arrived_us)
{
    struct stamp stamp;
    if (arrived_us < begin_us || arrived_us >= end_us)
        return;
    if (!find_stamp(jpeg, length, &stamp)) {
        unstamped++;
        return;
    }
    pictures++;
    picture_bytes += length;
    if (nlatencies < sizeof latencies_ms / sizeof *latencies_ms)
        latencies_ms[nlatencies++] = (arrived_us - stamp.due_us) / 1000.0;
    if (save_to && !saved[stamp.picture]) {
        char path[1100];
        saved[stamp.picture] = 1;
        snprintf(path, sizeof path, "%s/%03u.jpg", save_to, stamp.picture);
        FILE *file = fopen(path, "wb");
        if (file) {
            fwrite(jpeg, 1, length, file);
            fclose(file);
        }
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double share)
{
    return nlatencies ? latencies_ms[(size_t)(share * (nlatencies - 1) + 0.5)] : 0;
}

static uint8_t received[1 << 20];

/* The clients that read the pictures: the first, the last and two between, so that a server that
 * always begins with the same client is not judged by it alone. */
static int reads(int id, int clients)
{
    return id == 0 || id == clients / 3 || id == clients * 2 / 3 || id == clients - 1;
}

static int watch(int clients, double seconds, double warm_up, const char *mark)
{
    int poller = epoll_create1(0);
    int *fds = allocate(clients * sizeof *fds);
    uint64_t *got = allocate(clients * sizeof *got);
    struct stream **streams = allocate(clients * sizeof *streams);
    int alive = clients;
    int readers = 0;
    for (int i = 0; i < clients; i++) {
        fds[i] = dial(0);
        got[i] = 0;
        streams[i] = reads(i, clients) ? new_stream() : NULL;
        readers += streams[i] != NULL;
        if (fds[i] < 0)
            die("cannot connect");
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &(struct epoll_event){ .events = EPOLLIN, .data.u32 = i });
    }
    begin_us = now_us() + warm_up * 1e6;
    end_us = begin_us + seconds * 1e6;
    for (uint64_t at; (at = now_us()) < end_us && alive;) {
        if (mark && at >= begin_us) {
            FILE *file = fopen(mark, "w");
            if (file)
                fclose(file);
            mark = NULL;
        }
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, 64, 50);
        for (int i = 0; i < n; i++) {
            int id = events[i].data.u32;
            ssize_t length = streams[id] ? recv(fds[id], received, sizeof received, 0)
                                         : recv(fds[id], NULL, 4 << 20, MSG_TRUNC);
            at = now_us();
            if (length < 0 && errno == EAGAIN)
                continue;
            if (length <= 0) {
                close(fds[id]);
                alive--;
                continue;
            }
            if (at >= begin_us)
                got[id] += length;
            if (streams[id])
                feed(streams[id], received, length, at, measure_picture);
        }
    }
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < clients; i++)
        if (got[i] < least)
            least = got[i];
    qsort(latencies_ms, nlatencies, sizeof *latencies_ms, ascending);
    printf(
        "alive=%d pictures=%llu fps=%.2f unstamped=%llu bytes=%.0f p50_ms=%.2f p99_ms=%.2f fairness=%.3f\n",
        alive, (unsigned long long)pictures, pictures / seconds / readers, (unsigned long long)unstamped,
        pictures ? (double)picture_bytes / pictures : 0, percentile(0.5), percentile(0.99),
        got[0] ? (double)least / got[0] : 0);
    return pictures ? 0 : 3;
}

/* ---- one client, and the first picture ---- */

static uint64_t first_us;

static void note_first(const uint8_t *jpeg, size_t length, uint64_t arrived_us)
{
    struct stamp stamp;
    if (!first_us && find_stamp(jpeg, length, &stamp))
        first_us = arrived_us;
}

static int first_picture(uint64_t since_us)
{
    uint64_t give_up = now_us() + 20000000;
    uint64_t connecting;
    int fd;
    while (connecting = now_us(), (fd = dial(0)) < 0) {
        if (!since_us || now_us() > give_up)
            return 3;
        usleep(1000);
    }
    struct stream *stream = new_stream();
    while (!first_us) {
        ssize_t length = recv(fd, received, sizeof received, 0);
        if (length <= 0 || now_us() > give_up)
            return 3;
        feed(stream, received, length, now_us(), note_first);
    }
    printf("connect_ms=%.2f", (first_us - connecting) / 1000.0);
    if (since_us)
        printf(" since_ms=%.2f", (first_us - since_us) / 1000.0);
    printf("\n");
    return 0;
}

/* ---- one client that stalls ---- */

static uint64_t resumed_us;
static unsigned before, old, fresh;

static void judge_age(const uint8_t *jpeg, size_t length, uint64_t arrived_us)
{
    struct stamp stamp;
    (void)arrived_us;
    if (!find_stamp(jpeg, length, &stamp))
        return;
    if (!resumed_us)
        before++;
    else if (stamp.due_us < resumed_us)
        old++;
    else
        fresh++;
}

static int stall(double seconds)
{
    int fd = dial(32768 / 2); /* the kernel doubles what it is asked for */
    if (fd < 0)
        die("cannot connect");
    struct stream *stream = new_stream();
    uint64_t until = now_us() + 1000000;
    ssize_t length;
    while (now_us() < until && (length = recv(fd, received, sizeof received, 0)) > 0)
        feed(stream, received, length, now_us(), judge_age);
    usleep(seconds * 1e6);
    resumed_us = now_us();
    while (fresh < 5 && now_us() < resumed_us + 10000000) {
        length = recv(fd, received, sizeof received, 0);
        if (length <= 0)
            die("shed while it stalled");
        feed(stream, received, length, now_us(), judge_age);
    }
    printf("before=%u old=%u fresh=%u\n", before, old, fresh);
    return fresh ? 0 : 3;
}

/* ---- PSNR ---- */

static uint8_t *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(3);
    }
    fseek(file, 0, SEEK_END);
    *length = ftell(file);
    rewind(file);
    uint8_t *bytes = allocate(*length + 1);
    if (fread(bytes, 1, *length, file) != *length)
        die("cannot read a file");
    fclose(file);
    return bytes;
}

static int compare(const char *folder, unsigned width, unsigned height, char **files, int count)
{
    enum { STAMP_ROWS = 48 }; /* the stamp, and what its edges do to the blocks around it */
    double sum = 0;
    for (int i = 0; i < count; i++) {
        char path[1100];
        size_t length, raw_length;
        unsigned w, h;
        const char *name = strrchr(files[i], '/');
        snprintf(path, sizeof path, "%s/%.3s.yuyv", folder, name ? name + 1 : files[i]);
        uint8_t *jpeg = read_file(files[i], &length);
        uint8_t *raw = read_file(path, &raw_length);
        uint8_t *luma = decode_luma(jpeg, length, 0, &w, &h);
        if (!luma || w != width || h != height || raw_length != (size_t)w * h * 2)
            die("a picture of another size");
        double error = 0;
        for (size_t k = (size_t)STAMP_ROWS * w; k < (size_t)w * h; k++) {
            int difference = luma[k] - raw[2 * k];
            error += difference * difference;
        }
        error /= (double)(h - STAMP_ROWS) * w;
        sum += error > 0 ? 10 * log10(255 * 255 / error) : 99;
        free(luma);
        free(raw);
        free(jpeg);
    }
    printf("psnr_db=%.2f compared=%d\n", count ? sum / count : 0, count);
    return count ? 0 : 3;
}

int main(int argc, char **argv)
{
    const char *usage =
        "usage: viewer URL (-n CLIENTS -t SECONDS | -f | -z SECONDS) | -p PICTURES WIDTH HEIGHT JPEG...\n";
    int clients = 1, first = 0, option;
    double seconds = 5, warm_up = 1, stalled = 0;
    uint64_t since = 0;
    const char *mark = NULL, *url = NULL;
    if (argc > 5 && !strcmp(argv[1], "-p"))
        return compare(argv[2], atoi(argv[3]), atoi(argv[4]), argv + 5, argc - 5);
    while ((option = getopt(argc, argv, "-n:t:w:m:s:fb:z:")) != -1) {
        switch (option) {
        case 'n':
            clients = atoi(optarg);
            break;
        case 't':
            seconds = atof(optarg);
            break;
        case 'w':
            warm_up = atof(optarg);
            break;
        case 'm':
            mark = optarg;
            break;
        case 's':
            save_to = optarg;
            break;
        case 'f':
            first = 1;
            break;
        case 'b':
            since = strtoull(optarg, NULL, 10);
            break;
        case 'z':
            stalled = atof(optarg);
            break;
        case 1:
            url = optarg;
            break;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    struct addrinfo hint = { .ai_socktype = SOCK_STREAM };
    if (!url || clients < 1 || sscanf(url, "http://%255[^:/]:%15[0-9]%1023s", host, port, target) < 3 ||
        getaddrinfo(host, port, &hint, &address)) {
        fputs(usage, stderr);
        return 2;
    }
    if (first)
        return first_picture(since);
    if (stalled > 0)
        return stall(stalled);
    return watch(clients, seconds, warm_up, mark);
}
