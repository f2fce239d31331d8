/* Counting many queries of one length.

   Looked for in the order in which suffixes stand, queries find in the cache what the one before
   has just read: keys, places, and for the first few steps the text. That takes half of the time
   away, and putting them in order costs less. The first two tokens or so are enough. */

#include <stdlib.h>

#include "search.h"

/* Rows put in order at a time (more take more memory), and how few are not worth it. */
#define CHUNK (1 << 19)
#define FEW (1 << 12)

/* Bits by which they are put in order at a time, and how often. */
#define DIGIT 11
#define DIGITS 3

/* A row, and the highest bits of its key. */
typedef struct {
    uint32_t key, row;
} Row;

/* Puts rows in order, with as much room to spare; one of the two holds the result. */
static Row *order(Row *rows, Row *spare, int64_t count) {
    for (int shift = 0; shift < DIGIT * DIGITS; shift += DIGIT) {
        uint32_t starts[1 << DIGIT] = {0}, start = 0, mask = (1 << DIGIT) - 1;
        for (int64_t i = 0; i < count; i++) starts[rows[i].key >> shift & mask]++;
        for (int value = 0; value < 1 << DIGIT; value++) {
            uint32_t many = starts[value];
            starts[value] = start;
            start += many;
        }
        for (int64_t i = 0; i < count; i++) spare[starts[rows[i].key >> shift & mask]++] = rows[i];
        Row *swap = rows;
        rows = spare;
        spare = swap;
    }
    return rows;
}

static void key_rows(const Array *array, Query first, int64_t count, Row *rows) {
    int used = array->token_bits * array->key_tokens, unused = 64 - used;
    int64_t bytes = first.length * array->text.width;
    for (int64_t i = 0; i < count; i++) {
        uint64_t key = query_key(array, (Query){first.tokens + i * bytes, first.length}) << unused;
        rows[i] = (Row){(uint32_t)(key >> 32), (uint32_t)i};
    }
}

static void count_batch(Array *array, Query first, const Row *rows, int64_t count, int64_t *counts) {
    Query queries[BATCH];
    Range ranges[BATCH];
    int64_t bytes = first.length * array->text.width;
    for (int64_t i = 0; i < count; i++) queries[i] = (Query){first.tokens + rows[i].row * bytes, first.length};
    find(array, queries, count, false, ranges);
    for (int64_t i = 0; i < count; i++) counts[rows[i].row] = ranges[i].high - ranges[i].low;
}

bool count_rows(Array *array, const uint8_t *tokens, int64_t length, int64_t count, int64_t *counts) {
    int64_t bytes = length * array->text.width, room = count < CHUNK ? count : CHUNK;
    Row *rows = malloc(2 * (size_t)(room + 1) * sizeof *rows);
    if (rows == NULL) return false;
    for (int64_t i = 0; i < count; i += room) {
        Query first = {tokens + i * bytes, length};
        int64_t chunk = count - i < room ? count - i : room;
        key_rows(array, first, chunk, rows);
        Row *ordered = chunk < FEW ? rows : order(rows, rows + room, chunk);
        for (int64_t j = 0; j < chunk; j += BATCH)
            count_batch(array, first, ordered + j, chunk - j < BATCH ? chunk - j : BATCH, counts + i);
    }
    free(rows);
    return true;
}
