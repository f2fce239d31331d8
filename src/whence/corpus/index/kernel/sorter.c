/* The Python type that sorts the suffixes of a text and gives them out, packed, front to back. */

#include <stdlib.h>

#include "build.h"
#include "module.h"
#include "scan.h"

/* So many suffixes are packed at a time, of which the bits fill whole bytes. */
#define PORTION (1 << 21)

typedef struct {
    PyObject_HEAD
    Passes passes;
    Anchors anchors;
    uint8_t *bytes;
    int64_t *bounds;
    uint32_t *blocks;
    uint64_t *ends;
    int bits;
    int64_t given;       /* suffixes of the pass that were given out */
    int64_t total;       /* and of those before it */
    Packer packer;       /* bits that did not fill a byte */
    int64_t *sampled;    /* the place of every STEPth suffix */
    bool ready;
} Sorter;

static bool copy_text(Sorter *self, const Py_buffer *tokens, const Py_buffer *bounds) {
    Text *text = &self->passes.text;
    const int64_t *given = bounds->buf;
    text->documents = bounds->len / 8 - 1;
    text->length = given[text->documents] - given[0];
    if (tokens->len != text->length * text->width || text->length < 1) return false;
    int64_t blocks = (text->length >> BLOCK_SHIFT) + 2;
    self->bytes = take((size_t)(tokens->len + 64));
    self->bounds = malloc((size_t)bounds->len);
    self->blocks = malloc((size_t)blocks * sizeof *self->blocks);
    self->ends = calloc((size_t)(text->length / 64 + 2), sizeof *self->ends);
    self->sampled = malloc((size_t)(text->length / STEP + 1) * sizeof *self->sampled);
    if (!self->bytes || !self->bounds || !self->blocks || !self->ends || !self->sampled) return false;
    memcpy(self->bytes, tokens->buf, (size_t)tokens->len);
    memset(self->bytes + tokens->len, 0, 64);
    memcpy(self->bounds, given, (size_t)bounds->len);
    text->bytes = self->bytes;
    text->bounds = self->bounds;
    text->base = given[0];
    text->blocks = self->blocks;
    text->ends = self->ends;
    int64_t block = 0;
    for (int64_t d = 0; d < text->documents; d++) {
        int64_t begin = given[d] - text->base, end = given[d + 1] - text->base;
        if (end <= begin) continue;
        for (; block << BLOCK_SHIFT < end; block++) self->blocks[block] = (uint32_t)d;
        self->ends[(end - 1) >> 6] |= 1ull << ((end - 1) & 63);
    }
    for (; block < blocks; block++) self->blocks[block] = (uint32_t)text->documents;
    while (self->bits < 1 || (text->length - 1) >> self->bits) self->bits++;
    return true;
}

static bool rising(const Py_buffer *bounds) {
    const int64_t *values = bounds->buf;
    for (int64_t d = 1; d < bounds->len / 8; d++)
        if (values[d] < values[d - 1]) return false;
    return bounds->len >= 16;
}

static int sorter_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    Sorter *self = (Sorter *)object;
    static char *names[] = {"tokens", "width", "bounds", "threads", "room", NULL};
    PyObject *tokens_given, *bounds_given;
    int width, threads;
    long long room;
    if (self->bytes) return 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OiOiL", names, &tokens_given, &width, &bounds_given,
                                     &threads, &room))
        return -1;
    if ((width != 1 && width != 2 && width != 4) || threads < 1 || threads > 256) {
        PyErr_SetString(PyExc_ValueError, "width is 1, 2 or 4, and threads 1 to 256");
        return -1;
    }
    Py_buffer tokens, bounds;
    if (!buffer_of(tokens_given, "tokens", width, 1, PyBUF_SIMPLE, &tokens)) return -1;
    if (!buffer_of(bounds_given, "bounds", 8, 2, PyBUF_SIMPLE, &bounds)) {
        PyBuffer_Release(&tokens);
        return -1;
    }
    Text *text = &self->passes.text;
    text->width = width;
    text->per = 8 / width;
    self->passes.threads = threads;
    self->passes.room = room > 1 ? room : 1;
    bool fine = rising(&bounds);
    if (fine) {
        Py_BEGIN_ALLOW_THREADS
        fine = copy_text(self, &tokens, &bounds);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&tokens);
    PyBuffer_Release(&bounds);
    if (!fine) PyErr_SetString(PyExc_ValueError, "the bounds do not fit the tokens, or no memory");
    return fine ? 0 : -1;
}

