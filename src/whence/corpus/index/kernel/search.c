/* Finding queries in sorted suffixes, many at a time.

   A query's suffixes lie together. Their two ends are found by halving: first among the keys of
   every STEPth suffix, which fit in the cache, and then among the suffixes between, where each
   step reads a place and the text there, both far from anything read before. One query waits
   for each of these; so queries go side by side, BATCH of them, step by step, and the reads of
   all are announced before the first is needed. */

#include "search.h"

#define BATCH 32

/* How far a suffix agrees with a query, and whether it lies before it (-1), begins with it (0)
   or lies after it (1). */
typedef struct {
    int64_t agree;
    int order;
} Verdict;

static int64_t agreement(const uint8_t *a, const uint8_t *b, int64_t from, int64_t bytes) {
    int64_t i = from;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t differing = load(a + i) ^ load(b + i);
        if (differing) return i + (__builtin_ctzll(differing) >> 3);
    }
    for (; i < bytes; i++)
        if (a[i] != b[i]) return i;
    return bytes;
}

/* Compares a suffix with a query that it is known to agree with in `from` tokens. */
static Verdict compare(const Text *text, int64_t place, Query query, int64_t from) {
    int64_t length = query.length, inside = text->length - place;
    int64_t most = length < inside ? length : inside;
    const uint8_t *at = text->bytes + place * text->width;
    int64_t agree =
        agreement(at, query.tokens, from * text->width, most * text->width) / text->width;
    /* The document may end before that, which the tokens do not show. */
    int64_t block = (place + agree) >> BLOCK_SHIFT;
    if (agree > 0 && text->blocks[place >> BLOCK_SHIFT] != text->blocks[block + 1]) {
        int64_t left = remaining(text, place);
        if (left <= agree && left < length) {
            bool last = place + left == text->length;
            return (Verdict){left, text->foreign && !last ? 1 : -1};
        }
    }
    if (agree == length) return (Verdict){agree, 0};
    uint32_t there = token_at(text, place + agree), asked = 0;
    memcpy(&asked, query.tokens + agree * text->width, (size_t)text->width);
    return (Verdict){agree, ranked(text, there) < ranked(text, asked) ? -1 : 1};
}

uint64_t first_key(const Array *array, int64_t place) {
    int64_t left = remaining(&array->text, place);
    uint64_t key = 0;
    for (int i = 0; i < array->key_tokens; i++) {
        uint64_t token = i < left ? ranked(&array->text, token_at(&array->text, place + i)) : 0;
        key = key << array->token_bits | token;
    }
    return key;
}

/* The lowest and the highest key of suffixes that begin with a query. */
static void keys_of(const Array *array, Query query, uint64_t *lowest, uint64_t *highest) {
    uint64_t low = 0, high = 0, ones = (1ull << array->token_bits) - 1;
    for (int i = 0; i < array->key_tokens; i++) {
        uint32_t token = 0;
        bool asked = i < query.length;
        if (asked) memcpy(&token, query.tokens + i * array->text.width, (size_t)array->text.width);
        token = ranked(&array->text, token);
        low = low << array->token_bits | token;
        high = high << array->token_bits | (asked ? token : ones);
    }
    *lowest = low;
    *highest = high;
}

/* How many keys are less than each value. All go side by side through the same steps. */
static void search_keys(const Array *array, const uint64_t *values, int64_t count, int64_t *found) {
    const uint64_t *keys = array->keys;
    int64_t size = array->keys_count;
    for (int64_t i = 0; i < count; i++) found[i] = 0;
    while (size > 0) {
        int64_t half = (size + 1) / 2;
        for (int64_t i = 0; i < count; i++)
            if (keys[found[i] + half - 1] < values[i]) found[i] += half;
        size -= half;
    }
}

/* The search for one end of a query's suffixes: it is in [low, high]. */
typedef struct {
    int64_t low, high;
    int64_t agree_low, agree_high;  /* tokens that all between share with the query, from either side */
    int64_t place, middle;
} Search;

typedef struct {
    Query query;
    Search search;
    int64_t upper_low, upper_high;  /* what is known about the other end */
} Seeker;

static void begin(const Array *array, Seeker *seekers, const Query *queries, int64_t count) {
    uint64_t values[2 * BATCH];
    int64_t found[2 * BATCH];
    for (int64_t i = 0; i < count; i++) {
        keys_of(array, queries[i], &values[i], &values[count + i]);
        values[count + i]++;  /* 0 where it was the highest of all */
    }
    search_keys(array, values, 2 * count, found);
    for (int64_t i = 0; i < count; i++) {
        int64_t below = found[i];
        int64_t above = values[count + i] ? found[count + i] : array->keys_count;
        int64_t low = below > 0 ? (below - 1) * STEP + 1 : 0;
        int64_t high = above < array->keys_count ? above * STEP : array->count;
        seekers[i] = (Seeker){.query = queries[i], .search = {.low = low, .high = high},
                              .upper_low = low, .upper_high = high};
        int64_t length = queries[i].length;
        uint32_t last = 0;
        memcpy(&last, queries[i].tokens + (length - 1) * array->text.width,
               (size_t)array->text.width);
        if (length <= array->key_tokens && last != 0 && below < above) {
            /* These keys hold the whole query. (A 0 at its end could be a document's end.) */
            seekers[i].search.high = below * STEP;
            seekers[i].upper_low = (above - 1) * STEP + 1;
        }
    }
}

