/* The Python module: a sorter, which makes sorted suffixes, and suffixes, which are searched.

   Numbers go in and out through the buffer protocol; long work lets other threads of Python run.
   Only the stable interface of CPython 3.11 is used, so one build serves all later versions. */

#include "module.h"

#include <stdlib.h>

PyObject *QueryError;
PyObject *DamageError;

static bool refuse(long long token) {
    PyObject *value = PyLong_FromLongLong(token);
    if (value) PyErr_SetObject(QueryError, value);
    Py_XDECREF(value);
    return false;
}

static inline bool put_token(Asked *asked, int width, int64_t vocabulary, int64_t i, long long token) {
    if (unlikely(token < 0 || token >= vocabulary)) return refuse(token);
    uint32_t narrow = (uint32_t)token;
    memcpy(asked->bytes + i * width, &narrow, (size_t)width);
    return true;
}

static bool make_room(Asked *asked, int width) {
    int64_t bytes = asked->length * width + 8;
    asked->bytes = bytes <= (int64_t)sizeof asked->few ? asked->few : malloc((size_t)bytes);
    if (asked->bytes == NULL) PyErr_NoMemory();
    return asked->bytes != NULL;
}

static bool ask_each(PyObject *given, bool list, int width, int64_t vocabulary, Asked *asked) {
    asked->length = list ? PyList_Size(given) : PyTuple_Size(given);
    if (asked->length < 0 || !make_room(asked, width)) return false;
    for (int64_t i = 0; i < asked->length; i++) {
        PyObject *item = list ? PyList_GetItem(given, i) : PyTuple_GetItem(given, i);
        if (item == NULL) return false;
        long long token = PyLong_AsLongLong(item);
        if (token == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return false;
            PyErr_Clear();
            PyErr_SetObject(QueryError, item);
            return false;
        }
        if (!put_token(asked, width, vocabulary, i, token)) return false;
    }
    return true;
}

static long long number_at(const char *at, char kind, Py_ssize_t size) {
    bool is_signed = kind >= 'a' && kind <= 'z';
    int64_t value = 0;
    memcpy(&value, at, (size_t)size);
    int unused = (int)(8 * (8 - size));
    return is_signed ? (int64_t)((uint64_t)value << unused) >> unused : value;
}

/* Whether every one of some tokens that lie as they do in a text is in the vocabulary. */
static bool all_known(const Asked *asked, int width, int64_t vocabulary) {
    uint32_t highest = 0;
    for (int64_t i = 0; width == 2 && i < asked->length; i++) {
        uint16_t token;
        memcpy(&token, asked->bytes + 2 * i, 2);
        highest = token > highest ? token : highest;
    }
    for (int64_t i = 0; width != 2 && i < asked->length; i++) {
        uint32_t token = 0;
        memcpy(&token, asked->bytes + i * width, (size_t)width);
        highest = token > highest ? token : highest;
    }
    return asked->length == 0 || highest < vocabulary;
}

static bool ask_buffer(PyObject *given, int width, int64_t vocabulary, Asked *asked) {
    Py_buffer view;
    if (PyObject_GetBuffer(given, &view, PyBUF_FORMAT | PyBUF_STRIDES)) return false;
    const char *format = view.format ? view.format : "B";
    if (*format == '<' || *format == '=' || *format == '@') format++;
    bool fine = view.ndim == 1 && view.itemsize <= 8 && strchr("bBhHiIlLqQ", *format) && !format[1];
    if (!fine) PyErr_SetString(PyExc_TypeError, "tokens are whole numbers in one dimension");
    asked->length = fine ? view.shape[0] : 0;
    fine = fine && make_room(asked, width);
    bool copied = fine && view.itemsize == width && view.strides[0] == width && strchr("BHILQ", *format);
    if (copied) {
        memcpy(asked->bytes, view.buf, (size_t)view.len);
        copied = all_known(asked, width, vocabulary);
    }
    for (int64_t i = 0; fine && !copied && i < asked->length; i++) {
        const char *at = (const char *)view.buf + i * view.strides[0];
        fine = put_token(asked, width, vocabulary, i, number_at(at, *format, view.itemsize));
    }
    PyBuffer_Release(&view);
    return fine;
}

bool ask(PyObject *given, int width, int64_t vocabulary, Asked *asked) {
    asked->bytes = NULL;
    asked->length = 0;
    bool fine;
    if (PyList_Check(given)) fine = ask_each(given, true, width, vocabulary, asked);
    else if (PyTuple_Check(given)) fine = ask_each(given, false, width, vocabulary, asked);
    else if (PyObject_CheckBuffer(given)) fine = ask_buffer(given, width, vocabulary, asked);
    else {
        PyObject *list = PySequence_List(given);
        fine = list && ask_each(list, true, width, vocabulary, asked);
        Py_XDECREF(list);
    }
    if (!fine) ask_close(asked);
    return fine;
}

void ask_close(Asked *asked) {
    if (asked->bytes != asked->few) free(asked->bytes);
    asked->bytes = NULL;
}

bool buffer_of(PyObject *given, const char *name, int64_t size, int64_t least, int flags, Py_buffer *view) {
    if (PyObject_GetBuffer(given, view, flags)) return false;
    if (view->len >= size * least && (size == 1 || view->itemsize == size)) return true;
    PyErr_Format(PyExc_ValueError, "%s: expected %lld items of %lld bytes, got %lld bytes", name,
                 (long long)least, (long long)size, (long long)view->len);
    PyBuffer_Release(view);
    return false;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", "Sorted suffixes of a text.", -1, NULL, NULL, NULL, NULL, NULL,
};

static bool add_type(PyObject *module, const char *name, PyType_Spec *spec) {
    PyObject *type = PyType_FromSpec(spec);
    return type && PyModule_AddObjectRef(module, name, type) == 0;
}

PyMODINIT_FUNC PyInit__kernel(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    QueryError = PyErr_NewException("whence.corpus.index._kernel.QueryError", PyExc_ValueError, NULL);
    DamageError = PyErr_NewException("whence.corpus.index._kernel.DamageError", PyExc_ValueError, NULL);
    if (QueryError && DamageError && PyModule_AddObjectRef(module, "QueryError", QueryError) == 0 &&
        PyModule_AddObjectRef(module, "DamageError", DamageError) == 0 &&
        add_type(module, "Sorter", &sorter_spec) && add_type(module, "Suffixes", &suffixes_spec))
        return module;
    Py_DECREF(module);
    return NULL;
}
