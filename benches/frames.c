/* frames DIRECTORY WIDTHxHEIGHT COUNT QUALITY: test pictures for the fake camera, the same ones each time.
 *
 * They resemble those of a fixed camera: a scene whose detail falls off as 1/f (as that of photographs does), hard
 * edges, a few objects that move across it, and the noise of a sensor. Each picture is written as
 * NNN.yuyv and, compressed from the same samples, as NNN.jpg: 4:2:2, a restart interval for each row
 * of MCUs and the standard Huffman tables, so that the fake camera can put its stamp into it. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <jpeglib.h>

static unsigned width, height;

/* ---- noise ---- */

/* A well mixed number for a lattice point (the finalizer of MurmurHash3), 0..1. */
static float hash(int32_t x, int32_t y, uint32_t seed)
{
    uint32_t h = seed * 0x9e3779b9u ^ (uint32_t)x * 0x85ebca6bu ^ (uint32_t)y * 0xc2b2ae35u;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return (h ^ h >> 16) / 4294967296.0f;
}

/* Noise with one feature to a unit of length, -1..1. */
static float value_noise(float x, float y, uint32_t seed)
{
    float fx = floorf(x), fy = floorf(y);
    float tx = x - fx, ty = y - fy;
    tx = tx * tx * (3 - 2 * tx);
    ty = ty * ty * (3 - 2 * ty);
    int ix = fx, iy = fy;
    float top = hash(ix, iy, seed) * (1 - tx) + hash(ix + 1, iy, seed) * tx;
    float bottom = hash(ix, iy + 1, seed) * (1 - tx) + hash(ix + 1, iy + 1, seed) * tx;
    return 2 * (top * (1 - ty) + bottom * ty) - 1;
}

/* Octaves whose amplitude halves as the frequency doubles: a 1/f spectrum, about -1..1. */
static float texture(float x, float y, uint32_t seed, int octaves)
{
    float sum = 0, amplitude = 0.5f;
    for (int i = 0; i < octaves; i++) {
        sum += amplitude * value_noise(x, y, seed + i);
        x *= 2;
        y *= 2;
        amplitude *= 0.5f;
    }
    return sum;
}

/* ---- the scene, in units of the picture's height ---- */

struct colour {
    float y, cb, cr;
};

enum { OBJECTS = 9 };

static struct colour scene(float x, float y, int time)
{
    /* Ground and walls: regions with hard edges, each with its own fine texture. */
    float region = floorf(3 * texture(x * 1.7f, y * 1.7f, 1, 2));
    struct colour c = {
        125 + 26 * region + 165 * texture(x * 13, y * 13, 10, 7),
        128 + 22 * texture(x * 2, y * 2, 30, 4),
        128 + 22 * texture(x * 2, y * 2, 40, 4),
    };
    /* Objects: upright ellipses that walk from side to side, textured, with a dark rim. */
    for (int i = 0; i < OBJECTS; i++) {
        float speed = (i % 2 ? 1 : -1) * (0.006f + 0.004f * hash(i, 0, 50));
        float cx = hash(i, 1, 50) * width / height + speed * time;
        float cy = 0.3f + 0.6f * hash(i, 2, 50);
        float size = 0.05f + 0.08f * hash(i, 3, 50);
        float dx = (x - cx) / size, dy = (y - cy) / (1.8f * size);
        float distance = dx * dx + dy * dy;
        if (distance < 1) {
            c.y = distance > 0.85f ? 30 : 60 + 140 * hash(i, 4, 50) + 50 * texture(dx * 3, dy * 3, 60 + i, 6);
            c.cb = 128 + 60 * (hash(i, 5, 50) - 0.5f);
            c.cr = 128 + 60 * (hash(i, 6, 50) - 0.5f);
        }
    }
    return c;
}

static uint8_t sample(float value)
{
    return value < 16 ? 16 : value > 235 ? 235 : (uint8_t)(value + 0.5f);
}

