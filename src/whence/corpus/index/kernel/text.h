/* The text that is indexed: all documents' tokens laid end to end, and where each document ends.

   A place is the number of a token in this text. The suffix at a place runs to the end of its
   document and no further. Suffixes are ordered token by token; one that is the beginning of
   another comes first; equal ones are ordered by place.

   Tokens are unsigned numbers of 1, 2 or 4 bytes, little-endian as on every machine that this is
   built for. Eight bytes hold `per` tokens; `key_at` reads so many at once and turns them so
   that keys compare as the tokens do, one after another. */

#ifndef WHENCE_TEXT_H
#define WHENCE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the index is read and written on little-endian machines only"
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define prefetch(address) __builtin_prefetch((const void *)(address))

/* Places a block: for each block of the text, which document its first place lies in. */
#define BLOCK_SHIFT 7

typedef struct {
    const uint8_t *bytes;    /* the tokens */
    int width;               /* bytes a token: 1, 2 or 4 */
    int per;                 /* tokens in eight bytes */
    int64_t length;          /* tokens in all */
    const int64_t *bounds;   /* documents + 1 of them, from `base` on */
    int64_t base;            /* the bound that is place 0 */
    int64_t documents;
    const uint32_t *blocks;  /* document of each block's first place */
    const uint64_t *ends;    /* a bit for each place: the last one of its document */
    /* Suffixes that infini-gram sorted are in the order of their bytes as they lie in the file,
       and what follows a document's end, the first token of the next, is greater than all. */
    bool foreign;
} Text;

static inline uint64_t load(const uint8_t *from) {
    uint64_t word;
    memcpy(&word, from, 8);
    return word;
}

/* Eight bytes of tokens as a number that orders as they do. */
static inline uint64_t key_of(uint64_t word, int width) {
    word = __builtin_bswap64(word);
    if (width == 2)
        return (word >> 8 & 0x00ff00ff00ff00ffu) | (word & 0x00ff00ff00ff00ffu) << 8;
    if (width == 4) {
        word = (word >> 8 & 0x00ff00ff00ff00ffu) | (word & 0x00ff00ff00ff00ffu) << 8;
        return (word >> 16 & 0x0000ffff0000ffffu) | (word & 0x0000ffff0000ffffu) << 16;
    }
    return word;
}

static inline uint32_t token_at(const Text *text, int64_t place) {
    const uint8_t *at = text->bytes + place * text->width;
    if (text->width == 2) {
        uint16_t token;
        memcpy(&token, at, 2);
        return token;
    }
    if (text->width == 1) return *at;
    uint32_t token;
    memcpy(&token, at, 4);
    return token;
}

/* Where a token stands in the order of suffixes. */
static inline uint32_t ranked(const Text *text, uint32_t token) {
    return text->foreign ? __builtin_bswap32(token) >> (32 - 8 * text->width) : token;
}

/* The document of a place: the last one that begins at it or before; empty ones are passed over. */
static inline int64_t document_of(const Text *text, int64_t place) {
    int64_t low = text->blocks[place >> BLOCK_SHIFT];
    const int64_t *bounds = text->bounds;
    int64_t at = place + text->base;
    if (bounds[low + 1] > at) return low;
    int64_t high = low + 2, step = 1;
    while (high < text->documents && bounds[high] <= at) {
        low = high;
        high += step;
        step *= 2;
    }
    if (high > text->documents) high = text->documents;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (bounds[middle] <= at) low = middle;
        else high = middle;
    }
    return low;
}

/* Tokens from a place to the end of its document. */
static inline int64_t remaining(const Text *text, int64_t place) {
    return text->bounds[document_of(text, place) + 1] - text->base - place;
}

/* Whether a document ends after fewer than `per` tokens from `place` on, counting one that ends
   right before it. Only for text in memory, where `ends` is. */
static inline bool end_is_near(const Text *text, int64_t place) {
    int64_t before = place - 1;
    uint64_t bits = load((const uint8_t *)text->ends + (before >> 3)) >> (before & 7);
    return (bits & ((1u << text->per) - 1)) != 0;
}

/* The key at a place where `left` < per tokens are left; what is missing reads as 0. */
static inline uint64_t last_key(const Text *text, int64_t place, int64_t left) {
    uint64_t word = 0;
    if (left > 0) memcpy(&word, text->bytes + place * text->width, (size_t)(left * text->width));
    return key_of(word, text->width);
}

#endif
