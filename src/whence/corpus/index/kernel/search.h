/* Searching the suffixes of a text; see search.c. */

#ifndef WHENCE_SEARCH_H
#define WHENCE_SEARCH_H

#include "text.h"

/* One key for this many suffixes. */
#define STEP 256

/* Queries that go side by side. */
#define BATCH 64

typedef struct {
    Text text;
    const uint8_t *packed;  /* places of the suffixes, in their order, `bits` bits each */
    int64_t packed_bytes;
    int bits;
    int scale;              /* lowest bits of each that are not the place's: it is in bytes */
    int64_t count;          /* suffixes */
    const uint64_t *keys;   /* first tokens of every STEPth suffix */
    int64_t keys_count;
    int token_bits;         /* of each token in a key */
    int key_tokens;
    bool damaged;           /* a place outside the text was met */
} Array;

/* What is looked for: tokens of the text's width. */
typedef struct {
    const uint8_t *tokens;
    int64_t length;
} Query;

/* Suffixes [low, high) begin with a query; [from, to) of them go on after it. */
typedef struct {
    int64_t low, high, from, to;
} Range;

uint64_t first_key(const Array *array, int64_t place);

/* The lowest key of suffixes that begin with a query. */
uint64_t query_key(const Array *array, Query query);

/* Finds many queries at once, each with eight bytes of room after it; what goes on is looked for
   only where it is wanted. */
void find(Array *array, const Query *queries, int64_t count, bool followed, Range *ranges);

/* How often each row of `length` tokens occurs; false where memory ends. See rows.c. */
bool count_rows(Array *array, const uint8_t *tokens, int64_t length, int64_t count, int64_t *counts);

/* The longest beginning of each query that occurs, and how often it does where that is wanted.
   Each query is the one before without its first token. */
void find_longest(Array *array, const Query *queries, int64_t count, int64_t *lengths, int64_t *counts);

static inline int64_t suffix_at(Array *array, int64_t index) {
    int64_t bit = index * array->bits;
    uint64_t word;
    if (likely((bit >> 3) + 8 <= array->packed_bytes)) {
        word = load(array->packed + (bit >> 3));
    } else {
        word = 0;
        memcpy(&word, array->packed + (bit >> 3), (size_t)(array->packed_bytes - (bit >> 3)));
    }
    word = word >> (bit & 7) & ((1ull << array->bits) - 1);
    int64_t place = (int64_t)(word >> array->scale);
    if (unlikely(place >= array->text.length)) {
        array->damaged = true;
        return 0;
    }
    return place;
}

static inline void announce_suffix(const Array *array, int64_t index) {
    prefetch(array->packed + (index * array->bits >> 3));
}

#endif
