/* What occurs more than once, from the common beginnings of neighbouring suffixes.

   Neighbours that share at least so many tokens form stretches, and shorter stretches of those
   that share more lie within: a stack holds the ones that are open. A stretch is told only if
   its occurrences differ in what comes before them, else a longer one tells the same.

   Reference: Abouelhoda, Kurtz and Ohlebusch, "Replacing suffix trees with enhanced suffix
   arrays", Journal of Discrete Algorithms 2(1), 2004, section 3. */

#include <stdlib.h>

#include "scan.h"

#define AHEAD 16
#define DIFFERENT (-2)
#define NOTHING (-1)

typedef struct {
    int64_t length, begin;
    int64_t before;    /* the token before all occurrences, or NOTHING, or DIFFERENT */
} Open;

typedef struct {
    Array *array;
    int64_t shortest, limit;
    Open *stack;
    int64_t depth, room;
    Numbers *triples;
    bool failed;
} Finder;

static int64_t token_before(const Text *text, int64_t place) {
    if (place == 0 || document_of(text, place - 1) != document_of(text, place)) return NOTHING;
    return token_at(text, place - 1);
}

/* Beginnings of documents differ from each other: nothing can be added before them. */
static int64_t both(int64_t a, int64_t b) { return a == b && a != NOTHING ? a : DIFFERENT; }

static int64_t shared(const Text *text, int64_t a, int64_t b) {
    int64_t left = remaining(text, a), other = remaining(text, b);
    if (other < left) left = other;
    const uint8_t *x = text->bytes + a * text->width, *y = text->bytes + b * text->width;
    int64_t bytes = left * text->width, i = 0;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t differing = load(x + i) ^ load(y + i);
        if (differing) return (i + (__builtin_ctzll(differing) >> 3)) / text->width;
    }
    for (; i < bytes; i++)
        if (x[i] != y[i]) return i / text->width;
    return left;
}

static void put_triple(int64_t *heap, int64_t at, const int64_t *triple) {
    memcpy(heap + 3 * at, triple, 3 * sizeof *triple);
}

/* A heap of triples with the shortest at the top. */
static void settle_top(int64_t *heap, int64_t count) {
    int64_t top[3] = {heap[0], heap[1], heap[2]}, at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && heap[3 * (child + 1)] < heap[3 * child]) child++;
        if (heap[3 * child] >= top[0]) break;
        put_triple(heap, at, heap + 3 * child);
        at = child;
    }
    put_triple(heap, at, top);
}

static void tell(Finder *finder, const int64_t *triple) {
    Numbers *list = finder->triples;
    if (finder->limit >= 0 && list->count == 3 * finder->limit) {
        if (finder->limit == 0 || triple[0] <= list->values[0]) return;
        put_triple(list->values, 0, triple);
        settle_top(list->values, finder->limit);
        return;
    }
    if (list->count + 3 > list->room) {
        int64_t room = list->room ? 2 * list->room : 768;
        int64_t *bigger = realloc(list->values, (size_t)room * sizeof *bigger);
        if (bigger == NULL) {
            finder->failed = true;
            return;
        }
        list->values = bigger;
        list->room = room;
    }
    int64_t at = list->count / 3;
    list->count += 3;
    if (finder->limit >= 0)
        for (; at > 0 && list->values[3 * ((at - 1) / 2)] > triple[0]; at = (at - 1) / 2)
            put_triple(list->values, at, list->values + 3 * ((at - 1) / 2));
    put_triple(list->values, at, triple);
}

static void open_stretch(Finder *finder, Open open) {
    if (finder->depth == finder->room) {
        int64_t room = finder->room ? 2 * finder->room : 256;
        Open *bigger = realloc(finder->stack, (size_t)room * sizeof *bigger);
        if (bigger == NULL) {
            finder->failed = true;
            return;
        }
        finder->stack = bigger;
        finder->room = room;
    }
    finder->stack[finder->depth++] = open;
}

/* The suffix at `index` shares `length` tokens with the one before it, and `last` and `before`
   are the tokens before the two. */
static void step(Finder *finder, int64_t index, int64_t length, int64_t last, int64_t before) {
    int64_t begin = index - 1, met = last;
    while (finder->depth && finder->stack[finder->depth - 1].length > length) {
        Open closed = finder->stack[--finder->depth];
        if (closed.before == DIFFERENT) {
            int64_t place = suffix_at(finder->array, closed.begin);
            tell(finder, (int64_t[]){closed.length, index - closed.begin, place});
        }
        begin = closed.begin;
        met = closed.before;
        if (finder->depth) {
            Open *outer = &finder->stack[finder->depth - 1];
            outer->before = both(outer->before, closed.before);
        }
    }
    if (length < finder->shortest) return;
    if (finder->depth && finder->stack[finder->depth - 1].length == length) {
        Open *same = &finder->stack[finder->depth - 1];
        same->before = both(both(same->before, met), before);
    } else {
        open_stretch(finder, (Open){length, begin, both(met, before)});
    }
}

bool repeats(Array *array, int64_t shortest, int64_t limit, Numbers *triples) {
    Finder finder = {.array = array, .shortest = shortest, .limit = limit, .triples = triples};
    const Text *text = &array->text;
    int64_t previous = 0, last = NOTHING;
    for (int64_t i = 0; i < array->count && !finder.failed; i++) {
        if (i + 2 * AHEAD < array->count) announce_suffix(array, i + 2 * AHEAD);
        if (i + AHEAD < array->count) {
            int64_t place = suffix_at(array, i + AHEAD);
            prefetch(text->bytes + place * text->width);
            prefetch(&text->blocks[place >> BLOCK_SHIFT]);
        }
        int64_t place = suffix_at(array, i), before = token_before(text, place);
        if (i > 0) step(&finder, i, shared(text, previous, place), last, before);
        previous = place;
        last = before;
    }
    if (array->count) step(&finder, array->count, 0, last, NOTHING);
    free(finder.stack);
    return !finder.failed;
}
