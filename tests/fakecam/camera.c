/* Settings from the environment, faults, the log, the node in the file system, unplugging. */
#include "camera.h"
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

struct camera camera = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .memfd = -1,
    .lockfd = -1,
    .generation = 1,
    .priority = V4L2_PRIORITY_INTERACTIVE,
};

/* ---- small tools ---- */

int fail(int error)
{
    errno = error;
    return -1;
}

uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* A file of FAKECAM_STATE for this device: its path with '/' as '_', plus suffix. */
const char *state_file(const char *suffix)
{
    static __thread char path[512];
    int n = snprintf(path, sizeof path, "%s/", setting("FAKECAM_STATE", "/tmp"));
    snprintf(path + n, sizeof path - n, "fakecam%s%s", camera.path, suffix);
    for (char *p = path + n; *p; p++)
        if (*p == '/')
            *p = '_';
    return path;
}

/* One line to FAKECAM_LOG: seconds of CLOCK_MONOTONIC, process, event. */
void say(const char *format, ...)
{
    const char *file = getenv("FAKECAM_LOG");
    if (!file)
        return;
    char line[400];
    int n = snprintf(line, sizeof line, "%.6f %d ", now_ns(CLOCK_MONOTONIC) / 1e9, getpid());
    va_list arguments;
    va_start(arguments, format);
    n += vsnprintf(line + n, sizeof line - n - 1, format, arguments);
    va_end(arguments);
    if (n > (int)sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    int fd = REAL(open)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    if (write(fd, line, n) < 0)
        perror("fakecam: FAKECAM_LOG");
    REAL(close)(fd);
}

/* A thread that gets none of the program's signals. Its name lets a benchmark leave it out. */
void quiet_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_create(thread, NULL, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setname_np(*thread, "fakecam");
}

/* ---- faults ---- */

/* True if fault `name` of FAKECAM_FAULTS is on at this frame.
 * NAME: always. NAME@N: at frame N. NAME%N: at every Nth. Each may end in :ARGUMENT. */
int fault(const char *name, uint32_t frame, double *argument)
{
    const char *item = getenv("FAKECAM_FAULTS");
    size_t length = strlen(name);
    while (item && *item) {
        if (!strncmp(item, name, length)) {
            char *end = (char *)item + length;
            int hit = *end == ':' || *end == ',' || !*end;
            if (*end == '@') {
                hit = strtoul(end + 1, &end, 10) == frame;
            } else if (*end == '%') {
                unsigned long every = strtoul(end + 1, &end, 10);
                hit = every && frame % every == every - 1;
            }
            if (hit) {
                if (argument && *end == ':')
                    *argument = strtod(end + 1, NULL);
                return 1;
            }
        }
        item = strchr(item, ',');
        if (item)
            item++;
    }
    return 0;
}

static int read_control_file(char *word, size_t size)
{
    const char *path = getenv("FAKECAM_CTL");
    if (!path)
        return 0;
    int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, word, size - 1);
    REAL(close)(fd);
    word[n > 0 ? n : 0] = 0;
    word[strcspn(word, "\n")] = 0;
    return n > 0;
}

static int take_control_word(const char *wanted)
{
    char word[64];
    if (!read_control_file(word, sizeof word) || strcmp(word, wanted))
        return 0;
    unlink(getenv("FAKECAM_CTL"));
    return 1;
}

/* "busy" and "deny" hold while FAKECAM_CTL contains them. */
int live_fault(const char *name)
{
    char word[64];
    return fault(name, 0, NULL) || (read_control_file(word, sizeof word) && !strcmp(word, name));
}

/* Called by the pacer: unplug, stall and go in FAKECAM_CTL act once, then the file is removed. */
void obey_control_file(void)
{
    char word[64];
    double seconds = 0;
    if (!read_control_file(word, sizeof word))
        return;
    if (!strcmp(word, "unplug") || sscanf(word, "unplug:%lf", &seconds) == 1) {
        unlink(getenv("FAKECAM_CTL"));
        unplug(seconds);
    } else if (!strcmp(word, "stall") || sscanf(word, "stall:%lf", &seconds) == 1) {
        unlink(getenv("FAKECAM_CTL"));
        camera.stalled = seconds > 0 ? (int)(seconds * camera.rate) + 1 : INT32_MAX;
        say("stall");
    } else if (!strcmp(word, "go")) {
        unlink(getenv("FAKECAM_CTL"));
        camera.stalled = 0;
        say("go");
    }
}

/* ---- the node in the file system, and unplugging ---- */

