/* See jpeg.h. */
#include "jpeg.h"
#include <string.h>

/* Huffman tables as a DHT segment holds them: class and number, counts of the 16 lengths, symbols. */
static const uint8_t dc_luma[] = { 0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0,  0, 0,
                                   0,    0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
static const uint8_t dc_chroma[] = { 0x01, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0,  0, 0,
                                     0,    0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
static const uint8_t ac_luma[] = {
    0x10, 0,    2,    1,    3,    3,    2,    4,    3,    5,    5,    4,    4,    0,    0,    1,    125,
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22,
    0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33,
    0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34,
    0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55,
    0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76,
    0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5,
    0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4,
    0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1,
    0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa
};
static const uint8_t ac_chroma[] = {
    0x11, 0,    2,    1,    2,    4,    4,    3,    4,    7,    5,    4,    4,    0,    1,    2,    119,
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13,
    0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62,
    0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29,
    0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54,
    0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75,
    0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94,
    0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3,
    0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2,
    0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea,
    0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa
};

static const struct {
    const uint8_t *bytes;
    size_t length;
} tables[] = {
    { dc_luma, sizeof dc_luma },
    { ac_luma, sizeof ac_luma },
    { dc_chroma, sizeof dc_chroma },
    { ac_chroma, sizeof ac_chroma },
};

/* ---- writing entropy-coded data ---- */

struct bit_writer {
    uint8_t *next;
    uint32_t pending;
    int count;
};

static void put(struct bit_writer *w, uint32_t value, int bits)
{
    w->pending = w->pending << bits | value;
    w->count += bits;
    while (w->count >= 8) {
        uint8_t byte = w->pending >> (w->count - 8);
        *w->next++ = byte;
        if (byte == 0xff)
            *w->next++ = 0; /* so that it is no marker */
        w->count -= 8;
    }
}

/* One flat luma block: the difference to the DC before it (F.1.2.1), then end of block. */
static void put_luma_block(struct bit_writer *w, int difference)
{
    static const struct {
        uint8_t code, length;
    } categories[] = { { 0, 2 },  { 2, 3 },  { 3, 3 },  { 4, 3 },   { 5, 3 },  { 6, 3 },
                       { 14, 4 }, { 30, 5 }, { 62, 6 }, { 126, 7 }, { 254, 8 } };
    int magnitude = difference < 0 ? -difference : difference;
    int category = 0;
    while (magnitude >> category)
        category++;
    put(w, categories[category].code, categories[category].length);
    if (category)
        put(w, difference < 0 ? (difference - 1) & ((1 << category) - 1) : difference, category);
    put(w, 10, 4);
}

unsigned stamp_columns(unsigned width)
{
    return width / 8 < 32 ? width / 8 : 32;
}

int stamp_luma(const uint32_t stamp[4], unsigned columns, unsigned column, unsigned row)
{
    unsigned square = row * columns + column;
    if (column >= columns || square >= STAMP_SQUARES)
        return -1;
    return stamp[square / 32] >> (31 - square % 32) & 1 ? 235 : 16;
}

/* One row of MCUs, 16 x mcu_height pixels each: luma flat per block, chroma neutral. */
static uint8_t *put_row(uint8_t *out, unsigned width, unsigned row, int mcu_height, int quantizer,
                        const uint32_t stamp[4], uint32_t time, block_luma *picture)
{
    struct bit_writer w = { out, 0, 0 };
    unsigned columns = stamp_columns(width);
    int last = 0;
    for (unsigned mcu = 0; mcu < (width + 15) / 16; mcu++) {
        for (int block = 0; block < mcu_height / 4; block++) {
            unsigned column = mcu * 2 + block % 2;
            unsigned block_row = row * (mcu_height / 8) + block / 2;
            int luma = stamp_luma(stamp, columns, column, block_row);
            if (luma < 0)
                luma = picture ? picture(column, block_row, time) : 16;
            int dc = ((luma - 128) * 8 + (luma < 128 ? -quantizer : quantizer) / 2) / quantizer;
            put_luma_block(&w, dc - last);
            last = dc;
        }
        put(&w, 0, 4); /* Cb: no difference (00), end of block (00) */
        put(&w, 0, 4); /* Cr */
    }
    if (w.count)
        put(&w, (1 << (8 - w.count)) - 1, 8 - w.count);
    return w.next;
}

/* ---- finding where to cut ---- */

/* Is every table of this DHT segment the one of Annex K? Ours must decode with them. */
static int standard_tables(const uint8_t *segment, size_t length)
{
    size_t size;
    for (size_t at = 0; at + 17 <= length; at += size) {
        size = 17;
        for (int bits = 1; bits <= 16; bits++)
            size += segment[at + bits];
        if (at + size > length)
            return 0;
        int known = 0;
        for (int i = 0; i < 4; i++)
            if (tables[i].length == size && !memcmp(segment + at, tables[i].bytes, size))
                known = 1;
        if (!known)
            return 0;
    }
    return 1;
}

int splice_find(struct splice *s, const uint8_t *jpeg, size_t length)
{
    int can_cut = 1;
    int restart_interval = 0;
    int sampling = 0;
    *s = (struct splice){ .jpeg = jpeg, .length = length, .dc_quantizer = 16 };
    if (length < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8)
        return 0;

    size_t at = 2;
    while (!s->head) {
        if (at + 4 >= length || jpeg[at] != 0xff)
            return 0;
        int marker = jpeg[at + 1];
        size_t size = jpeg[at + 2] << 8 | jpeg[at + 3];
        const uint8_t *body = jpeg + at + 4;
        if (size < 2 || at + 2 + size > length)
            return 0;
        switch (marker) {
        case 0xdb: /* DQT */
            for (size_t k = 0; k + 65 <= size - 2; k += 65) {
                if (body[k] == 0)
                    s->dc_quantizer = body[k + 1];
                if (body[k] > 15)
                    can_cut = 0; /* 16-bit entries */
            }
            break;
        case 0xdd: /* DRI */
            restart_interval = body[0] << 8 | body[1];
            break;
        case 0xc4: /* DHT */
            can_cut &= standard_tables(body, size - 2);
            break;
        case 0xc0: /* SOF0 ... */
        case 0xc1:
        case 0xc2:
            s->height = body[1] << 8 | body[2];
            s->width = body[3] << 8 | body[4];
            sampling = body[7];
            can_cut &= marker == 0xc0 && body[5] == 3;
            break;
        case 0xda: /* SOS */
            s->head = at + 2 + size;
            break;
        }
        at += 2 + size;
    }
    if (!s->width)
        return 0;
    s->mcu_height = (sampling & 15) * 8;
    can_cut &= sampling == 0x21 || sampling == 0x22;
    if (!can_cut || restart_interval != (s->width + 15) / 16)
        return 1;

    unsigned columns = stamp_columns(s->width);
    unsigned stamp_height = (STAMP_SQUARES + columns - 1) / columns * 8;
    unsigned needed = (stamp_height + s->mcu_height - 1) / s->mcu_height;
    unsigned seen = 0;
    for (at = s->head; at + 1 < length; at++) {
        if (jpeg[at] == 0xff && jpeg[at + 1] >= 0xd0 && jpeg[at + 1] <= 0xd7 && ++seen == needed) {
            s->tail = at + 2;
            s->rows = needed;
            break;
        }
    }
    return 1;
}

/* ---- whole frames ---- */

static uint8_t *append(uint8_t *out, const void *bytes, size_t length)
{
    memcpy(out, bytes, length);
    return out + length;
}

static uint8_t *put_stamp_segment(uint8_t *out, const uint32_t stamp[4])
{
    static const uint8_t head[] = { 0xff, 0xd8, 0xff, 0xe9, 0, 26, 'F', 'A', 'K', 'E', 'C', 'A', 'M', 0 };
    out = append(out, head, sizeof head);
    for (int i = 0; i < 16; i++)
        *out++ = stamp[i / 4] >> (24 - i % 4 * 8);
    return out;
}

static uint8_t *put_spliced(uint8_t *out, const struct splice *s, const uint32_t stamp[4], int without_dht)
{
    for (size_t at = 2; at < s->head;) {
        size_t size = 2 + (s->jpeg[at + 2] << 8 | s->jpeg[at + 3]);
        if (!without_dht || s->jpeg[at + 1] != 0xc4)
            out = append(out, s->jpeg + at, size);
        at += size;
    }
    for (int row = 0; row < s->rows; row++) {
        out = put_row(out, s->width, row, s->mcu_height, s->dc_quantizer, stamp, 0, NULL);
        *out++ = 0xff;
        *out++ = 0xd0 + row % 8;
    }
    size_t from = s->rows ? s->tail : s->head;
    return append(out, s->jpeg + from, s->length - from);
}

static uint8_t *put_synthetic(uint8_t *out, unsigned width, unsigned height, const uint32_t stamp[4],
                              uint32_t time, block_luma *picture, int without_dht)
{
    enum { QUANTIZER = 8 };
    for (int table = 0; table < 2; table++) {
        const uint8_t head[] = { 0xff, 0xdb, 0, 67, table };
        out = append(out, head, sizeof head);
        memset(out, QUANTIZER, 64);
        out += 64;
    }
    unsigned mcus = (width + 15) / 16;
    const uint8_t frame[] = { 0xff,  0xc0, 0,    17, 8,    height >> 8, height, width >> 8,
                              width, 3, /* 4:2:2 */
                              1,     0x21, 0,    2,  0x11, 1,           3,      0x11,
                              1,     0xff, 0xdd, 0,  4,    mcus >> 8,   mcus }; /* a restart after each row */
    out = append(out, frame, sizeof frame);
    for (int i = 0; i < 4 && !without_dht; i++) {
        const uint8_t head[] = { 0xff, 0xc4, 0, tables[i].length + 2 };
        out = append(out, head, sizeof head);
        out = append(out, tables[i].bytes, tables[i].length);
    }
    static const uint8_t scan[] = { 0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0 };
    out = append(out, scan, sizeof scan);
    unsigned rows = (height + 7) / 8;
    for (unsigned row = 0; row < rows; row++) {
        out = put_row(out, width, row, 8, QUANTIZER, stamp, time, picture);
        *out++ = 0xff;
        *out++ = row < rows - 1 ? 0xd0 + row % 8 : 0xd9;
    }
    return out;
}

size_t jpeg_frame(uint8_t *out, const struct splice *splice, unsigned width, unsigned height,
                  const uint32_t stamp[4], uint32_t time, block_luma *picture, int without_dht)
{
    uint8_t *end = put_stamp_segment(out, stamp);
    if (splice)
        end = put_spliced(end, splice, stamp, without_dht);
    else
        end = put_synthetic(end, width, height, stamp, time, picture, without_dht);
    return end - out;
}
