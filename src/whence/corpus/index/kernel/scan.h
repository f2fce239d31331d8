/* Going through ranges of sorted suffixes; see scan.c. */

#ifndef WHENCE_SCAN_H
#define WHENCE_SCAN_H

#include "search.h"

/* A growing list of numbers. */
typedef struct {
    int64_t *values;
    int64_t count, room;
} Numbers;

/* What follows `depth` tokens in suffixes [low, high), none of which end there: pairs of a token
   and how often, the most frequent first, then by token. False where memory ends. */
bool following(Array *array, int64_t low, int64_t high, int64_t depth, Numbers *pairs);

/* The places of suffixes [low, high), the least `limit` of them in no order; returns how many. */
int64_t places_of(Array *array, int64_t low, int64_t high, int64_t limit, int64_t *places);

/* Everything of at least `shortest` tokens that occurs twice and cannot be made longer on either
   side without losing an occurrence: triples of length, count and a place, in the order of the
   suffixes; the longest `limit` of them where that is not negative. */
bool repeats(Array *array, int64_t shortest, int64_t limit, Numbers *triples);

/* Makes the number of each document of suffixes [low, high) at least `value`. */
void raise_documents(Array *array, int64_t low, int64_t high, int64_t value, int64_t *numbers);

/* Packs the suffixes in the documents whose byte is not 0, in their order, `most` at most;
   returns how many, or -1 where memory ends. */
int64_t filter(Array *array, const uint8_t *documents, int64_t most, uint8_t *packed);

/* Appends numbers of `bits` bits to a zeroed array of bytes. */
typedef struct {
    uint8_t *at;
    uint64_t word;
    int held;
} Packer;

static inline void pack(Packer *packer, uint64_t value, int bits) {
    packer->word |= value << packer->held;
    packer->held += bits;
    if (packer->held >= 64) {
        memcpy(packer->at, &packer->word, 8);
        packer->at += 8;
        packer->held -= 64;
        packer->word = packer->held ? value >> (bits - packer->held) : 0;
    }
}

#endif
