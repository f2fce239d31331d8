/* Sorting all suffixes of a text.

   sort.c      suffixes that lie together are ordered by what is written there
   anchors.c   suffixes that agree for long are ordered by ranks of places inside them
   buckets.c   the text is cut into ranges of suffixes that fit in memory, one after another */

#ifndef WHENCE_BUILD_H
#define WHENCE_BUILD_H

#include "text.h"

/* A suffix while it is sorted. Its place carries in the top byte how many tokens the key holds:
   fewer than `per` where the document ends. */
typedef struct {
    uint64_t key;
    uint64_t place;
} Item;

#define PLACE_BITS 56
#define PLACE(item) ((int64_t)((item).place & ((1ull << PLACE_BITS) - 1)))
#define HELD(item) ((int)((item).place >> PLACE_BITS))
#define TAGGED(place, held) ((uint64_t)(place) | (uint64_t)(held) << PLACE_BITS)

/* Every WINDOW places in a row inside a document hold an anchor. */
#define WINDOW 24

/* Suffixes that agree in this many tokens have their first anchors at the same distance. */
static inline int64_t deep(const Text *text) { return WINDOW + text->per; }

#define LINE 192
typedef struct {
    uint64_t before;   /* anchors before these LINE places */
    uint64_t bits[3];  /* which of them are anchors */
} Line;

typedef struct {
    Line *lines;
    int64_t lines_count;
    int64_t count;
    uint32_t *ranks;   /* of the suffixes at the anchors, anchors in the order of the text */
} Anchors;

int64_t anchor_of(const Text *text, int64_t place);
int64_t anchor_number(const Anchors *anchors, int64_t place);
static inline bool is_anchor(const Anchors *anchors, int64_t place) {
    const Line *line = &anchors->lines[place / LINE];
    int within = (int)(place % LINE);
    return line->bits[within >> 6] >> (within & 63) & 1;
}

typedef struct {
    int64_t start, count, depth;
} Group;

typedef struct {
    Group *list;
    int64_t count, room;
} Groups;

/* What one thread works with. */
#define SPARE (1 << 16)
typedef struct {
    Item *spare;
    Groups now, next, deep;
    bool failed;
} Desk;

bool desk_open(Desk *desk);
void desk_close(Desk *desk);
void sort_items(Item *items, int64_t count, Desk *desk);

/* Order suffixes whose keys are those of their first tokens. With ranked anchors they are
   ordered wholly. Without, to `deep` tokens: then a key of 1 says that an item agrees with the
   one before it as far as that, and 0 that it does not. */
void settle(const Text *text, const Anchors *ranked, Item *items, int64_t count, Desk *desk);

/* Memory to be given back with `free`, in large pages where the system has them. */
void *take(size_t bytes);

/* Calls a task once in each thread; false where no thread could be made. */
typedef void (*Task)(void *work, int thread, int threads);
bool in_parallel(Task task, void *work, int threads);

/* Suffixes cut into buckets, each of which lies wholly before the next in their order. */
typedef struct {
    uint32_t route[1 << 16];    /* first symbol -> its first bucket, and in 8 bits how much ... */
    uint8_t class_of[1 << 16];  /* ... is cut from the class of the second symbol */
    int cut;                    /* bits cut from 32-bit tokens, so that 16 are left */
    int64_t buckets;
    int64_t *sizes;             /* of each thread's share of each bucket */
    int64_t *starts;            /* of the same, in the pass that is going on */
} Plan;

typedef struct {
    Text text;
    int threads;
    const Anchors *only;        /* sort these places alone; none for all */
    const Anchors *ranked;
    int64_t room;               /* items that a pass may hold */
    Plan plan;
    Item *items;
    int64_t items_room;
    int64_t first, last;        /* buckets of the pass */
    int64_t count;              /* items of the pass */
    int64_t *begins;            /* of each bucket of the pass */
    int64_t taken;              /* buckets that threads have taken so far */
    bool failed;
} Passes;

bool passes_open(Passes *passes);
bool passes_next(Passes *passes);  /* sorts the next range; its count is 0 after the last */
void passes_close(Passes *passes);  /* keeps the items' memory, for the next who opens it */

/* Finds and ranks the anchors; false where memory ends. */
bool anchors_open(Anchors *anchors, Passes *passes);
void anchors_close(Anchors *anchors);

#endif