/* Takes one step of every search that is not done. `active` lists them; returns how many. */
static int64_t step_all(Array *array, Seeker *seekers, int *active, int64_t count, bool upper) {
    for (int64_t i = 0; i < count; i++) {
        Search *search = &seekers[active[i]].search;
        search->middle = search->low + (search->high - search->low) / 2;
        announce_suffix(array, search->middle);
    }
    const Text *text = &array->text;
    for (int64_t i = 0; i < count; i++) {
        Search *search = &seekers[active[i]].search;
        search->place = suffix_at(array, search->middle);
        prefetch(text->bytes + search->place * text->width);
        prefetch(&text->blocks[search->place >> BLOCK_SHIFT]);
    }
    int64_t left = 0;
    for (int64_t i = 0; i < count; i++) {
        Seeker *seeker = &seekers[active[i]];
        Search *search = &seeker->search;
        int64_t from = search->agree_low < search->agree_high ? search->agree_low : search->agree_high;
        Verdict verdict = compare(text, search->place, seeker->query, from);
        if (verdict.order < 0 || (upper && verdict.order == 0)) {
            search->low = search->middle + 1;
            search->agree_low = verdict.agree;
        } else {
            search->high = search->middle;
            search->agree_high = verdict.agree;
            if (verdict.order > 0) seeker->upper_high = search->middle;
            else if (search->middle >= seeker->upper_low) seeker->upper_low = search->middle + 1;
        }
        if (search->low < search->high) active[left++] = active[i];
    }
    return left;
}

static void run(Array *array, Seeker *seekers, int64_t count, bool upper) {
    int active[BATCH];
    int64_t left = 0;
    for (int64_t i = 0; i < count; i++)
        if (seekers[i].search.low < seekers[i].search.high) active[left++] = (int)i;
    while (left > 0) left = step_all(array, seekers, active, left, upper);
}

/* Of suffixes that begin with a query, those that end with it lie first, or last where they are
   foreign, but for the end of the whole text, which is always first. */
static void find_followed(Array *array, Range *range, int64_t length) {
    const Text *text = &array->text;
    int64_t low = range->low, high = range->high;
    range->from = low;
    range->to = high;
    if (low == high) return;
    int64_t first = suffix_at(array, low);
    if (text->foreign && first + length == text->length) range->from = ++low;
    int64_t edge = text->foreign ? high - 1 : low;
    if (low == high || remaining(text, suffix_at(array, edge)) > length) return;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        bool goes_on = remaining(text, suffix_at(array, middle)) > length;
        if (goes_on == text->foreign) low = middle + 1;
        else high = middle;
    }
    if (text->foreign) range->to = low;
    else range->from = low;
}

static void find_batch(Array *array, const Query *queries, int64_t count, bool ends, Range *ranges) {
    Seeker seekers[BATCH];
    begin(array, seekers, queries, count);
    run(array, seekers, count, false);
    for (int64_t i = 0; i < count; i++) {
        Seeker *seeker = &seekers[i];
        int64_t low = seeker->search.low, high = seeker->upper_high;
        ranges[i].low = low;
        seeker->search = (Search){.low = low > seeker->upper_low ? low : seeker->upper_low,
                                  .high = high > low ? high : low};
    }
    run(array, seekers, count, true);
    for (int64_t i = 0; i < count; i++) {
        ranges[i].high = seekers[i].search.low;
        ranges[i].from = ranges[i].low;
        ranges[i].to = ranges[i].high;
        if (ends) find_followed(array, &ranges[i], queries[i].length);
    }
}

void find(Array *array, const Query *queries, int64_t count, bool ends, Range *ranges) {
    for (int64_t i = 0; i < count; i += BATCH)
        find_batch(array, queries + i, count - i < BATCH ? count - i : BATCH, ends, ranges + i);
}

void find_longest(Array *array, const Query *queries, int64_t count, int64_t *lengths) {
    for (int64_t i = 0; i < count; i += BATCH) {
        Seeker seekers[BATCH];
        int64_t batch = count - i < BATCH ? count - i : BATCH;
        begin(array, seekers, queries + i, batch);
        run(array, seekers, batch, false);
        /* The suffixes on either side of where the query would stand agree with it longest. */
        for (int64_t j = 0; j < batch; j++) {
            int64_t at = seekers[j].search.low, longest = 0;
            for (int64_t index = at > 0 ? at - 1 : 0; index <= at && index < array->count; index++) {
                int64_t place = suffix_at(array, index);
                int64_t agree = compare(&array->text, place, queries[i + j], 0).agree;
                if (agree > longest) longest = agree;
            }
            lengths[i + j] = longest;
        }
    }
}
