/* Finding queries in sorted suffixes, many at a time.

   A query's suffixes lie together. Their two ends are found by halving: first among the keys of
   every STEPth suffix, which fit in the cache, and then among the suffixes between, where each
   step reads a place and the text there, both far from anything read before. One query waits
   for each of these; so queries go side by side, BATCH of them, step by step, and the reads of
   all are announced before the first is needed. That leaves the processor's own time, so a step
   reads eight bytes at once and decides without branches that nobody can foresee.

   What a search has seen on its way says more than where it ends. With how many tokens the
   suffixes on either side agree grows as they come nearer; wherever it grew last, all that agree
   so far begin or end between the two places. So the second end of a query, and how often the
   longest match occurs, take a step or two more and no search of their own.

   The bounds kept while a side is narrowed are those of Manber and Myers, "Suffix arrays", SIAM
   Journal on Computing 22 (5), 1993. */

#include "search.h"

/* How far a suffix agrees with a query, and whether it lies before it (-1), begins with it (0)
   or lies after it (1). */
typedef struct {
    int64_t agree;
    int order;
} Verdict;

/* Eight bytes of tokens as a number that orders as suffixes do. */
static inline uint64_t ordered(const Text *text, uint64_t word) {
    return text->foreign ? __builtin_bswap64(word) : key_of(word, text->width);
}

/* The same for the last few tokens of all, after which the file may end. */
static uint64_t last_word(const Text *text, int64_t place) {
    int64_t inside = text->length - place;
    uint64_t word = 0;
    if (inside > 0) memcpy(&word, text->bytes + place * text->width, (size_t)(inside * text->width));
    return word;
}

/* Where the document of a suffix ends within `agree` tokens, which the tokens do not show. */
static Verdict compare_end(const Text *text, int64_t place, int64_t length, Verdict verdict) {
    int64_t left = remaining(text, place);
    if (left > verdict.agree || left >= length) return verdict;
    bool last = place + left == text->length;
    return (Verdict){left, text->foreign && !last ? 1 : -1};
}