/* A character node if mknod is allowed, else a plain file, which stat() reports as one. */
static void create_node(void)
{
    struct stat st;
    if (!REAL(stat)(camera.path, &st))
        return;
    mode_t before = umask(0);
    if (mknod(camera.path, S_IFCHR | 0666, makedev(81, camera.minor)) && errno != EEXIST) {
        int fd = REAL(open)(camera.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
        if (fd >= 0)
            REAL(close)(fd);
    }
    umask(before);
}

/* The marker's modification time is when the camera returns: a process started meanwhile, or a
 * restarted one, waits it out too. It also ends early: when the marker goes, or CTL says "plug". */
static void *replug_when_due(void *unused)
{
    (void)unused;
    struct stat st;
    while (!REAL(stat)(state_file(".gone"), &st) && st.st_mtim.tv_sec > 0 &&
           (uint64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec > now_ns(CLOCK_REALTIME) &&
           !take_control_word("plug"))
        nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
    pthread_mutex_lock(&camera.lock);
    unlink(state_file(".gone"));
    create_node();
    camera.gone = 0;
    camera.generation++;
    reset_controls(); /* a camera that lost its power has forgotten them */
    say("plug");
    pthread_mutex_unlock(&camera.lock);
    return NULL;
}

static void wait_for_return(void)
{
    pthread_t thread;
    quiet_thread(&thread, replug_when_due, NULL);
    pthread_detach(thread);
}

/* Unplugs the camera for this many seconds; 0: until CTL says "plug". With camera.lock held. */
void unplug(double seconds)
{
    say("unplug for %.1f s", seconds);
    camera.gone = 1;
    camera.generation++;
    unlink(camera.path);
    int fd = REAL(open)(state_file(".gone"), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0) {
        uint64_t until = now_ns(CLOCK_REALTIME) + (uint64_t)((seconds > 0 ? seconds : 1e6) * 1e9);
        struct timespec times[2];
        times[0] = (struct timespec){ until / 1000000000, until % 1000000000 };
        times[1] = times[0];
        futimens(fd, times);
        REAL(close)(fd);
    }
    hang_up_all();
    wait_for_return();
}

/* ---- settings ---- */

static void read_settings(void)
{
    char *save;
    char *list = strdup(setting("FAKECAM_FORMATS", "YUYV,MJPG"));
    for (char *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save))
        if (strlen(s) == 4 && camera.nformats < MAX_CHOICES)
            camera.formats[camera.nformats++] = v4l2_fourcc(s[0], s[1], s[2], s[3]);
    free(list);

    list = strdup(setting("FAKECAM_SIZES", "1280x720,640x480,320x240,1920x1080"));
    for (char *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
        unsigned width, height;
        if (sscanf(s, "%ux%u", &width, &height) == 2 && camera.nsizes < MAX_CHOICES) {
            camera.sizes[camera.nsizes].width = width;
            camera.sizes[camera.nsizes++].height = height;
        }
    }
    free(list);

    list = strdup(setting("FAKECAM_FPS", "30,15,5"));
    for (char *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
        double rate = strtod(s, NULL);
        if (rate > 0 && camera.nrates < MAX_CHOICES)
            camera.rates[camera.nrates++] = rate;
    }
    free(list);

    camera.is_static = atoi(setting("FAKECAM_STATIC", "0"));
    camera.row_multiple = strtoul(setting("FAKECAM_STRIDE", "1"), NULL, 10);
    if (!camera.row_multiple)
        camera.row_multiple = 1;
}

static void setup(void)
{
    const char *path = setting("FAKECAM_PATH", NULL);
    if (!path)
        return;
    read_settings();
    if (!camera.nformats || !camera.nsizes || !camera.nrates) {
        fprintf(stderr, "fakecam: FAKECAM_FORMATS, _SIZES or _FPS holds nothing usable\n");
        return;
    }
    camera.path = strdup(path);
    const char *digits = path + strlen(path);
    while (digits > path && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    camera.minor = atoi(digits);

    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&camera.wake, &attributes);

    camera.rate = camera.rates[0];
    camera.pix.width = camera.sizes[0].width;
    camera.pix.height = camera.sizes[0].height;
    camera.pix.pixelformat = camera.formats[0];
    adjust_format(&camera.pix);
    reset_controls();

    struct stat st;
    if (!REAL(stat)(state_file(".gone"), &st)) { /* unplugged by an earlier process */
        camera.gone = 1;
        wait_for_return();
    } else {
        create_node();
    }
}

void setup_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup);
}

__attribute__((constructor)) static void begin(void)
{
    setup_once();
}
