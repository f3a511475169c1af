/* Just enough JPEG (ITU-T T.81, baseline, the tables of its Annex K) to write rows of flat 8x8
 * blocks: whole synthetic frames, or the top rows of a real JPEG whose restart interval is one MCU
 * row, without decoding it. */
#ifndef FAKECAM_JPEG_H
#define FAKECAM_JPEG_H
#include <stddef.h>
#include <stdint.h>

enum { STAMP_SQUARES = 128, JPEG_HEADROOM = 40000 /* bytes a frame may grow by */ };

/* Where a JPEG file can be cut, so that its first `rows` MCU rows can be replaced. */
struct splice {
    const uint8_t *jpeg;
    size_t length;
    size_t head; /* bytes up to the entropy-coded data */
    size_t tail; /* where the rows that stay begin */
    int width, height;
    int mcu_height;   /* 8 (4:2:2) or 16 (4:2:0) */
    int dc_quantizer; /* of luma */
    int rows;         /* 0: the picture cannot be cut, only the APP9 stamp is added */
};

/* The luma of a synthetic picture's 8x8 block at that row and column at that time. */
typedef int block_luma(unsigned column, unsigned row, uint32_t time);

/* Squares of the stamp to a row in a picture of that width. */
unsigned stamp_columns(unsigned width);
/* 16 or 235; -1 if the block is not part of the stamp. */
int stamp_luma(const uint32_t stamp[4], unsigned columns, unsigned column, unsigned row);

/* 1, or 0 if the JPEG cannot be used. */
int splice_find(struct splice *splice, const uint8_t *jpeg, size_t length);

/* Writes one frame at `out`: the stamp in APP9, then the cut (splice) or synthetic (NULL) picture
 * with the stamp on top. Returns its length: at most the file's + JPEG_HEADROOM. */
size_t jpeg_frame(uint8_t *out, const struct splice *splice, unsigned width, unsigned height,
                  const uint32_t stamp[4], uint32_t time, block_luma *picture, int without_dht);
#endif
