/* What the two types of the Python module share; see module.c. */

#ifndef WHENCE_MODULE_H
#define WHENCE_MODULE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include "text.h"

extern PyObject *QueryError;
extern PyObject *DamageError;

/* Tokens as Python gives them, made those of a text. */
typedef struct {
    uint8_t *bytes;
    int64_t length;
    uint8_t few[256];  /* room for short ones */
} Asked;

/* From a list, a tuple, or one-dimensional integers with the buffer protocol. */
bool ask(PyObject *given, int width, int64_t vocabulary, Asked *asked);
void ask_close(Asked *asked);

/* A buffer of a certain number of items of a size, C-contiguous. */
bool buffer_of(PyObject *given, const char *name, int64_t size, int64_t least, int flags, Py_buffer *view);

extern PyType_Spec sorter_spec;
extern PyType_Spec suffixes_spec;

#endif
