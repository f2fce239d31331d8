/* Ordering suffixes that lie together.

   All are first ordered by the key of their first tokens. Those that tie are then looked at
   `per` tokens further on, all tied ones of a bucket in one sweep, so that the reads of the
   text, which fall anywhere, are many at once and not one after another: they, and not the
   comparing, are what sorting costs. Those that still agree after `deep` tokens have anchors at
   the same distance, whose ranks decide. */

#include <stdlib.h>

#include "build.h"

#define FEW 16        /* items that are ordered by insertion */
#define AHEAD 24      /* items by which reads are announced */

bool desk_open(Desk *desk) {
    memset(desk, 0, sizeof *desk);
    desk->spare = malloc(SPARE * sizeof(Item));
    return desk->spare != NULL;
}

void desk_close(Desk *desk) {
    free(desk->spare);
    free(desk->now.list);
    free(desk->next.list);
    free(desk->deep.list);
    memset(desk, 0, sizeof *desk);
}

static void insert_each(Item *items, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        Item item = items[i];
        int64_t j = i;
        for (; j > 0 && items[j - 1].key > item.key; j--) items[j] = items[j - 1];
        items[j] = item;
    }
}

/* Orders `from` by key, by the highest bits that differ first; leaves the result in `from` where
   `stay` is set, else in `to`. Equal keys keep their order. */
static void distribute(Item *from, Item *to, int64_t count, bool stay) {
    if (count <= FEW) {
        insert_each(from, count);
        if (!stay) memcpy(to, from, (size_t)count * sizeof(Item));
        return;
    }
    uint64_t differing = 0;
    for (int64_t i = 1; i < count; i++) differing |= from[i].key ^ from[0].key;
    if (differing == 0) {
        if (!stay) memcpy(to, from, (size_t)count * sizeof(Item));
        return;
    }
    int width = count > 4096 ? 10 : count > 256 ? 8 : 6;
    int high = 63 - __builtin_clzll(differing);
    int shift = high >= width ? high - width + 1 : 0;
    uint64_t mask = (1u << width) - 1;
    uint32_t starts[(1 << 10) + 1];
    memset(starts, 0, ((1u << width) + 1) * sizeof *starts);
    for (int64_t i = 0; i < count; i++) starts[(from[i].key >> shift & mask) + 1]++;
    for (uint64_t d = 0; d < mask; d++) starts[d + 1] += starts[d];
    for (int64_t i = 0; i < count; i++) to[starts[from[i].key >> shift & mask]++] = from[i];
    int64_t begin = 0;
    for (uint64_t d = 0; d <= mask; d++) {
        int64_t size = (int64_t)starts[d] - begin;
        if (size == 1) {
            if (stay) from[begin] = to[begin];
        } else if (size > 0) {
            distribute(to + begin, from + begin, size, !stay);
        }
        begin = starts[d];
    }
}

static uint64_t middle(uint64_t a, uint64_t b, uint64_t c) {
    if (a > b) { uint64_t swap = a; a = b; b = swap; }
    return c < a ? a : c > b ? b : c;
}

static uint64_t pivot_of(const Item *items, int64_t count) {
    uint64_t medians[3];
    for (int i = 0; i < 3; i++) {
        /* Spread, but the same in every run. */
        uint64_t at[3];
        for (int j = 0; j < 3; j++) {
            uint64_t spread = (uint64_t)(count + 7 * i + j) * 0x9e3779b97f4a7c15u >> 20;
            at[j] = items[(uint64_t)(count / 9 * (3 * i + j)) + spread % (uint64_t)(count / 9)].key;
        }
        medians[i] = middle(at[0], at[1], at[2]);
    }
    return middle(medians[0], medians[1], medians[2]);
}

void sort_items(Item *items, int64_t count, Desk *desk) {
    while (count > SPARE) {
        uint64_t pivot = pivot_of(items, count);
        int64_t low = 0, at = 0, high = count;
        while (at < high) {
            Item item = items[at];
            if (item.key < pivot) {
                items[at++] = items[low];
                items[low++] = item;
            } else if (item.key > pivot) {
                items[at] = items[--high];
                items[high] = item;
            } else {
                at++;
            }
        }
        if (low < count - high) {
            sort_items(items, low, desk);
            items += high;
            count -= high;
        } else {
            sort_items(items + high, count - high, desk);
            count = low;
        }
    }
    distribute(items, desk->spare, count, true);
}

static void push(Groups *groups, Group group, Desk *desk) {
    if (groups->count == groups->room) {
        int64_t room = groups->room ? 2 * groups->room : 1024;
        Group *list = realloc(groups->list, (size_t)room * sizeof *list);
        if (list == NULL) {
            desk->failed = true;
            return;
        }
        groups->list = list;
        groups->room = room;
    }
    groups->list[groups->count++] = group;
}

/* Items with one key: those whose document ended are in their place now, shorter ones first and
   equal ones in the order of the text; the others tie. */
static void tie(const Text *text, Item *items, Group group, Desk *desk) {
    Item *first = items + group.start;
    int64_t ended = 0;
    for (int64_t i = 0; i < group.count; i++) ended += HELD(first[i]) < text->per;
    if (ended) {
        for (int64_t i = 0; i < group.count; i++) first[i].key = first[i].place;
        sort_items(first, group.count, desk);
        group.start += ended;
        group.count -= ended;
    }
    if (group.count > 1)
        push(group.depth >= deep(text) ? &desk->deep : &desk->next, group, desk);
}

