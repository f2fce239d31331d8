/* Going through ranges of sorted suffixes: what follows, where, what repeats, which documents. */

#include <stdlib.h>

#include "build.h"
#include "scan.h"

#define AHEAD 24
#define LEAF 8

static bool add(Numbers *list, const int64_t *values, int64_t count) {
    if (list->count + count > list->room) {
        int64_t room = list->room ? 2 * list->room : 256;
        while (room < list->count + count) room *= 2;
        int64_t *bigger = realloc(list->values, (size_t)room * sizeof *bigger);
        if (bigger == NULL) return false;
        list->values = bigger;
        list->room = room;
    }
    memcpy(list->values + list->count, values, (size_t)count * sizeof *values);
    list->count += count;
    return true;
}

/* What follows is sorted, so equal ends of a stretch mean that all between is equal. A stretch
   (from, to] is halved until its ends are equal or it is short; all stretches are halved side by
   side, so that their reads are many at once. */
typedef struct {
    int64_t from, to;
    uint32_t token_from, token_to;
} Stretch;

typedef struct {
    Stretch *list;
    int64_t count, room;
} Stretches;

static bool add_stretch(Stretches *stretches, Stretch stretch) {
    if (stretches->count == stretches->room) {
        int64_t room = stretches->room ? 2 * stretches->room : 256;
        Stretch *bigger = realloc(stretches->list, (size_t)room * sizeof *bigger);
        if (bigger == NULL) return false;
        stretches->list = bigger;
        stretches->room = room;
    }
    stretches->list[stretches->count++] = stretch;
    return true;
}

static uint32_t token_after(Array *array, int64_t index, int64_t depth) {
    return token_at(&array->text, suffix_at(array, index) + depth);
}

static bool split(Array *array, Stretch stretch, int64_t depth, Stretches *next, Numbers *pairs) {
    int64_t size = stretch.to - stretch.from;
    if (stretch.token_from == stretch.token_to || size == 1)
        return add(pairs, (int64_t[]){stretch.token_to, size}, 2);
    if (size <= LEAF) {
        for (int64_t i = stretch.from + 1; i < stretch.to; i++)
            if (!add(pairs, (int64_t[]){token_after(array, i, depth), 1}, 2)) return false;
        return add(pairs, (int64_t[]){stretch.token_to, 1}, 2);
    }
    int64_t middle = stretch.from + size / 2;
    uint32_t token = token_after(array, middle, depth);
    return add_stretch(next, (Stretch){stretch.from, middle, stretch.token_from, token}) &&
           add_stretch(next, (Stretch){middle, stretch.to, token, stretch.token_to});
}

static void announce_middle(Array *array, const Stretch *stretch, int64_t depth, bool text) {
    int64_t size = stretch->to - stretch->from;
    if (stretch->token_from == stretch->token_to || size == 1) return;
    int64_t index = stretch->from + (size <= LEAF ? 1 : size / 2);
    if (!text) {
        announce_suffix(array, index);
        return;
    }
    for (int64_t i = index; i < (size <= LEAF ? stretch->to : index + 1); i++)
        prefetch(array->text.bytes + (suffix_at(array, i) + depth) * array->text.width);
}

static bool collect(Array *array, int64_t low, int64_t high, int64_t depth, Numbers *pairs) {
    uint32_t first = token_after(array, low, depth);
    if (!add(pairs, (int64_t[]){first, 1}, 2)) return false;
    if (high - low == 1) return true;
    Stretches now = {0}, next = {0};
    uint32_t last = token_after(array, high - 1, depth);
    bool fine = add_stretch(&now, (Stretch){low, high - 1, first, last});
    while (fine && now.count) {
        next.count = 0;
        for (int64_t i = 0; fine && i < now.count; i++) {
            if (i + 2 * AHEAD < now.count) announce_middle(array, &now.list[i + 2 * AHEAD], depth, false);
            if (i + AHEAD < now.count) announce_middle(array, &now.list[i + AHEAD], depth, true);
            fine = split(array, now.list[i], depth, &next, pairs);
        }
        Stretches swap = now;
        now = next;
        next = swap;
    }
    free(now.list);
    free(next.list);
    return fine;
}

