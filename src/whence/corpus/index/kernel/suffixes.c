/* The Python type of sorted suffixes that are searched; its memory is the caller's buffers. */

#include <stdlib.h>

#include "build.h"
#include "module.h"
#include "scan.h"

enum { TOKENS, BOUNDS, BLOCKS, PACKED, KEYS, VIEWS };
/* Fewer queries than this for each thread are not worth starting one. */
#define SHARE 2048

typedef struct {
    PyObject_HEAD
    Array array;
    Py_buffer views[VIEWS];
    int64_t vocabulary;
} Suffixes;

static void release_views(Suffixes *self) {
    for (int i = 0; i < VIEWS; i++)
        if (self->views[i].obj) PyBuffer_Release(&self->views[i]);
}

static bool open_views(Suffixes *self, PyObject **given) {
    Array *array = &self->array;
    Text *text = &array->text;
    static const char *names[] = {"tokens", "bounds", "blocks", "packed", "keys"};
    static const int64_t sizes[] = {1, 8, 4, 1, 8};
    for (int i = 0; i < VIEWS; i++)
        if (!buffer_of(given[i], names[i], sizes[i], i == BOUNDS ? 2 : 0, PyBUF_SIMPLE, &self->views[i])) {
            self->views[i].obj = NULL;
            return false;
        }
    text->bytes = self->views[TOKENS].buf;
    text->bounds = self->views[BOUNDS].buf;
    text->documents = self->views[BOUNDS].len / 8 - 1;
    text->base = text->bounds[0];
    text->length = text->bounds[text->documents] - text->base;
    text->blocks = self->views[BLOCKS].buf;
    array->packed = self->views[PACKED].buf;
    array->packed_bytes = self->views[PACKED].len;
    array->keys = self->views[KEYS].buf;
    array->keys_count = self->views[KEYS].len / 8;
    bool whole = text->length >= 0 && self->views[TOKENS].len == text->length * text->width &&
                 self->views[BLOCKS].len / 4 >= (text->length >> BLOCK_SHIFT) + 2 &&
                 self->views[PACKED].len >= (array->count * array->bits + 7) / 8;
    if (!whole) PyErr_SetString(DamageError, "the parts of the index do not fit one another");
    return whole;
}

static int suffixes_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    Suffixes *self = (Suffixes *)object;
    static char *names[] = {"tokens", "bounds", "blocks",     "packed",     "keys",       "width",
                            "bits",   "count",  "vocabulary", "token_bits", "key_tokens", "foreign", NULL};
    PyObject *given[VIEWS];
    int width, bits, token_bits, key_tokens, foreign = 0;
    long long count, vocabulary;
    if (self->views[TOKENS].obj) return 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOiiLLii|p", names, &given[TOKENS], &given[BOUNDS],
                                     &given[BLOCKS], &given[PACKED], &given[KEYS], &width, &bits, &count,
                                     &vocabulary, &token_bits, &key_tokens, &foreign))
        return -1;
    bool known = (width == 1 || width == 2 || width == 4) && bits > 0 && bits <= 56 && count >= 0 &&
                 token_bits > 0 && token_bits <= 32 && key_tokens > 0 && token_bits * key_tokens <= 64 &&
                 vocabulary > 0 && vocabulary <= 1ll << 8 * width;
    if (!known) {
        PyErr_SetString(DamageError, "numbers that no index has");
        return -1;
    }
    self->array = (Array){.bits = bits, .count = count, .token_bits = token_bits, .key_tokens = key_tokens};
    self->array.text.width = width;
    self->array.text.per = 8 / width;
    self->array.text.foreign = foreign;
    self->array.scale = foreign ? width >> 1 : 0;
    self->vocabulary = vocabulary;
    return open_views(self, given) ? 0 : -1;
}