static void find_ties(const Text *text, Item *items, Group group, Desk *desk) {
    int64_t end = group.start + group.count;
    for (int64_t i = group.start; i < end;) {
        uint64_t key = items[i].key;
        int64_t j = i + 1;
        while (j < end && items[j].key == key) j++;
        if (j - i > 1) tie(text, items, (Group){i, j - i, group.depth}, desk);
        i = j;
    }
}

static void read_key(const Text *text, Item *item, int64_t depth) {
    int64_t place = PLACE(*item), at = place + depth;
    if (unlikely(end_is_near(text, at))) {
        int64_t left = remaining(text, place) - depth;
        if (left < text->per) {
            item->key = last_key(text, at, left);
            item->place = TAGGED(place, left);
            return;
        }
    }
    item->key = key_of(load(text->bytes + at * text->width), text->width);
    item->place = TAGGED(place, text->per);
}

static void announce(const Text *text, const Item *item, int64_t depth) {
    int64_t at = PLACE(*item) + depth;
    prefetch(text->bytes + at * text->width);
    prefetch((const uint8_t *)text->ends + (at >> 3));
}

static void order_pair(const Text *text, Item *items, Group group, Desk *desk) {
    Item *a = items + group.start, *b = a + 1;
    for (int64_t depth = group.depth; depth < deep(text); depth += text->per) {
        read_key(text, a, depth);
        read_key(text, b, depth);
        bool tied = a->key == b->key;
        if (a->key > b->key || (tied && a->place > b->place)) {
            Item swap = *a;
            *a = *b;
            *b = swap;
        }
        if (!tied || HELD(*a) < text->per) return;
    }
    push(&desk->deep, group, desk);
}

static void order_group(const Text *text, Item *items, Group group, Desk *desk) {
    if (group.count == 2) {
        order_pair(text, items, group, desk);
        return;
    }
    Item *first = items + group.start;
    for (int64_t i = 0; i < group.count; i++) read_key(text, first + i, group.depth);
    group.depth += text->per;
    sort_items(first, group.count, desk);
    find_ties(text, items, group, desk);
}

/* One sweep over all groups that tie. The announcing runs AHEAD items before the reading, as far
   as it can, whatever the sizes of the groups. */
static void sweep(const Text *text, Item *items, Desk *desk) {
    const Group *groups = desk->now.list;
    int64_t ahead = 0, within = 0, announced = 0, done = 0;
    for (int64_t g = 0; g < desk->now.count; g++) {
        while (ahead < desk->now.count && announced < done + groups[g].count + AHEAD) {
            announce(text, items + groups[ahead].start + within, groups[ahead].depth);
            announced++;
            if (++within == groups[ahead].count) {
                ahead++;
                within = 0;
            }
        }
        order_group(text, items, groups[g], desk);
        done += groups[g].count;
    }
}

/* Groups that agree for long: by the ranks of their anchors, all at one distance. */
static void order_deep(const Text *text, const Anchors *anchors, Item *items, Desk *desk) {
    for (int64_t g = 0; g < desk->deep.count; g++) {
        Group *group = &desk->deep.list[g];
        Item *first = items + group->start;
        int64_t place = PLACE(*first);
        group->depth = anchor_of(text, place) - place;
        for (int64_t i = 0; i < group->count; i++)
            prefetch(&anchors->lines[(PLACE(first[i]) + group->depth) / LINE]);
    }
    for (int64_t g = 0; g < desk->deep.count; g++) {
        Group group = desk->deep.list[g];
        Item *first = items + group.start;
        for (int64_t i = 0; i < group.count; i++) {
            first[i].key = (uint64_t)anchor_number(anchors, PLACE(first[i]) + group.depth);
            prefetch(&anchors->ranks[first[i].key]);
        }
    }
    for (int64_t g = 0; g < desk->deep.count; g++) {
        Group group = desk->deep.list[g];
        Item *first = items + group.start;
        for (int64_t i = 0; i < group.count; i++) first[i].key = anchors->ranks[first[i].key];
        sort_items(first, group.count, desk);
    }
}

static void mark_deep(Item *items, int64_t count, Desk *desk) {
    for (int64_t i = 0; i < count; i++) items[i].key = 0;
    for (int64_t g = 0; g < desk->deep.count; g++) {
        Group group = desk->deep.list[g];
        for (int64_t i = 1; i < group.count; i++) items[group.start + i].key = 1;
    }
}

void settle(const Text *text, const Anchors *ranked, Item *items, int64_t count, Desk *desk) {
    desk->next.count = desk->deep.count = 0;
    sort_items(items, count, desk);
    find_ties(text, items, (Group){0, count, text->per}, desk);
    while (desk->next.count && !desk->failed) {
        Groups swap = desk->now;
        desk->now = desk->next;
        desk->next = swap;
        desk->next.count = 0;
        sweep(text, items, desk);
    }
    if (desk->failed) return;
    if (ranked) order_deep(text, ranked, items, desk);
    else mark_deep(items, count, desk);
}