static int by_count(const void *a, const void *b) {
    const Item *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Adds up pairs of equal tokens and orders them. */
static bool add_up(Numbers *pairs) {
    int64_t count = pairs->count / 2, kept = 0;
    Item *items = malloc((size_t)count * sizeof *items);
    Desk desk;
    if (!desk_open(&desk) || items == NULL) {
        free(items);
        return false;
    }
    for (int64_t i = 0; i < count; i++)
        items[i] = (Item){(uint64_t)pairs->values[2 * i], (uint64_t)pairs->values[2 * i + 1]};
    sort_items(items, count, &desk);
    for (int64_t i = 0; i < count; i++) {
        if (kept && items[kept - 1].key == items[i].key) items[kept - 1].place += items[i].place;
        else items[kept++] = items[i];
    }
    for (int64_t i = 0; i < kept; i++) items[i] = (Item){~items[i].place, items[i].key};
    if (kept <= SPARE) {
        sort_items(items, kept, &desk);  /* keeps the order of equal ones */
        for (int64_t i = 0; i < kept; i++) items[i].key = ~items[i].key;
    } else {
        for (int64_t i = 0; i < kept; i++) items[i].key = ~items[i].key;
        qsort(items, (size_t)kept, sizeof *items, by_count);
    }
    for (int64_t i = 0; i < kept; i++) {
        pairs->values[2 * i] = (int64_t)items[i].place;
        pairs->values[2 * i + 1] = (int64_t)items[i].key;
    }
    pairs->count = 2 * kept;
    desk_close(&desk);
    free(items);
    return true;
}

bool following(Array *array, int64_t low, int64_t high, int64_t depth, Numbers *pairs) {
    if (low >= high) return true;
    return collect(array, low, high, depth, pairs) && add_up(pairs);
}

/* Lets the value at the top of a heap (the greatest is there) sink to where it belongs. */
static void sink(int64_t *heap, int64_t count) {
    int64_t at = 0, value = heap[0];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && heap[child + 1] > heap[child]) child++;
        if (heap[child] <= value) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

static void rise(int64_t *heap, int64_t at) {
    int64_t value = heap[at];
    for (; at > 0 && heap[(at - 1) / 2] < value; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    heap[at] = value;
}

int64_t places_of(Array *array, int64_t low, int64_t high, int64_t limit, int64_t *places) {
    int64_t count = high - low;
    if (limit >= count) {
        for (int64_t i = 0; i < count; i++) places[i] = suffix_at(array, low + i);
        return count;
    }
    for (int64_t i = 0; i < limit; i++) {
        places[i] = suffix_at(array, low + i);
        rise(places, i);
    }
    for (int64_t i = limit; limit > 0 && i < count; i++) {
        int64_t place = suffix_at(array, low + i);
        if (place < places[0]) {
            places[0] = place;
            sink(places, limit);
        }
    }
    return limit;
}

void raise_documents(Array *array, int64_t low, int64_t high, int64_t value, int64_t *numbers) {
    const Text *text = &array->text;
    for (int64_t i = low; i < high; i++) {
        if (i + AHEAD < high) prefetch(&text->blocks[suffix_at(array, i + AHEAD) >> BLOCK_SHIFT]);
        int64_t document = document_of(text, suffix_at(array, i));
        if (numbers[document] < value) numbers[document] = value;
    }
}

int64_t filter(Array *array, const uint8_t *documents, int64_t most, uint8_t *packed) {
    const Text *text = &array->text;
    uint8_t *wanted = calloc((size_t)(text->length / 8 + 1), 1);
    if (wanted == NULL) return -1;
    for (int64_t d = 0; d < text->documents; d++) {
        if (!documents[d]) continue;
        for (int64_t p = text->bounds[d] - text->base; p < text->bounds[d + 1] - text->base; p++)
            wanted[p >> 3] |= (uint8_t)(1u << (p & 7));
    }
    Packer packer = {.at = packed};
    int64_t kept = 0;
    for (int64_t i = 0; i < array->count && kept < most; i++) {
        if (i + AHEAD < array->count) prefetch(&wanted[suffix_at(array, i + AHEAD) >> 3]);
        int64_t place = suffix_at(array, i);
        if (!(wanted[place >> 3] >> (place & 7) & 1)) continue;
        pack(&packer, (uint64_t)place << array->scale, array->bits);
        kept++;
    }
    memcpy(packer.at, &packer.word, 8);
    free(wanted);
    return kept;
}
