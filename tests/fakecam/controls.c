/* The controls of a usual USB camera, their automatic modes included. Names and numbers are the
 * kernel's (v4l2-ctrls-defs.c); values live as long as the process, and go back to the defaults
 * when the camera is unplugged. Called with camera.lock held; each function gives 0 or an errno. */
#include "camera.h"
#include <stdio.h>
#include <string.h>

#define MORE_BASE (V4L2_CTRL_CLASS_IMAGE_PROC | 0x1f00)

static struct control {
    uint32_t id;
    enum v4l2_ctrl_type type;
    const char *title;
    const char *key; /* as v4l2-ctl names it, for the log */
    int min, max, step, standard;
    int value;
} controls[] = {
    /* in the order of their numbers, as they are enumerated */
    { V4L2_CID_USER_CLASS, V4L2_CTRL_TYPE_CTRL_CLASS, "User Controls", "", 0, 0, 0, 0, 0 },
    { V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, "Brightness", "brightness", 0, 255, 1, 128, 0 },
    { V4L2_CID_CONTRAST, V4L2_CTRL_TYPE_INTEGER, "Contrast", "contrast", 0, 255, 1, 32, 0 },
    { V4L2_CID_SATURATION, V4L2_CTRL_TYPE_INTEGER, "Saturation", "saturation", 0, 100, 1, 64, 0 },
    { V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CTRL_TYPE_BOOLEAN, "White Balance, Automatic",
      "white_balance_automatic", 0, 1, 1, 1, 0 },
    { V4L2_CID_DO_WHITE_BALANCE, V4L2_CTRL_TYPE_BUTTON, "Do White Balance", "do_white_balance", 0, 0, 0, 0,
      0 },
    { V4L2_CID_POWER_LINE_FREQUENCY, V4L2_CTRL_TYPE_MENU, "Power Line Frequency", "power_line_frequency", 0,
      2, 1, 2, 0 },
    { V4L2_CID_WHITE_BALANCE_TEMPERATURE, V4L2_CTRL_TYPE_INTEGER, "White Balance Temperature",
      "white_balance_temperature", 2800, 6500, 10, 4600, 0 },
    { V4L2_CID_CAMERA_CLASS, V4L2_CTRL_TYPE_CTRL_CLASS, "Camera Controls", "", 0, 0, 0, 0, 0 },
    { V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, "Auto Exposure", "auto_exposure", 0, 3, 1, 3, 0 },
    { V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Exposure Time, Absolute", "exposure_time_absolute",
      3, 2047, 1, 250, 0 },
    { V4L2_CID_EXPOSURE_AUTO_PRIORITY, V4L2_CTRL_TYPE_BOOLEAN, "Exposure, Dynamic Framerate",
      "exposure_dynamic_framerate", 0, 1, 1, 1, 0 }, /* with the fault "dim" */
    { V4L2_CID_FOCUS_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Focus, Absolute", "focus_absolute", 0, 255, 5, 0, 0 },
    { V4L2_CID_FOCUS_AUTO, V4L2_CTRL_TYPE_BOOLEAN, "Focus, Automatic Continuous",
      "focus_automatic_continuous", 0, 1, 1, 1, 0 },
    /* with the fault "more": one of every other kind */
    { V4L2_CID_IMAGE_PROC_CLASS, V4L2_CTRL_TYPE_CTRL_CLASS, "Image Processing Controls", "", 0, 0, 0, 0, 0 },
    { V4L2_CID_LINK_FREQ, V4L2_CTRL_TYPE_INTEGER_MENU, "Link Frequency", "link_frequency", 0, 2, 1, 0, 0 },
    { V4L2_CID_PIXEL_RATE, V4L2_CTRL_TYPE_INTEGER64, "Pixel Rate", "pixel_rate", 1000, 2000000000, 1000,
      50000000, 0 },
    { MORE_BASE, V4L2_CTRL_TYPE_BITMASK, "Detectors", "detectors", 0, 7, 0, 1, 0 },
    { MORE_BASE + 1, V4L2_CTRL_TYPE_STRING, "Serial", "serial", 0, 15, 1, 0, 0 },
    { MORE_BASE + 2, V4L2_CTRL_TYPE_INTEGER, "Temperature", "temperature", -40, 125, 1, 20, 0 },
    { MORE_BASE + 3, V4L2_CTRL_TYPE_INTEGER, "Brightness", "brightness_2", 0, 9, 1, 4, 0 },
    { MORE_BASE + 4, V4L2_CTRL_TYPE_INTEGER, "Unused", "unused", 0, 9, 1, 4, 0 },
    { MORE_BASE + 5, V4L2_CTRL_TYPE_INTEGER, "Step, Relative", "step_relative", -9, 9, 1, 0, 0 },
};
enum { NCONTROLS = sizeof controls / sizeof *controls };

/* NULL if the menu has no such item: the exposure menu has gaps at 0 and 2. */
static const char *menu_item(uint32_t id, int index)
{
    static const char *const exposure[] = { NULL, "Manual Mode", NULL, "Aperture Priority Mode" };
    static const char *const mains[] = { "Disabled", "50 Hz", "60 Hz" };
    if (id == V4L2_CID_EXPOSURE_AUTO && index >= 0 && index < 4)
        return exposure[index];
    if (id == V4L2_CID_POWER_LINE_FREQUENCY && index >= 0 && index < 3)
        return mains[index];
    return NULL;
}

void reset_controls(void)
{
    for (int i = 0; i < NCONTROLS; i++)
        controls[i].value = controls[i].standard;
}

static int left_out(const struct control *c)
{
    if (fault("nocontrols", 0, NULL))
        return 1;
    if (V4L2_CTRL_ID2CLASS(c->id) == V4L2_CTRL_CLASS_IMAGE_PROC)
        return !fault("more", 0, NULL);
    if (c->id == V4L2_CID_EXPOSURE_AUTO_PRIORITY)
        return !setting("FAKECAM_FAULTS", NULL) || !strstr(setting("FAKECAM_FAULTS", ""), "dim@");
    /* the camera comes back from unplugging as another one */
    if (c->id == V4L2_CID_SATURATION && camera.generation > 1 && fault("vanish", 0, NULL))
        return 1;
    return (c->id == V4L2_CID_FOCUS_ABSOLUTE || c->id == V4L2_CID_FOCUS_AUTO) && fault("nofocus", 0, NULL);
}

/* The control of that number, or with V4L2_CTRL_FLAG_NEXT_CTRL the first one behind it. */
static struct control *find(uint32_t id)
{
    int next = !!(id & V4L2_CTRL_FLAG_NEXT_CTRL);
    if (id & V4L2_CTRL_FLAG_NEXT_COMPOUND && !next)
        return NULL; /* there are no compound controls */
    id &= V4L2_CTRL_ID_MASK;
    for (int i = 0; i < NCONTROLS; i++) {
        struct control *c = &controls[i];
        if ((next ? c->id > id : c->id == id) && !left_out(c))
            return c;
    }
    return NULL;
}

static int value_of(uint32_t id)
{
    for (int i = 0; i < NCONTROLS; i++)
        if (controls[i].id == id)
            return controls[i].value;
    return 0;
}

static uint32_t flags_of(const struct control *c)
{
    switch (c->id) {
    case V4L2_CID_USER_CLASS:
    case V4L2_CID_CAMERA_CLASS:
        return V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_WRITE_ONLY;
    case V4L2_CID_DO_WHITE_BALANCE:
        return V4L2_CTRL_FLAG_WRITE_ONLY | V4L2_CTRL_FLAG_EXECUTE_ON_WRITE;
    case V4L2_CID_WHITE_BALANCE_TEMPERATURE:
        return value_of(V4L2_CID_AUTO_WHITE_BALANCE) ? V4L2_CTRL_FLAG_INACTIVE : 0;
    case V4L2_CID_EXPOSURE_ABSOLUTE:
        return value_of(V4L2_CID_EXPOSURE_AUTO) != V4L2_EXPOSURE_MANUAL ? V4L2_CTRL_FLAG_INACTIVE : 0;
    case V4L2_CID_FOCUS_ABSOLUTE:
        return value_of(V4L2_CID_FOCUS_AUTO) ? V4L2_CTRL_FLAG_INACTIVE : 0;
    case MORE_BASE + 2:
        return V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_VOLATILE;
    case MORE_BASE + 4:
        return V4L2_CTRL_FLAG_DISABLED;
    case MORE_BASE + 5:
        return V4L2_CTRL_FLAG_WRITE_ONLY;
    case V4L2_CID_AUTO_WHITE_BALANCE:
    case V4L2_CID_EXPOSURE_AUTO:
    case V4L2_CID_FOCUS_AUTO:
        return V4L2_CTRL_FLAG_UPDATE;
    }
    return 0;
}

int query_control(struct v4l2_queryctrl *query)
{
    struct control *c = find(query->id);
    if (!c)
        return EINVAL;
    int wide = c->type == V4L2_CTRL_TYPE_INTEGER64; /* its range does not fit here */
    *query = (struct v4l2_queryctrl){
        .id = c->id,
        .type = c->type,
        .minimum = wide ? 0 : c->min,
        .maximum = wide ? 0 : c->max,
        .step = wide ? 0 : c->step,
        .default_value = wide ? 0 : c->standard,
        .flags = flags_of(c),
    };
    snprintf((char *)query->name, sizeof query->name, "%s", c->title);
    return 0;
}

int query_ext_control(struct v4l2_query_ext_ctrl *query)
{
    struct control *c = find(query->id);
    if (!c)
        return EINVAL;
    *query = (struct v4l2_query_ext_ctrl){
        .id = c->id,
        .type = c->type,
        .minimum = c->min,
        .maximum = c->max,
        .step = c->step,
        .default_value = c->standard,
        .flags = flags_of(c),
        .elem_size = c->type == V4L2_CTRL_TYPE_CTRL_CLASS ? 0 : 4,
        .elems = 1,
    };
    snprintf(query->name, sizeof query->name, "%s", c->title);
    return 0;
}

int query_menu(struct v4l2_querymenu *item)
{
    if (item->id == V4L2_CID_LINK_FREQ && find(item->id) && item->index <= 2) {
        item->value = 100000000LL * (item->index + 1);
        item->reserved = 0;
        return 0;
    }
    const char *name = find(item->id) ? menu_item(item->id, item->index) : NULL;
    if (!name)
        return EINVAL;
    snprintf((char *)item->name, sizeof item->name, "%s", name);
    item->reserved = 0;
    return 0;
}

/* Checks that the value may be read, or (with set) written. Clamps it to the range, as drivers do. */
static int check(const struct control *c, int *value, int set)
{
    if (!c)
        return EINVAL;
    if (c->type == V4L2_CTRL_TYPE_CTRL_CLASS || (c->type == V4L2_CTRL_TYPE_BUTTON && !set))
        return EACCES;
    uint32_t flags = flags_of(c);
    if (c->type == V4L2_CTRL_TYPE_STRING || (set && flags & V4L2_CTRL_FLAG_READ_ONLY))
        return EACCES;
    if (!set && flags & V4L2_CTRL_FLAG_WRITE_ONLY)
        return EACCES;
    if (!set || c->type == V4L2_CTRL_TYPE_BUTTON)
        return 0;
    /* as uvcvideo: a control under an automatic mode is refused */
    if (flags & V4L2_CTRL_FLAG_INACTIVE && fault("strict", 0, NULL))
        return EACCES;
    if (fault("liar", 0, NULL)) {
        if (c->id == V4L2_CID_CONTRAST && *value > 64)
            return ERANGE;
        if (c->id == V4L2_CID_SATURATION && *value > 50)
            return 0; /* says yes, and see set() */
    }
    if (c->type == V4L2_CTRL_TYPE_INTEGER_MENU)
        return *value < c->min || *value > c->max ? ERANGE : 0;
    if (c->type == V4L2_CTRL_TYPE_BITMASK)
        return *value & ~c->max ? ERANGE : 0;
    if (c->type == V4L2_CTRL_TYPE_MENU) {
        if (*value < c->min || *value > c->max)
            return ERANGE;
        return menu_item(c->id, *value) ? 0 : EINVAL;
    }
    if (*value < c->min)
        *value = c->min;
    if (*value > c->max)
        *value = c->max;
    *value = c->min + (*value - c->min + c->step / 2) / c->step * c->step;
    if (*value > c->max)
        *value -= c->step;
    return 0;
}

static void set(struct control *c, int value)
{
    say("ctrl %s=%d", c->key, value);
    if (c->id == V4L2_CID_SATURATION && value > 50 && fault("liar", 0, NULL))
        value = 50;
    c->value = value;
}

static int refuse(const struct control *c, int value, int error)
{
    if (c)
        say("refused %s=%d", c->key, value);
    return error;
}

int one_control(unsigned long request, struct v4l2_control *control)
{
    int writing = request == VIDIOC_S_CTRL;
    struct control *c = find(control->id & V4L2_CTRL_ID_MASK);
    int error = check(c, &control->value, writing);
    if (error)
        return writing ? refuse(c, control->value, error) : error;
    if (writing)
        set(c, control->value);
    else
        control->value = c->value;
    return 0;
}

/* G, S and TRY_EXT_CTRLS: all are checked before any is set. */
int many_controls(unsigned long request, struct v4l2_ext_controls *list)
{
    int reading = request == VIDIOC_G_EXT_CTRLS;
    int defaults = list->which == V4L2_CTRL_WHICH_DEF_VAL;
    if (defaults && !reading)
        return EINVAL;
    for (uint32_t i = 0; i < list->count; i++) {
        struct v4l2_ext_control *one = &list->controls[i];
        struct control *c = find(one->id & V4L2_CTRL_ID_MASK);
        int value = one->value; /* not its address: the struct is packed */
        int error = check(c, &value, !reading);
        one->value = value;
        if (!error && list->which && !defaults && V4L2_CTRL_ID2CLASS(c->id) != list->which)
            error = EINVAL;
        if (error) {
            list->error_idx = request == VIDIOC_TRY_EXT_CTRLS ? i : list->count;
            return request == VIDIOC_S_EXT_CTRLS ? refuse(c, value, error) : error;
        }
    }
    for (uint32_t i = 0; i < list->count; i++) {
        struct v4l2_ext_control *one = &list->controls[i];
        struct control *c = find(one->id & V4L2_CTRL_ID_MASK);
        if (request == VIDIOC_S_EXT_CTRLS)
            set(c, one->value);
        else if (reading && c->type == V4L2_CTRL_TYPE_INTEGER64)
            one->value64 = defaults ? c->standard : c->value;
        else if (reading)
            one->value = defaults ? c->standard : c->value;
    }
    return 0;
}