/* 4:2:2, in planes: the Cb and Cr of a pair of pixels are those between the two. */
static void draw(uint8_t *y, uint8_t *cb, uint8_t *cr, int time)
{
    float pan = 0.002f * time;
    for (unsigned row = 0; row < height; row++) {
        for (unsigned column = 0; column < width; column++) {
            size_t at = (size_t)row * width + column;
            struct colour c = scene((float)column / height + pan, (float)row / height, time);
            /* Three uniform numbers summed are near enough to a bell curve; 1.6 steps deep. */
            float noise = hash(column, row, 100 + 3 * time) + hash(column, row, 101 + 3 * time) +
                          hash(column, row, 102 + 3 * time) - 1.5f;
            y[at] = sample(c.y + 3.2f * noise);
            if (column % 2 == 0) {
                cb[at / 2] = sample(c.cb + noise);
                cr[at / 2] = sample(c.cr - noise);
            }
        }
    }
}

/* ---- files ---- */

static FILE *create(const char *directory, int number, const char *extension)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%03d.%s", directory, number, extension);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

static void close_file(FILE *file)
{
    if (fclose(file)) {
        perror("frames");
        exit(1);
    }
}

static void write_yuyv(FILE *file, const uint8_t *y, const uint8_t *cb, const uint8_t *cr)
{
    size_t pairs = (size_t)width * height / 2;
    uint8_t *packed = malloc(pairs * 4);
    for (size_t i = 0; i < pairs; i++) {
        packed[4 * i] = y[2 * i];
        packed[4 * i + 1] = cb[i];
        packed[4 * i + 2] = y[2 * i + 1];
        packed[4 * i + 3] = cr[i];
    }
    fwrite(packed, 4, pairs, file);
    free(packed);
}

static void write_jpeg(FILE *file, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int quality)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, file);
    c.image_width = width;
    c.image_height = height;
    c.input_components = 3;
    c.in_color_space = JCS_YCbCr;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    c.comp_info[0].h_samp_factor = 2;
    c.comp_info[0].v_samp_factor = 1;
    c.restart_in_rows = 1;
    c.raw_data_in = TRUE;
    jpeg_start_compress(&c, TRUE);
    for (unsigned row = 0; row < height; row += DCTSIZE) {
        JSAMPROW rows[3][DCTSIZE];
        JSAMPARRAY planes[3] = { rows[0], rows[1], rows[2] };
        for (unsigned i = 0; i < DCTSIZE; i++) {
            size_t line = row + i < height ? row + i : height - 1;
            rows[0][i] = (JSAMPROW)y + line * width;
            rows[1][i] = (JSAMPROW)cb + line * width / 2;
            rows[2][i] = (JSAMPROW)cr + line * width / 2;
        }
        jpeg_write_raw_data(&c, planes, DCTSIZE);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
}

int main(int argc, char **argv)
{
    int count, quality;
    if (argc != 5 || sscanf(argv[2], "%ux%u", &width, &height) != 2 || width % 16 ||
        (count = atoi(argv[3])) < 1 || (quality = atoi(argv[4])) < 1) {
        fprintf(stderr, "usage: frames DIRECTORY WIDTHxHEIGHT COUNT QUALITY   (width: a multiple of 16)\n");
        return 2;
    }
    mkdir(argv[1], 0777);
    size_t pixels = (size_t)width * height;
    uint8_t *y = malloc(pixels), *cb = malloc(pixels / 2), *cr = malloc(pixels / 2);
    for (int i = 0; i < count; i++) {
        draw(y, cb, cr, i);
        FILE *file = create(argv[1], i, "yuyv");
        write_yuyv(file, y, cb, cr);
        close_file(file);
        file = create(argv[1], i, "jpg");
        write_jpeg(file, y, cb, cr, quality);
        close_file(file);
    }
    free(y);
    free(cb);
    free(cr);
    return 0;
}