static void suffixes_dealloc(PyObject *object) {
    release_views((Suffixes *)object);
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static bool whole(Suffixes *self) {
    if (likely(!self->array.damaged)) return true;
    PyErr_SetString(DamageError, "a place outside the text");
    return false;
}

static bool ask_some(Suffixes *self, PyObject *given, Asked *asked) {
    if (!ask(given, self->array.text.width, self->vocabulary, asked)) return false;
    if (asked->length > 0) return true;
    PyErr_SetNone(QueryError);
    ask_close(asked);
    return false;
}

/* count(tokens): how many suffixes begin with them. */
static PyObject *suffixes_count(PyObject *object, PyObject *tokens) {
    Suffixes *self = (Suffixes *)object;
    Asked asked;
    if (!ask_some(self, tokens, &asked)) return NULL;
    Range range;
    find(&self->array, &(Query){asked.bytes, asked.length}, 1, false, &range);
    ask_close(&asked);
    return whole(self) ? PyLong_FromLongLong(range.high - range.low) : NULL;
}

/* range(tokens): the first of the suffixes that begin with them, their end, and the first and the
   end of those that go on. */
static PyObject *suffixes_range(PyObject *object, PyObject *tokens) {
    Suffixes *self = (Suffixes *)object;
    Asked asked;
    if (!ask_some(self, tokens, &asked)) return NULL;
    Range range;
    find(&self->array, &(Query){asked.bytes, asked.length}, 1, true, &range);
    ask_close(&asked);
    if (!whole(self)) return NULL;
    return Py_BuildValue("LLLL", (long long)range.low, (long long)range.high, (long long)range.from,
                         (long long)range.to);
}

/* Many queries, in shares: those of a list, or the rows of some tokens where `rows` is given. */
typedef struct {
    Array *array;
    int64_t count;
    const Query *queries;
    const uint8_t *rows;
    int64_t row_length;
    bool followed;
    Range *ranges;
    int64_t *lengths;   /* look for the longest beginnings instead, where given */
    int64_t *counts;    /* of those, or of rows */
    bool failed;        /* memory ended */
} Search;

static void search_share(void *work, int thread, int threads) {
    Search *search = work;
    int64_t from = search->count / threads * thread;
    int64_t to = thread == threads - 1 ? search->count : search->count / threads * (thread + 1);
    Array local = *search->array;
    int64_t *counts = search->counts ? search->counts + from : NULL;
    if (search->rows) {
        int64_t bytes = search->row_length * local.text.width;
        const uint8_t *rows = search->rows + from * bytes;
        if (!count_rows(&local, rows, search->row_length, to - from, counts)) search->failed = true;
    } else if (search->lengths) {
        find_longest(&local, search->queries + from, to - from, search->lengths + from, counts);
    } else {
        find(&local, search->queries + from, to - from, search->followed, search->ranges + from);
    }
    if (local.damaged) search->array->damaged = true;
}

static bool search_all(Search search, int threads) {
    int64_t most = search.count / SHARE + 1;
    return in_parallel(search_share, &search, threads < most ? threads : (int)most) && !search.failed;
}

/* What a batch of queries is made of and answered in. */
typedef struct {
    Query *queries;
    Range *ranges;
} Batch;

static bool batch_open(Batch *batch, int64_t count) {
    batch->queries = malloc((size_t)(count + 1) * sizeof *batch->queries);
    batch->ranges = malloc((size_t)(count + 1) * sizeof *batch->ranges);
    if (batch->queries && batch->ranges) return true;
    free(batch->queries);
    free(batch->ranges);
    PyErr_NoMemory();
    return false;
}

static void batch_close(Batch *batch) {
    free(batch->queries);
    free(batch->ranges);
}

/* find_spans(tokens, starts, ends, out, followed, threads): for each stretch of the tokens the four
   numbers that `range` gives; all are taken to go on where that is not wanted. */
static PyObject *suffixes_find_spans(PyObject *object, PyObject *args) {
    Suffixes *self = (Suffixes *)object;
    PyObject *tokens, *given[3];
    int followed, threads;
    if (!PyArg_ParseTuple(args, "OOOOpi", &tokens, &given[0], &given[1], &given[2], &followed, &threads))
        return NULL;
    Asked asked;
    if (!ask(tokens, self->array.text.width, self->vocabulary, &asked)) return NULL;
    Py_buffer views[3] = {{0}};
    PyObject *result = NULL;
    Batch batch = {0};
    bool fine = buffer_of(given[0], "starts", 8, 0, PyBUF_SIMPLE, &views[0]);
    int64_t count = fine ? views[0].len / 8 : 0;
    fine = fine && buffer_of(given[1], "ends", 8, count, PyBUF_SIMPLE, &views[1]) &&
           buffer_of(given[2], "out", 8, 4 * count, PyBUF_WRITABLE, &views[2]);
    const int64_t *starts = views[0].buf, *ends = views[1].buf;
    for (int64_t i = 0; fine && i < count; i++)
        if (starts[i] < 0 || ends[i] <= starts[i] || ends[i] > asked.length) {
            PyErr_SetNone(QueryError);
            fine = false;
        }
    fine = fine && batch_open(&batch, count);
    if (fine) {
        int width = self->array.text.width;
        Py_BEGIN_ALLOW_THREADS
        for (int64_t i = 0; i < count; i++)
            batch.queries[i] = (Query){asked.bytes + starts[i] * width, ends[i] - starts[i]};
        search_all((Search){&self->array, count, batch.queries, .followed = followed, .ranges = batch.ranges},
                   threads);
        memcpy(views[2].buf, batch.ranges, (size_t)count * sizeof(Range));
        Py_END_ALLOW_THREADS
        if (whole(self)) result = Py_NewRef(Py_None);
    }
    batch_close(&batch);
    for (int i = 0; i < 3; i++)
        if (views[i].obj) PyBuffer_Release(&views[i]);
    ask_close(&asked);
    return result;
}

/* count_each(queries, out, threads): how often each of a list of queries occurs. */
static PyObject *suffixes_count_each(PyObject *object, PyObject *args) {
    Suffixes *self = (Suffixes *)object;
    PyObject *queries, *out_given;
    int threads;
    if (!PyArg_ParseTuple(args, "OOi", &queries, &out_given, &threads)) return NULL;
    if (!PyList_Check(queries)) return PyErr_Format(PyExc_TypeError, "expected a list of queries");
    int64_t count = PyList_Size(queries), done = 0;
    Py_buffer out;
    if (!buffer_of(out_given, "out", 8, count, PyBUF_WRITABLE, &out)) return NULL;
    Asked *asked = malloc((size_t)(count + 1) * sizeof *asked);
    Batch batch = {0};
    PyObject *result = NULL;
    bool fine = asked && batch_open(&batch, count);
    for (; fine && done < count; done++) {
        PyObject *query = PyList_GetItem(queries, done);
        fine = query && ask_some(self, query, &asked[done]);
        if (!fine) break;
        batch.queries[done] = (Query){asked[done].bytes, asked[done].length};
    }
    if (fine) {
        Py_BEGIN_ALLOW_THREADS
        search_all((Search){&self->array, count, batch.queries, .ranges = batch.ranges}, threads);
        Py_END_ALLOW_THREADS
        int64_t *counts = out.buf;
        for (int64_t i = 0; i < count; i++) counts[i] = batch.ranges[i].high - batch.ranges[i].low;
        if (whole(self)) result = Py_NewRef(Py_None);
    }
    for (int64_t i = 0; i < done; i++) ask_close(&asked[i]);
    free(asked);
    batch_close(&batch);
    PyBuffer_Release(&out);
    return result;
}

/* count_rows(tokens, length, out, threads): how often each row of so many tokens occurs. */
static PyObject *suffixes_count_rows(PyObject *object, PyObject *args) {
    Suffixes *self = (Suffixes *)object;
    PyObject *tokens, *given;
    long long length;
    int threads;
    if (!PyArg_ParseTuple(args, "OLOi", &tokens, &length, &given, &threads)) return NULL;
    Asked asked;
    if (!ask(tokens, self->array.text.width, self->vocabulary, &asked)) return NULL;
    Py_buffer out = {0};
    PyObject *result = NULL;
    if (length < 1) PyErr_SetNone(QueryError);
    else if (buffer_of(given, "out", 8, asked.length / length, PyBUF_WRITABLE, &out)) {
        bool fine;
        Search search = {&self->array, asked.length / length, .rows = asked.bytes, .row_length = length,
                         .counts = out.buf};
        Py_BEGIN_ALLOW_THREADS
        fine = search_all(search, threads);
        Py_END_ALLOW_THREADS
        if (!fine) PyErr_NoMemory();
        else if (whole(self)) result = Py_NewRef(Py_None);
        PyBuffer_Release(&out);
    }
    ask_close(&asked);
    return result;
}

/* longest(tokens, lengths, counts, threads): of what begins at each token, how much occurs, and how
   often where that is not None. */
static PyObject *suffixes_longest(PyObject *object, PyObject *args) {
    Suffixes *self = (Suffixes *)object;
    PyObject *tokens, *given[2];
    int threads;
    if (!PyArg_ParseTuple(args, "OOOi", &tokens, &given[0], &given[1], &threads)) return NULL;
    Asked asked;
    if (!ask(tokens, self->array.text.width, self->vocabulary, &asked)) return NULL;
    Py_buffer views[2] = {{0}};
    Batch batch = {0};
    PyObject *result = NULL;
    bool fine = buffer_of(given[0], "lengths", 8, asked.length, PyBUF_WRITABLE, &views[0]) &&
                (given[1] == Py_None ||
                 buffer_of(given[1], "counts", 8, asked.length, PyBUF_WRITABLE, &views[1])) &&
                batch_open(&batch, asked.length);
    if (fine) {
        int width = self->array.text.width;
        Py_BEGIN_ALLOW_THREADS
        for (int64_t i = 0; i < asked.length; i++)
            batch.queries[i] = (Query){asked.bytes + i * width, asked.length - i};
        search_all((Search){&self->array, asked.length, batch.queries, .lengths = views[0].buf,
                            .counts = views[1].buf},
                   threads);
        Py_END_ALLOW_THREADS
        if (whole(self)) result = Py_NewRef(Py_None);
    }
    batch_close(&batch);
    for (int i = 0; i < 2; i++)
        if (views[i].obj) PyBuffer_Release(&views[i]);
    ask_close(&asked);
    return result;
}

static bool range_is_right(Suffixes *self, long long low, long long high) {
    if (0 <= low && low <= high && high <= self->array.count) return true;
    PyErr_SetString(PyExc_ValueError, "no such range of suffixes");
    return false;
}

static PyObject *taken(Suffixes *self, Numbers *numbers, bool fine) {
    PyObject *result = NULL;
    if (!fine) PyErr_NoMemory();
    else if (whole(self))
        result = PyByteArray_FromStringAndSize((const char *)numbers->values, numbers->count * 8);
    free(numbers->values);
    return result;
}

/* following(low, high, depth): pairs of a token and how often it follows so many tokens. */
static PyObject *suffixes_following(PyObject *object, PyObject *args) {
    Suffixes *self = (Suffixes *)object;
    long long low, high, depth;
    if (!PyArg_ParseTuple(args, "LLL", &low, &high, &depth) || !range_is_right(self, low, high)) return NULL;
    Numbers pairs = {0};
    bool fine;
    Py_BEGIN_ALLOW_THREADS
    fine = following(&self->array, low, high, depth, &pairs);
    Py_END_ALLOW_THREADS
    return taken(self, &pairs, fine);
}

/* places(low, high, limit): the least places of a range of suffixes, in no order. */
static PyObject *suffixes_places(PyObject *object, PyObject *args) {
    Suffixes *self = (Suffixes *)object;
    long long low, high, limit;
    if (!PyArg_ParseTuple(args, "LLL", &low, &high, &limit) || !range_is_right(self, low, high)) return NULL;
    Numbers places = {.count = high - low < limit ? high - low : limit > 0 ? limit : 0};
    places.values = malloc((size_t)(places.count + 1) * sizeof *places.values);
    if (places.values) {
        Py_BEGIN_ALLOW_THREADS
        places_of(&self->array, low, high, places.count, places.values);
        Py_END_ALLOW_THREADS
    }
    return taken(self, &places, places.values != NULL);
}

/* repeats(shortest, limit): triples of length, count and a place. */
static PyObject *suffixes_repeats(PyObject *object, PyObject *args) {
    Suffixes *self = (Suffixes *)object;
    long long shortest, limit;
    if (!PyArg_ParseTuple(args, "LL", &shortest, &limit)) return NULL;
    Numbers triples = {0};
    bool fine;
    Py_BEGIN_ALLOW_THREADS
    fine = repeats(&self->array, shortest > 1 ? shortest : 1, limit, &triples);
    Py_END_ALLOW_THREADS
    return taken(self, &triples, fine);
}

/* filtered(documents): the suffixes in the documents whose byte is not 0, packed; how many. */
static PyObject *suffixes_filtered(PyObject *object, PyObject *documents) {
    Suffixes *self = (Suffixes *)object;
    const Text *text = &self->array.text;
    Py_buffer wanted;
    if (!buffer_of(documents, "documents", 1, text->documents, PyBUF_SIMPLE, &wanted)) return NULL;
    const uint8_t *bytes = wanted.buf;
    int64_t count = 0;
    for (int64_t d = 0; d < text->documents; d++)
        if (bytes[d]) count += text->bounds[d + 1] - text->bounds[d];
    if (count > self->array.count) count = self->array.count;
    PyObject *packed = PyByteArray_FromStringAndSize(NULL, (count * self->array.bits + 7) / 8 + 16);
    int64_t kept = 0;
    if (packed) {
        uint8_t *out = (uint8_t *)PyByteArray_AsString(packed);
        Py_BEGIN_ALLOW_THREADS
        kept = filter(&self->array, bytes, count, out);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&wanted);
    if (packed && kept >= 0 && whole(self)) return Py_BuildValue("NL", packed, (long long)kept);
    if (kept < 0) PyErr_NoMemory();
    Py_XDECREF(packed);
    return NULL;
}

/* raise(ranges, values, out): for each range of suffixes, the documents' numbers become at least
   its value. */
static PyObject *suffixes_raise(PyObject *object, PyObject *args) {
    Suffixes *self = (Suffixes *)object;
    PyObject *given[3];
    if (!PyArg_ParseTuple(args, "OOO", &given[0], &given[1], &given[2])) return NULL;
    Py_buffer views[3] = {{0}};
    bool fine = buffer_of(given[1], "values", 8, 0, PyBUF_SIMPLE, &views[1]);
    int64_t count = fine ? views[1].len / 8 : 0;
    fine = fine && buffer_of(given[0], "ranges", 8, 2 * count, PyBUF_SIMPLE, &views[0]) &&
           buffer_of(given[2], "out", 8, self->array.text.documents, PyBUF_WRITABLE, &views[2]);
    const int64_t *ranges = views[0].buf, *values = views[1].buf;
    for (int64_t i = 0; fine && i < count; i++) fine = range_is_right(self, ranges[2 * i], ranges[2 * i + 1]);
    if (fine) {
        Py_BEGIN_ALLOW_THREADS
        for (int64_t i = 0; i < count; i++)
            raise_documents(&self->array, ranges[2 * i], ranges[2 * i + 1], values[i], views[2].buf);
        Py_END_ALLOW_THREADS
        fine = whole(self);
    }
    for (int i = 0; i < 3; i++)
        if (views[i].obj) PyBuffer_Release(&views[i]);
    return fine ? Py_NewRef(Py_None) : NULL;
}

/* sample(): the keys of every STEPth suffix. */
static PyObject *suffixes_sample(PyObject *object, PyObject *unused) {
    (void)unused;
    Suffixes *self = (Suffixes *)object;
    int64_t count = (self->array.count + STEP - 1) / STEP;
    PyObject *keys = PyBytes_FromStringAndSize(NULL, count * 8);
    if (keys == NULL) return NULL;
    uint64_t *out = (uint64_t *)PyBytes_AsString(keys);
    for (int64_t i = 0; i < count; i++) out[i] = first_key(&self->array, suffix_at(&self->array, i * STEP));
    return keys;
}

static PyMethodDef methods[] = {
    {"count", suffixes_count, METH_O, "How many suffixes begin with some tokens."},
    {"range", suffixes_range, METH_O, "Where they are: the first, the end; and of those that go on."},
    {"find_spans", suffixes_find_spans, METH_VARARGS, "The ranges of stretches of tokens."},
    {"count_each", suffixes_count_each, METH_VARARGS, "How often each query of a list occurs."},
    {"count_rows", suffixes_count_rows, METH_VARARGS, "How often each row of tokens occurs."},
    {"longest", suffixes_longest, METH_VARARGS, "How much of what begins at each token occurs."},
    {"following", suffixes_following, METH_VARARGS, "What follows in a range of suffixes."},
    {"places", suffixes_places, METH_VARARGS, "The places of a range of suffixes."},
    {"repeats", suffixes_repeats, METH_VARARGS, "What occurs more than once."},
    {"filtered", suffixes_filtered, METH_O, "The suffixes in some documents, packed."},
    {"raise_documents", suffixes_raise, METH_VARARGS, "Raise the numbers of the documents of ranges."},
    {"sample", suffixes_sample, METH_NOARGS, "Keys of every so many suffixes."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, suffixes_init},
    {Py_tp_dealloc, suffixes_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Sorted suffixes that are searched."},
    {0, NULL},
};

PyType_Spec suffixes_spec = {
    "whence.corpus.index._kernel.Suffixes", sizeof(Suffixes), 0, Py_TPFLAGS_DEFAULT, slots,
};
