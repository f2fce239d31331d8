/* Ranks that tell apart suffixes which agree for long.

   An anchor is a place whose tokens hash lowest among WINDOW places in a row, the first of equal
   ones. Which places are anchors depends only on what is written there, so suffixes that agree
   in WINDOW + per tokens have an anchor at the same distance, and their order is that of the
   suffixes there. About 2 places in WINDOW + 1 are anchors (more where a text repeats within
   a window), so they can be sorted by themselves at little cost.

   They are sorted to the same depth first. Those that still tie are ordered by doubling: of two
   that agree, the next anchors are at the same distance too, and their ranks decide; then the
   second next, the fourth, and so on, so that twenty rounds tell a million equal tokens apart.

   References: choosing places by a hash of their neighbourhood: Schleimer, Wilkerson and Aiken,
   "Winnowing", SIGMOD 2003. Ranks of a sample for long repeats: Burkhardt and Karkkainen, "Fast
   lightweight suffix array construction and checking", CPM 2003 (there at fixed distances).
   Doubling: Manber and Myers, 1993; Larsson and Sadakane, "Faster suffix sorting", 2007. */

#include <stdlib.h>

#include "build.h"

#define AHEAD 16

static uint64_t hash_at(const Text *text, int64_t place) {
    uint64_t word = load(text->bytes + place * text->width);
    word = (word ^ word >> 29) * 0xbf58476d1ce4e5b9u;
    return word ^ word >> 32;
}

/* The first place with the lowest hash among WINDOW from `place` on. */
int64_t anchor_of(const Text *text, int64_t place) {
    uint64_t lowest = hash_at(text, place);
    int64_t found = place;
    for (int64_t at = place + 1; at < place + WINDOW; at++) {
        uint64_t hash = hash_at(text, at);
        if (hash < lowest) {
            lowest = hash;
            found = at;
        }
    }
    return found;
}

int64_t anchor_number(const Anchors *anchors, int64_t place) {
    const Line *line = &anchors->lines[place / LINE];
    int within = (int)(place % LINE);
    int64_t number = (int64_t)line->before;
    for (int word = 0; word < within >> 6; word++) number += __builtin_popcountll(line->bits[word]);
    uint64_t before = line->bits[within >> 6] & ((1ull << (within & 63)) - 1);
    return number + __builtin_popcountll(before);
}

typedef struct {
    const Text *text;
    Anchors *anchors;
} Marking;

static void mark(Anchors *anchors, int64_t place) {
    Line *line = &anchors->lines[place / LINE];
    int within = (int)(place % LINE);
    /* Neighbouring shares of the text may meet in a word. */
    __atomic_fetch_or(&line->bits[within >> 6], 1ull << (within & 63), __ATOMIC_RELAXED);
}

/* Marks the anchor of each window that begins in [from, to), all inside one document. */
static void mark_windows(const Text *text, Anchors *anchors, int64_t from, int64_t to) {
    int64_t anchor = -1;
    uint64_t lowest = 0;
    for (int64_t place = from; place < to; place++) {
        int64_t last = place + WINDOW - 1;
        uint64_t hash = hash_at(text, last);
        if (anchor < place) {
            anchor = anchor_of(text, place);
            lowest = hash_at(text, anchor);
            mark(anchors, anchor);
        } else if (hash < lowest) {
            anchor = last;
            lowest = hash;
            mark(anchors, anchor);
        }
    }
}

static void mark_share(void *work, int thread, int threads) {
    Marking *marking = work;
    const Text *text = marking->text;
    int64_t from = text->length / threads * thread;
    int64_t to = thread == threads - 1 ? text->length : text->length / threads * (thread + 1);
    if (from >= to) return;
    for (int64_t d = document_of(text, from); d < text->documents; d++) {
        int64_t begin = text->bounds[d] - text->base, end = text->bounds[d + 1] - text->base;
        if (begin >= to) break;
        int64_t last = end - (WINDOW + text->per - 1) + 1;
        mark_windows(text, marking->anchors, begin > from ? begin : from, last < to ? last : to);
    }
}

static bool find_anchors(Anchors *anchors, const Text *text, int threads) {
    anchors->lines_count = text->length / LINE + 1;
    anchors->lines = calloc((size_t)anchors->lines_count, sizeof *anchors->lines);
    if (anchors->lines == NULL) return false;
    Marking marking = {text, anchors};
    if (!in_parallel(mark_share, &marking, threads)) return false;
    for (int64_t i = 0; i < anchors->lines_count; i++) {
        Line *line = &anchors->lines[i];
        line->before = (uint64_t)anchors->count;
        for (int word = 0; word < 3; word++) anchors->count += __builtin_popcountll(line->bits[word]);
    }
    return true;
}

/* Anchors that tie, group after group; `heads` says where a group begins. */
typedef struct {
    uint32_t *tied;
    uint8_t *heads;
    int64_t count, room;
    uint32_t *jumps;   /* of each tied anchor: the anchor that decides next */
    Item *items;       /* the group that is being ordered */
    int64_t items_room;
    Desk desk;
} Ties;

