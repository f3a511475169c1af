/* The V4L2 questions and answers. All run with camera.lock held. */
#include "camera.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- formats, sizes, rates ---- */

/* The nearest format there is, as VIDIOC_TRY_FMT must answer. */
void adjust_format(struct v4l2_pix_format *pix)
{
    int format = 0;
    int size = 0;
    long best = -1;
    for (int i = 0; i < camera.nformats; i++)
        if (camera.formats[i] == pix->pixelformat)
            format = i;
    for (int i = 0; i < camera.nsizes; i++) {
        long distance =
            labs((long)camera.sizes[i].width - pix->width) + labs((long)camera.sizes[i].height - pix->height);
        if (best < 0 || distance < best) {
            best = distance;
            size = i;
        }
    }
    *pix = (struct v4l2_pix_format){
        .pixelformat = camera.formats[format],
        .width = camera.sizes[size].width,
        .height = camera.sizes[size].height,
        .field = V4L2_FIELD_NONE,
        .colorspace = is_jpeg(camera.formats[format]) ? V4L2_COLORSPACE_JPEG : V4L2_COLORSPACE_SRGB,
    };
    int bits = bits_per_pixel(pix->pixelformat);
    int planar = bits == 12;
    unsigned row = planar ? pix->width : pix->width * bits / 8;
    if (is_jpeg(pix->pixelformat)) {
        pix->sizeimage = row * pix->height;
    } else {
        pix->bytesperline = (row + camera.row_multiple - 1) / camera.row_multiple * camera.row_multiple;
        pix->sizeimage = pix->bytesperline * pix->height * (planar ? 3 : 2) / 2;
    }
}

static int has_format(uint32_t format)
{
    for (int i = 0; i < camera.nformats; i++)
        if (camera.formats[i] == format)
            return 1;
    return 0;
}

static int has_size(unsigned width, unsigned height)
{
    for (int i = 0; i < camera.nsizes; i++)
        if (camera.sizes[i].width == width && camera.sizes[i].height == height)
            return 1;
    return 0;
}

/* Seconds per frame; whole rates as 1/N. */
static struct v4l2_fract interval(double rate)
{
    uint32_t thousandths = rate * 1000 + 0.5;
    if (thousandths % 1000 == 0)
        return (struct v4l2_fract){ 1, thousandths / 1000 };
    return (struct v4l2_fract){ 1000, thousandths };
}

static void choose_rate(struct v4l2_fract wanted)
{
    camera.rate = camera.rates[0];
    if (!wanted.numerator || !wanted.denominator)
        return;
    double rate = (double)wanted.denominator / wanted.numerator;
    double best = -1;
    for (int i = 0; i < camera.nrates; i++) {
        double distance = camera.rates[i] > rate ? camera.rates[i] - rate : rate - camera.rates[i];
        if (best < 0 || distance < best) {
            best = distance;
            camera.rate = camera.rates[i];
        }
    }
}

/* ---- one function for each question ---- */

static int query_capabilities(struct v4l2_capability *c)
{
    *c = (struct v4l2_capability){
        .driver = "fakecam",
        .version = 0x060100,
        .device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_EXT_PIX_FORMAT,
    };
    c->capabilities = c->device_caps | V4L2_CAP_DEVICE_CAPS;
    snprintf((char *)c->card, sizeof c->card, "%s", setting("FAKECAM_NAME", "Fake Camera"));
    snprintf((char *)c->bus_info, sizeof c->bus_info, "platform:fakecam-%d", camera.minor);
    return 0;
}

static int enumerate_formats(struct v4l2_fmtdesc *f)
{
    if (f->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || (int)f->index >= camera.nformats)
        return fail(EINVAL);
    uint32_t format = camera.formats[f->index];
    *f = (struct v4l2_fmtdesc){
        .index = f->index,
        .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
        .pixelformat = format,
        .flags = is_jpeg(format) ? V4L2_FMT_FLAG_COMPRESSED : 0,
    };
    char *text = (char *)f->description;
    if (is_jpeg(format))
        snprintf(text, sizeof f->description, "Motion-JPEG");
    else if (format == V4L2_PIX_FMT_YUYV || format == V4L2_PIX_FMT_UYVY)
        snprintf(text, sizeof f->description, "%.4s 4:2:2", (char *)&format);
    else
        snprintf(text, sizeof f->description, "%.4s", (char *)&format);
    return 0;
}

static int enumerate_sizes(struct v4l2_frmsizeenum *s)
{
    if (fault("nosizes", 0, NULL))
        return fail(ENOTTY);
    if (!has_format(s->pixel_format) || (int)s->index >= camera.nsizes)
        return fail(EINVAL);
    s->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    s->discrete.width = camera.sizes[s->index].width;
    s->discrete.height = camera.sizes[s->index].height;
    memset(s->reserved, 0, sizeof s->reserved);
    return 0;
}