static void sorter_dealloc(PyObject *object) {
    Sorter *self = (Sorter *)object;
    anchors_close(&self->anchors);
    passes_close(&self->passes);
    free(self->bytes);
    free(self->bounds);
    free(self->blocks);
    free(self->ends);
    free(self->sampled);
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* How many bits of a 32-bit text's tokens are more than 16. */
static int cut_of(const Text *text) {
    uint32_t greatest = 0;
    if (text->width < 4) return 0;
    for (int64_t i = 0; i < text->length; i++) greatest |= token_at(text, i);
    int cut = 0;
    while (greatest >> cut > 0xffff) cut++;
    return cut;
}

static PyObject *sorter_prepare(PyObject *object, PyObject *unused) {
    (void)unused;
    Sorter *self = (Sorter *)object;
    if (self->ready) Py_RETURN_NONE;
    bool fine;
    Py_BEGIN_ALLOW_THREADS
    self->passes.plan.cut = cut_of(&self->passes.text);
    fine = anchors_open(&self->anchors, &self->passes);
    self->passes.only = NULL;
    self->passes.ranked = &self->anchors;
    fine = fine && passes_open(&self->passes);
    Py_END_ALLOW_THREADS
    if (!fine) return PyErr_NoMemory();
    self->ready = true;
    Py_RETURN_NONE;
}

static void pack_portion(Sorter *self, int64_t count, uint8_t *out) {
    Packer *packer = &self->packer;
    packer->at = out;
    const Item *items = self->passes.items + self->given;
    for (int64_t i = 0; i < count; i++) {
        int64_t place = PLACE(items[i]), index = self->total + self->given + i;
        if (index % STEP == 0) self->sampled[index / STEP] = place;
        pack(packer, (uint64_t)place, self->bits);
    }
    self->given += count;
}

/* The next suffixes as whole words of packed bits; none after the last. */
static PyObject *sorter_next(PyObject *object, PyObject *unused) {
    (void)unused;
    Sorter *self = (Sorter *)object;
    if (!self->ready) {
        PyErr_SetString(PyExc_RuntimeError, "prepare comes first");
        return NULL;
    }
    bool fine = true;
    if (self->given == self->passes.count) {
        Py_BEGIN_ALLOW_THREADS
        self->total += self->passes.count;
        self->given = 0;
        fine = passes_next(&self->passes);
        Py_END_ALLOW_THREADS
    }
    if (!fine) return PyErr_NoMemory();
    int64_t left = self->passes.count - self->given, count = left < PORTION ? left : PORTION;
    if (count == 0) {
        char last[8];
        memcpy(last, &self->packer.word, 8);
        int held = self->packer.held;
        if (held == 0) Py_RETURN_NONE;
        self->packer = (Packer){0};
        return PyBytes_FromStringAndSize(last, (held + 7) / 8);
    }
    PyObject *packed = PyBytes_FromStringAndSize(NULL, (count * self->bits + self->packer.held) / 64 * 8);
    if (packed == NULL) return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AsString(packed);
    Py_BEGIN_ALLOW_THREADS
    pack_portion(self, count, out);
    Py_END_ALLOW_THREADS
    return packed;
}

/* The keys of every STEPth suffix, once all were given out. */
static PyObject *sorter_keys(PyObject *object, PyObject *args) {
    Sorter *self = (Sorter *)object;
    Array array = {.text = self->passes.text};
    if (!PyArg_ParseTuple(args, "ii", &array.token_bits, &array.key_tokens)) return NULL;
    int64_t count = (self->total + self->passes.count + STEP - 1) / STEP;
    PyObject *keys = PyBytes_FromStringAndSize(NULL, count * 8);
    if (keys == NULL) return NULL;
    uint64_t *out = (uint64_t *)PyBytes_AsString(keys);
    for (int64_t i = 0; i < count; i++) out[i] = first_key(&array, self->sampled[i]);
    return keys;
}

static PyObject *sorter_blocks(PyObject *object, PyObject *unused) {
    (void)unused;
    Sorter *self = (Sorter *)object;
    int64_t blocks = (self->passes.text.length >> BLOCK_SHIFT) + 2;
    return PyBytes_FromStringAndSize((const char *)self->blocks, blocks * 4);
}

static PyObject *sorter_bits(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromLong(((Sorter *)object)->bits);
}

static PyMethodDef methods[] = {
    {"prepare", sorter_prepare, METH_NOARGS, "Rank the anchors and plan the passes."},
    {"next", sorter_next, METH_NOARGS, "The next suffixes, packed; None after the last."},
    {"keys", sorter_keys, METH_VARARGS, "Keys of every so many suffixes."},
    {"blocks", sorter_blocks, METH_NOARGS, "The document of each block's first place."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef members[] = {
    {"bits", sorter_bits, NULL, "Bits of a packed place.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, sorter_init},     {Py_tp_dealloc, sorter_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, members},       {Py_tp_doc, "Sorts the suffixes of a text."},
    {0, NULL},
};

PyType_Spec sorter_spec = {
    "whence.corpus.index._kernel.Sorter", sizeof(Sorter), 0, Py_TPFLAGS_DEFAULT, slots,
};