static bool keep_ties(Ties *ties, int64_t more) {
    if (ties->count + more <= ties->room) return true;
    int64_t room = ties->room ? ties->room : 4096;
    while (room < ties->count + more) room *= 2;
    uint32_t *tied = realloc(ties->tied, (size_t)room * sizeof *tied);
    if (tied) ties->tied = tied;
    uint8_t *heads = realloc(ties->heads, (size_t)room);
    if (heads) ties->heads = heads;
    if (tied && heads) ties->room = room;
    return tied && heads;
}

/* Gives the anchors of a sorted pass their ranks, and keeps those that tie. */
static bool rank_pass(Anchors *anchors, const Passes *passes, int64_t before, Ties *ties) {
    const Text *text = &passes->text;
    const Item *items = passes->items;
    for (int64_t i = 0; i < passes->count;) {
        int64_t j = i + 1;
        while (j < passes->count && items[j].key == 1) j++;
        if (j - i > 1 && !keep_ties(ties, j - i)) return false;
        for (int64_t k = i; k < j; k++) {
            if (k + AHEAD < passes->count) {
                int64_t later = PLACE(items[k + AHEAD]);
                prefetch(&anchors->lines[later / LINE]);
            }
            int64_t place = PLACE(items[k]), number = anchor_number(anchors, place);
            anchors->ranks[number] = (uint32_t)(before + i);
            if (j - i == 1) continue;
            ties->heads[ties->count] = k == i;
            ties->tied[ties->count++] = (uint32_t)number;
            ties->jumps[number] = (uint32_t)anchor_number(anchors, anchor_of(text, place + 1));
        }
        i = j;
    }
    return true;
}

static bool order_ties(Ties *ties, const uint32_t *ranks, const uint32_t *tied, int64_t count) {
    if (count > ties->items_room) {
        Item *items = realloc(ties->items, (size_t)count * sizeof *items);
        if (items == NULL) return false;
        ties->items = items;
        ties->items_room = count;
    }
    for (int64_t i = 0; i < count; i++) {
        if (i + AHEAD < count) prefetch(&ties->jumps[tied[i + AHEAD]]);
        ties->items[i] = (Item){ties->jumps[tied[i]], tied[i]};
        prefetch(&ranks[ties->items[i].key]);
    }
    for (int64_t i = 0; i < count; i++) ties->items[i].key = ranks[ties->items[i].key];
    sort_items(ties->items, count, &ties->desk);
    return true;
}

/* Orders every group by the ranks that its jumps lead to, and keeps what still ties.

   A group's new ranks are written before the next group is read. That is right: the ranks of any
   two anchors only ever become finer, both at once. */
static bool order_round(Ties *ties, uint32_t *ranks) {
    int64_t kept = 0;
    for (int64_t begin = 0; begin < ties->count;) {
        int64_t end = begin + 1;
        while (end < ties->count && !ties->heads[end]) end++;
        if (!order_ties(ties, ranks, ties->tied + begin, end - begin)) return false;
        for (int64_t i = 0; i < end - begin;) {
            int64_t j = i + 1;
            while (j < end - begin && ties->items[j].key == ties->items[i].key) j++;
            for (int64_t k = i; k < j; k++) {
                uint32_t number = (uint32_t)ties->items[k].place;
                ranks[number] += (uint32_t)i;
                if (j - i == 1) continue;
                ties->heads[kept] = k == i;
                ties->tied[kept++] = number;
            }
            i = j;
        }
        begin = end;
    }
    ties->count = kept;
    return true;
}

/* Jumps twice as far. All are read before any is written, so that all are equally far. */
static bool double_jumps(Ties *ties) {
    uint32_t *further = malloc((size_t)(ties->count + 1) * sizeof *further);
    if (further == NULL) return false;
    for (int64_t i = 0; i < ties->count; i++)
        further[i] = ties->jumps[ties->jumps[ties->tied[i]]];
    for (int64_t i = 0; i < ties->count; i++) ties->jumps[ties->tied[i]] = further[i];
    free(further);
    return true;
}

static bool rank_anchors(Anchors *anchors, Passes *passes, Ties *ties) {
    anchors->ranks = take((size_t)(anchors->count + 1) * sizeof *anchors->ranks);
    ties->jumps = malloc((size_t)(anchors->count + 1) * sizeof *ties->jumps);
    if (!anchors->ranks || !ties->jumps || !desk_open(&ties->desk)) return false;
    passes->only = anchors;
    passes->ranked = NULL;
    if (!passes_open(passes)) return false;
    int64_t before = 0;
    do {
        if (!passes_next(passes) || !rank_pass(anchors, passes, before, ties)) return false;
        before += passes->count;
    } while (passes->count > 0);
    passes_close(passes);
    while (ties->count > 0)
        if (!order_round(ties, anchors->ranks) || !double_jumps(ties)) return false;
    return true;
}

bool anchors_open(Anchors *anchors, Passes *passes) {
    memset(anchors, 0, sizeof *anchors);
    if (!find_anchors(anchors, &passes->text, passes->threads)) return false;
    if (anchors->count >= UINT32_MAX) return false;
    Ties ties = {0};
    bool done = rank_anchors(anchors, passes, &ties);
    free(ties.tied);
    free(ties.heads);
    free(ties.jumps);
    free(ties.items);
    desk_close(&ties.desk);
    return done;
}

void anchors_close(Anchors *anchors) {
    free(anchors->lines);
    free(anchors->ranks);
    memset(anchors, 0, sizeof *anchors);
}