/* Compares a suffix with a query that it is known to agree with in `from` tokens. */
static inline Verdict compare(const Text *text, int64_t place, Query query, int64_t from) {
    int bits = 8 * text->width;
    Verdict verdict = {query.length, 0};
    for (int64_t i = from; i < query.length; i += text->per) {
        int64_t at = place + i, left = query.length - i;
        uint64_t word = likely(at + text->per <= text->length) ? load(text->bytes + at * text->width)
                                                               : last_word(text, at);
        uint64_t there = ordered(text, word), asked = ordered(text, load(query.tokens + i * text->width));
        uint64_t beyond = left < text->per ? ~0ull >> left * bits : 0;
        uint64_t differing = (there ^ asked) & ~beyond;
        if (differing) {
            verdict = (Verdict){i + __builtin_clzll(differing) / bits, there < asked ? -1 : 1};
            break;
        }
    }
    int64_t block = (place + verdict.agree) >> BLOCK_SHIFT;
    if (likely(text->blocks[place >> BLOCK_SHIFT] == text->blocks[block + 1])) return verdict;
    return compare_end(text, place, query.length, verdict);
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

uint64_t query_key(const Array *array, Query query) {
    uint64_t key = 0;
    for (int i = 0; i < array->key_tokens; i++) {
        uint32_t token = 0;
        if (i < query.length) memcpy(&token, query.tokens + i * array->text.width, (size_t)array->text.width);
        key = key << array->token_bits | ranked(&array->text, token);
    }
    return key;
}

/* The highest key of suffixes that begin with a query, from the lowest. */
static uint64_t highest_key(const Array *array, uint64_t lowest, int64_t length) {
    int64_t open = array->key_tokens - length;
    return open > 0 ? lowest | ((1ull << open * array->token_bits) - 1) : lowest;
}

/* How many keys are less than each value. All go side by side through the same steps. */
static void search_keys(const Array *array, const uint64_t *values, int64_t count, int64_t *found) {
    const uint64_t *keys = array->keys;
    int64_t size = array->keys_count;
    for (int64_t i = 0; i < count; i++) found[i] = 0;
    while (size > 0) {
        int64_t half = (size + 1) / 2;
        for (int64_t i = 0; i < count; i++)
            found[i] += half & -(int64_t)(keys[found[i] + half - 1] < values[i]);
        size -= half;
    }
}

/* How many keys are at most a value, where so many are known to be. */
static int64_t keys_up_to(const Array *array, uint64_t value, int64_t known) {
    int64_t low = known, step = 1, end = array->keys_count;
    while (low + step <= end && array->keys[low + step - 1] <= value) {
        low += step;
        step *= 2;
    }
    int64_t high = low + step - 1 < end ? low + step - 1 : end;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (array->keys[middle] <= value) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* An end of what agrees with a query lies in [from, to]; -1 where nothing is known of it. */
typedef struct {
    int64_t from, to;
} Edge;

/* The search for the place of a query: it is in [low, high]. The suffixes before `low` and at
   `high` agree with it in so many tokens; those that agree as much begin at one edge and end
   at the other. */
typedef struct {
    Query query;
    int64_t low, high;
    int64_t agree_low, agree_high;
    Edge begins, ends;
} Seeker;

/* Tokens that the suffix of a key shares with a query, fewer than the key holds. */
static int64_t shared(Array *array, int64_t key, Query query, uint64_t lowest) {
    uint64_t differing = array->keys[key] ^ lowest, ones = (1ull << array->token_bits) - 1;
    int64_t most = query.length < array->key_tokens ? query.length : array->key_tokens;
    int64_t same = 0;
    for (int shift = array->token_bits * array->key_tokens; same < most; same++) {
        shift -= array->token_bits;
        if (differing >> shift & ones) break;
        /* A 0 in a key may be the end of a document. */
        if ((lowest >> shift & ones) == 0)
            return compare(&array->text, suffix_at(array, key * STEP), query, 0).agree;
    }
    return same;
}

/* What the keys say of one query, `below` of which are less than its lowest. */
static void begin_one(Array *array, Seeker *seeker, Query query, int64_t below, uint64_t lowest) {
    int64_t above = keys_up_to(array, highest_key(array, lowest, query.length), below);
    Edge unknown = {-1, -1};
    *seeker = (Seeker){.query = query, .begins = unknown, .ends = unknown};
    if (below > 0) {
        seeker->low = (below - 1) * STEP + 1;
        seeker->agree_low = shared(array, below - 1, query, lowest);
    }
    seeker->high = array->count;
    if (above < array->keys_count) {
        seeker->high = above * STEP;
        seeker->agree_high = shared(array, above, query, lowest);
    }
    if (query.length > array->key_tokens || below == above) return;
    uint32_t last = 0;
    size_t width = (size_t)array->text.width;
    memcpy(&last, query.tokens + (query.length - 1) * array->text.width, width);
    if (last == 0) return;
    /* These keys hold the whole query. (A 0 at its end could be a document's end.) */
    seeker->ends = (Edge){(above - 1) * STEP + 1, seeker->high};
    seeker->high = below * STEP;
    seeker->agree_high = query.length;
}

/* Halves what is left for a query by the suffix in the middle. */
static inline void narrow(const Text *text, Seeker *seeker, int64_t middle, int64_t place, bool upper) {
    int64_t low = seeker->low, high = seeker->high;
    int64_t agree_low = seeker->agree_low, agree_high = seeker->agree_high;
    Verdict verdict = compare(text, place, seeker->query, agree_low < agree_high ? agree_low : agree_high);
    bool before = verdict.order < upper, more = verdict.agree > (before ? agree_low : agree_high);
    Edge *edge = before ? &seeker->begins : &seeker->ends;
    Edge seen = before ? (Edge){low, middle} : (Edge){middle + 1, high};
    *edge = more ? seen : *edge;
    seeker->low = before ? middle + 1 : low;
    seeker->high = before ? high : middle;
    seeker->agree_low = before ? verdict.agree : agree_low;
    seeker->agree_high = before ? agree_high : verdict.agree;
}

/* Takes one step of every search that is not done. `active` lists them; returns how many. */
static int64_t step_all(Array *array, Seeker *seekers, int *active, int64_t count, bool upper) {
    int64_t middles[BATCH], places[BATCH], left = 0;
    const Text *text = &array->text;
    for (int64_t i = 0; i < count; i++) {
        const Seeker *seeker = &seekers[active[i]];
        middles[i] = seeker->low + (seeker->high - seeker->low) / 2;
        announce_suffix(array, middles[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        const Seeker *seeker = &seekers[active[i]];
        places[i] = suffix_at(array, middles[i]);
        int64_t from = seeker->agree_low < seeker->agree_high ? seeker->agree_low : seeker->agree_high;
        prefetch(text->bytes + (places[i] + from) * text->width);
        prefetch(&text->blocks[places[i] >> BLOCK_SHIFT]);
    }
    for (int64_t i = 0; i < count; i++) {
        Seeker *seeker = &seekers[active[i]];
        narrow(text, seeker, middles[i], places[i], upper);
        active[left] = active[i];
        left += seeker->low < seeker->high;
    }
    return left;
}

static void run(Array *array, Seeker *seekers, int64_t count, bool upper) {
    int active[BATCH];
    int64_t left = 0;
    for (int64_t i = 0; i < count; i++)
        if (seekers[i].low < seekers[i].high) active[left++] = (int)i;
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

/* The ranges of queries, from what their seekers know. */
static void find_ends(Array *array, Seeker *seekers, int64_t count, Range *ranges) {
    run(array, seekers, count, false);
    for (int64_t i = 0; i < count; i++) {
        Seeker *seeker = &seekers[i];
        int64_t low = seeker->low, agree = seeker->agree_high;
        Edge none = {low, low}, ends = agree == seeker->query.length ? seeker->ends : none;
        ranges[i] = (Range){low, low, low, low};
        seeker->low = ends.from;
        seeker->high = ends.to;
        seeker->agree_low = seeker->agree_high = 0;
    }
    run(array, seekers, count, true);
    for (int64_t i = 0; i < count; i++) ranges[i].high = ranges[i].to = seekers[i].low;
}

static void begin(Array *array, Seeker *seekers, const Query *queries, int64_t count) {
    uint64_t lowest[BATCH];
    int64_t below[BATCH];
    for (int64_t i = 0; i < count; i++) lowest[i] = query_key(array, queries[i]);
    search_keys(array, lowest, count, below);
    for (int64_t i = 0; i < count; i++) begin_one(array, &seekers[i], queries[i], below[i], lowest[i]);
}

void find(Array *array, const Query *queries, int64_t count, bool followed, Range *ranges) {
    Seeker seekers[BATCH];
    for (int64_t i = 0; i < count; i += BATCH) {
        int64_t batch = count - i < BATCH ? count - i : BATCH;
        begin(array, seekers, queries + i, batch);
        find_ends(array, seekers, batch, ranges + i);
        for (int64_t j = i; followed && j < i + batch; j++) find_followed(array, &ranges[j], queries[j].length);
    }
}

/* How much of a query occurs: it stands between suffixes that agree with it longest. */
static void shorten(Seeker *seeker) {
    int64_t low = seeker->agree_low, high = seeker->agree_high;
    int64_t at = seeker->low, longest = low > high ? low : high;
    seeker->query.length = longest;
    if (low < longest) seeker->begins = (Edge){at, at};
    if (high < longest) seeker->ends = (Edge){at, at};
}

/* How often the longest beginnings occur, from what was seen when they were found. */
static void count_longest(Array *array, Seeker *seekers, int64_t count, int64_t *counts) {
    Query unseen[BATCH];
    Range ranges[BATCH];
    int64_t kept = 0, others = 0, of_kept[BATCH], of_others[BATCH];
    for (int64_t i = 0; i < count; i++) {
        Seeker seeker = seekers[i];
        counts[i] = 0;
        if (seeker.query.length == 0) continue;
        if (seeker.begins.from < 0 || seeker.ends.from < 0) {
            of_others[others] = i;
            unseen[others++] = seeker.query;
            continue;
        }
        seeker.low = seeker.begins.from;
        seeker.high = seeker.begins.to;
        seeker.agree_low = 0;
        seeker.agree_high = seeker.query.length;
        of_kept[kept] = i;
        seekers[kept++] = seeker;
    }
    find_ends(array, seekers, kept, ranges);
    for (int64_t i = 0; i < kept; i++) counts[of_kept[i]] = ranges[i].high - ranges[i].low;
    find(array, unseen, others, false, ranges);
    for (int64_t i = 0; i < others; i++) counts[of_others[i]] = ranges[i].high - ranges[i].low;
}

/* Some of the queries of `find_longest`, at most BATCH. */
static void longest_of(Array *array, const Query *queries, const int64_t *which, int64_t count,
                       int64_t *lengths, int64_t *counts) {
    Seeker seekers[BATCH];
    Query asked[BATCH] = {{0}};
    int64_t found[BATCH];
    for (int64_t i = 0; i < count; i++) asked[i] = queries[which[i]];
    begin(array, seekers, asked, count);
    run(array, seekers, count, false);
    for (int64_t i = 0; i < count; i++) {
        shorten(&seekers[i]);
        lengths[which[i]] = seekers[i].query.length;
    }
    if (counts == NULL) return;
    count_longest(array, seekers, count, found);
    for (int64_t i = 0; i < count; i++) counts[which[i]] = found[i];
}

/* Whether what begins between two places needs no search: matches never end earlier than those
   that begin before them, and the shorter of two that end together occurs no more rarely. */
static bool decided(const int64_t *lengths, const int64_t *counts, int64_t before, int64_t after) {
    bool together = before + lengths[before] == after + lengths[after];
    return together && (counts == NULL || counts[before] == counts[after]);
}

/* Every STRIDEth place of a text is looked at first, then those between that are not decided. */
#define STRIDE 4

void find_longest(Array *array, const Query *queries, int64_t count, int64_t *lengths, int64_t *counts) {
    int64_t which[BATCH];
    for (int64_t from = 0; from < count; from += STRIDE * BATCH) {
        int64_t to = from + STRIDE * BATCH < count ? from + STRIDE * BATCH : count;
        for (int64_t step = STRIDE; step > 0; step /= 2) {
            int64_t wanted = 0, apart = step == STRIDE ? step : 2 * step;
            for (int64_t at = step == STRIDE ? from : from + step; at < to; at += apart) {
                if (step < STRIDE && at + step < to && decided(lengths, counts, at - step, at + step)) {
                    lengths[at] = lengths[at - step] - step;
                    if (counts) counts[at] = counts[at - step];
                    continue;
                }
                which[wanted++] = at;
                if (wanted == BATCH) {
                    longest_of(array, queries, which, wanted, lengths, counts);
                    wanted = 0;
                }
            }
            longest_of(array, queries, which, wanted, lengths, counts);
        }
    }
}
