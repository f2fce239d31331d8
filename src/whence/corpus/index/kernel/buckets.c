/* Cutting the work into ranges of suffixes that fit in memory, and sorting one after another.

   A suffix's bucket follows from its first two symbols (16 bits of what is written there). The
   first chooses among buckets of about TARGET suffixes; frequent ones have several, chosen by
   the second symbol's class, of which there are 256 that are about equally frequent. A pass takes
   as many buckets as its memory holds, reads through the text, puts the places that belong to it
   into their buckets, and sorts these, each by one thread. Two passes that follow one another
   are also neighbours in the order that comes out, so it is written front to back, and whatever
   the memory or the number of threads, it is the same. */

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "build.h"

#define TARGET 16384
#define CLASSES 256
#define MOST_THREADS 256

#define LARGE_PAGE (1 << 21)

void *take(size_t bytes) {
    if (bytes < 2 * LARGE_PAGE) return malloc(bytes + 1);
    void *memory = NULL;
    if (posix_memalign(&memory, LARGE_PAGE, bytes)) return NULL;
#ifdef MADV_HUGEPAGE
    /* Reads fall anywhere: without large pages half their time goes into finding the page. */
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

typedef struct {
    Task task;
    void *work;
    int thread, threads;
} Errand;

static void *run(void *errand) {
    Errand *mine = errand;
    mine->task(mine->work, mine->thread, mine->threads);
    return NULL;
}

bool in_parallel(Task task, void *work, int threads) {
    pthread_t handles[MOST_THREADS];
    Errand errands[MOST_THREADS];
    int started = 1;
    for (; started < threads; started++) {
        errands[started] = (Errand){task, work, started, threads};
        if (pthread_create(&handles[started], NULL, run, &errands[started])) break;
    }
    /* Shares of threads that could not be made are done here. */
    task(work, 0, threads);
    for (int thread = started; thread < threads; thread++) task(work, thread, threads);
    for (int thread = 1; thread < started; thread++) pthread_join(handles[thread], NULL);
    return true;
}

typedef struct {
    uint32_t first, second;
} Symbols;

static inline Symbols symbols_of(uint64_t key, int width, int cut) {
    if (width < 4) return (Symbols){(uint32_t)(key >> 48), (uint32_t)(key >> 32) & 0xffff};
    /* Ids that 16 bits do not hold have the last symbol in common, and differ in the second. */
    uint32_t first = (uint32_t)(key >> 32), second = (uint32_t)key;
    if (first >= 0xffff) return (Symbols){0xffff, first >> cut};
    return (Symbols){first, second < 0xffff ? second : 0xffff};
}

static inline int64_t bucket_of(const Plan *plan, Symbols symbols) {
    uint32_t route = plan->route[symbols.first];
    return (route >> 8) + (plan->class_of[symbols.second] >> (route & 0xff));
}

/* What is done with each place of a thread's share; given as a constant, so that it is inlined. */
typedef void (*Visit)(void *visitor, int64_t place, uint64_t key, int held);

static inline __attribute__((always_inline)) void visit_range(
    const Text *text, int width, int64_t from, int64_t to, Visit visit, void *visitor) {
    int per = 8 / width;
    for (int64_t d = document_of(text, from); d < text->documents; d++) {
        int64_t begin = text->bounds[d] - text->base, end = text->bounds[d + 1] - text->base;
        if (begin >= to) break;
        int64_t place = begin > from ? begin : from, stop = end < to ? end : to;
        for (; place < stop && end - place >= per; place++)
            visit(visitor, place, key_of(load(text->bytes + place * width), width), per);
        for (; place < stop; place++)
            visit(visitor, place, last_key(text, place, end - place), (int)(end - place));
    }
}

static inline __attribute__((always_inline)) void visit_share(
    const Text *text, int thread, int threads, Visit visit, void *visitor) {
    int64_t from = text->length / threads * thread;
    int64_t to = thread == threads - 1 ? text->length : text->length / threads * (thread + 1);
    if (from >= to) return;
    if (text->width == 2) visit_range(text, 2, from, to, visit, visitor);
    else if (text->width == 1) visit_range(text, 1, from, to, visit, visitor);
    else visit_range(text, 4, from, to, visit, visitor);
}

typedef struct {
    const Plan *plan;
    const Anchors *only;
    int width;
    int64_t first, last;
    int64_t *counts;   /* of symbols, of buckets, or the next free item of each bucket */
    Item *items;
} Visitor;

static inline void count_symbol(void *visitor, int64_t place, uint64_t key, int held) {
    (void)held;
    Visitor *mine = visitor;
    if (mine->only && !is_anchor(mine->only, place)) return;
    mine->counts[symbols_of(key, mine->width, mine->plan->cut).first]++;
}

static inline void count_bucket(void *visitor, int64_t place, uint64_t key, int held) {
    (void)held;
    Visitor *mine = visitor;
    if (mine->only && !is_anchor(mine->only, place)) return;
    mine->counts[bucket_of(mine->plan, symbols_of(key, mine->width, mine->plan->cut))]++;
}

static inline void put(void *visitor, int64_t place, uint64_t key, int held) {
    Visitor *mine = visitor;
    if (mine->only && !is_anchor(mine->only, place)) return;
    int64_t bucket = bucket_of(mine->plan, symbols_of(key, mine->width, mine->plan->cut));
    if (bucket < mine->first || bucket >= mine->last) return;
    mine->items[mine->counts[bucket]++] = (Item){key, TAGGED(place, held)};
}

typedef struct {
    Passes *passes;
    int64_t *counts;
} Counting;

static Visitor visitor_of(const Passes *passes, int64_t *counts) {
    return (Visitor){&passes->plan, passes->only,  passes->text.width, passes->first,
                     passes->last,  counts,        passes->items};
}

static void count_symbols(void *work, int thread, int threads) {
    Counting *counting = work;
    Visitor visitor = visitor_of(counting->passes, counting->counts + ((int64_t)thread << 16));
    visit_share(&counting->passes->text, thread, threads, count_symbol, &visitor);
}

static void count_buckets(void *work, int thread, int threads) {
    Passes *passes = work;
    Visitor visitor = visitor_of(passes, passes->plan.sizes + thread * passes->plan.buckets);
    visit_share(&passes->text, thread, threads, count_bucket, &visitor);
}

static void put_share(void *work, int thread, int threads) {
    Passes *passes = work;
    Visitor visitor = visitor_of(passes, passes->plan.starts + thread * passes->plan.buckets);
    visit_share(&passes->text, thread, threads, put, &visitor);
}

/* Chooses buckets from how often each first symbol occurs. */
static void route(Plan *plan, const int64_t *counts) {
    int64_t total = 0, passed = 0, open = 0;
    for (int s = 0; s < 1 << 16; s++) total += counts[s];
    plan->buckets = 0;
    for (int s = 0; s < 1 << 16; s++) {
        plan->class_of[s] = (uint8_t)(passed * CLASSES / (total + 1));
        passed += counts[s];
        int bits = 0;
        while (bits < 8 && counts[s] >> bits > TARGET) bits++;
        if (bits) {
            plan->buckets += open > 0;
            plan->route[s] = (uint32_t)plan->buckets << 8 | (uint32_t)(8 - bits);
            plan->buckets += 1 << bits;
            open = 0;
        } else {
            if (open + counts[s] > TARGET) {
                plan->buckets++;
                open = 0;
            }
            plan->route[s] = (uint32_t)plan->buckets << 8 | 8;
            open += counts[s];
        }
    }
    plan->buckets++;
}

bool passes_open(Passes *passes) {
    Plan *plan = &passes->plan;
    passes->first = passes->last = passes->count = 0;
    int threads = passes->threads;
    int64_t *counts = calloc((size_t)threads << 16, sizeof *counts);
    if (counts == NULL) return false;
    Counting counting = {passes, counts};
    bool done = in_parallel(count_symbols, &counting, threads);
    for (int thread = 1; thread < threads; thread++)
        for (int64_t s = 0; s < 1 << 16; s++) counts[s] += counts[((int64_t)thread << 16) + s];
    route(plan, counts);
    free(counts);
    plan->sizes = calloc((size_t)(threads * plan->buckets), sizeof *plan->sizes);
    plan->starts = calloc((size_t)(threads * plan->buckets), sizeof *plan->starts);
    passes->begins = calloc((size_t)(plan->buckets + 1), sizeof *passes->begins);
    if (!done || !plan->sizes || !plan->starts || !passes->begins) return false;
    return in_parallel(count_buckets, passes, threads);
}

static int64_t bucket_size(const Passes *passes, int64_t bucket) {
    int64_t size = 0;
    for (int thread = 0; thread < passes->threads; thread++)
        size += passes->plan.sizes[thread * passes->plan.buckets + bucket];
    return size;
}

static void settle_buckets(void *work, int thread, int threads) {
    (void)thread, (void)threads;
    Passes *passes = work;
    Desk desk;
    if (!desk_open(&desk)) {
        passes->failed = true;
        return;
    }
    for (;;) {
        int64_t bucket = __atomic_fetch_add(&passes->taken, 1, __ATOMIC_RELAXED);
        if (bucket >= passes->last) break;
        int64_t begin = passes->begins[bucket - passes->first];
        int64_t end = passes->begins[bucket - passes->first + 1];
        if (end > begin) settle(&passes->text, passes->ranked, passes->items + begin, end - begin, &desk);
        if (desk.failed) passes->failed = true;
    }
    desk_close(&desk);
}

/* How many items fit: at least one bucket, and then as many as there is room for. */
static bool choose_buckets(Passes *passes) {
    Plan *plan = &passes->plan;
    passes->first = passes->last;
    passes->count = 0;
    passes->begins[0] = 0;
    while (passes->last < plan->buckets) {
        int64_t size = bucket_size(passes, passes->last);
        if (passes->count > 0 && passes->count + size > passes->room) break;
        int64_t start = passes->count;
        for (int thread = 0; thread < passes->threads; thread++) {
            plan->starts[thread * plan->buckets + passes->last] = start;
            start += plan->sizes[thread * plan->buckets + passes->last];
        }
        passes->count += size;
        passes->last++;
        passes->begins[passes->last - passes->first] = passes->count;
    }
    if (passes->count <= passes->items_room) return true;
    /* For later passes too: fresh memory has to be cleared by the system. */
    int64_t most = passes->text.length < passes->room ? passes->text.length : passes->room;
    free(passes->items);
    passes->items_room = passes->count > most ? passes->count : most;
    passes->items = take((size_t)passes->items_room * sizeof(Item));
    return passes->items != NULL;
}

bool passes_next(Passes *passes) {
    if (!choose_buckets(passes)) return false;
    if (passes->count == 0) return true;
    if (!in_parallel(put_share, passes, passes->threads)) return false;
    passes->taken = passes->first;
    passes->failed = false;
    return in_parallel(settle_buckets, passes, passes->threads) && !passes->failed;
}

void passes_close(Passes *passes) {
    free(passes->plan.sizes);
    free(passes->plan.starts);
    free(passes->begins);
    passes->plan.sizes = passes->plan.starts = passes->begins = NULL;
}