static int enumerate_intervals(struct v4l2_frmivalenum *v)
{
    if (fault("norates", 0, NULL))
        return fail(EINVAL);
    if (!has_format(v->pixel_format) || !has_size(v->width, v->height) || (int)v->index >= camera.nrates)
        return fail(EINVAL);
    v->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    v->discrete = interval(camera.rates[v->index]);
    memset(v->reserved, 0, sizeof v->reserved);
    return 0;
}

static int format(uint32_t request, struct v4l2_format *f)
{
    if (f->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return fail(EINVAL);
    if (request == VIDIOC_G_FMT) {
        f->fmt.pix = camera.pix;
        return 0;
    }
    if (request == VIDIOC_S_FMT && (camera.nbuffers || live_fault("busy")))
        return fail(EBUSY);
    adjust_format(&f->fmt.pix);
    if (request == VIDIOC_S_FMT) {
        camera.pix = f->fmt.pix;
        say("fmt %.4s %ux%u", (char *)&camera.pix.pixelformat, camera.pix.width, camera.pix.height);
    }
    return 0;
}

static int parameters(uint32_t request, struct v4l2_streamparm *p)
{
    double error = ENOTTY;
    if (fault("noparm", 0, &error))
        return fail((int)error);
    if (p->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return fail(EINVAL);
    struct v4l2_captureparm *capture = &p->parm.capture;
    if (request == VIDIOC_S_PARM) {
        if (camera.streaming || live_fault("busy"))
            return fail(EBUSY);
        choose_rate(capture->timeperframe);
    }
    *capture = (struct v4l2_captureparm){
        .capability = V4L2_CAP_TIMEPERFRAME,
        .timeperframe = interval(camera.rate),
    };
    return 0;
}

static int query_buffer(struct v4l2_buffer *b)
{
    if (b->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || (int)b->index >= camera.nbuffers)
        return fail(EINVAL);
    describe_buffer(b->index, b);
    return 0;
}

static int enumerate_inputs(struct v4l2_input *i)
{
    if (i->index)
        return fail(EINVAL);
    *i = (struct v4l2_input){ .name = "Camera 1", .type = V4L2_INPUT_TYPE_CAMERA };
    return 0;
}

static int set_priority(const enum v4l2_priority *priority)
{
    if ((unsigned)*priority > V4L2_PRIORITY_RECORD)
        return fail(EINVAL);
    camera.priority = *priority;
    return 0;
}

static int answer(int error)
{
    return error ? fail(error) : 0;
}

int camera_ioctl(struct handle *handle, int fd, uint32_t request, void *argument)
{
    if (handle->generation != camera.generation)
        return fail(ENODEV);
    if ((uintptr_t)argument < 4096) { /* NULL, as probing programs pass it */
        int known = _IOC_TYPE(request) == 'V' && _IOC_NR(request) < 104 && _IOC_SIZE(request);
        return fail(known ? EFAULT : ENOTTY);
    }
    if (camera.owner && camera.owner->generation != camera.generation)
        free_buffers(-1); /* left by a handle from before the unplugging */

    int capture = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    switch (request) {
    case VIDIOC_QUERYCAP:
        return query_capabilities(argument);
    case VIDIOC_ENUM_FMT:
        return enumerate_formats(argument);
    case VIDIOC_ENUM_FRAMESIZES:
        return enumerate_sizes(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS:
        return enumerate_intervals(argument);
    case VIDIOC_G_FMT:
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT:
        return format(request, argument);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
        return parameters(request, argument);
    case VIDIOC_REQBUFS:
        return request_buffers(handle, fd, argument);
    case VIDIOC_QUERYBUF:
        return query_buffer(argument);
    case VIDIOC_QBUF:
        return queue_buffer(handle, argument);
    case VIDIOC_DQBUF:
        return dequeue_buffer(handle, fd, argument);
    case VIDIOC_STREAMON:
        return *(int *)argument == capture && camera.nbuffers ? stream_on(handle) : fail(EINVAL);
    case VIDIOC_STREAMOFF:
        return *(int *)argument == capture ? stream_off(handle, fd) : fail(EINVAL);
    case VIDIOC_QUERYCTRL:
        return answer(query_control(argument));
    case VIDIOC_QUERY_EXT_CTRL:
        return answer(query_ext_control(argument));
    case VIDIOC_QUERYMENU:
        return answer(query_menu(argument));
    case VIDIOC_G_CTRL:
    case VIDIOC_S_CTRL:
        return answer(one_control(request, argument));
    case VIDIOC_G_EXT_CTRLS:
    case VIDIOC_TRY_EXT_CTRLS:
    case VIDIOC_S_EXT_CTRLS:
        return answer(many_controls(request, argument));
    case VIDIOC_ENUMINPUT:
        return enumerate_inputs(argument);
    case VIDIOC_G_INPUT:
        *(int *)argument = 0;
        return 0;
    case VIDIOC_S_INPUT:
        return *(int *)argument ? fail(EINVAL) : 0;
    case VIDIOC_G_PRIORITY:
        *(enum v4l2_priority *)argument = camera.priority;
        return 0;
    case VIDIOC_S_PRIORITY:
        return set_priority(argument);
    case VIDIOC_EXPBUF:
        return fail(EINVAL);
    }
    return fail(ENOTTY);
}
