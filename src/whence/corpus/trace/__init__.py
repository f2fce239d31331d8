"""Where a text comes from: the stretches of it that documents hold.

settings    what decides a trace
spans       maximal spans that stand in the corpus word for word
relevance   how much a document has to do with the text
near        matches with a few words changed
trace       all of it in one call, and its record
page        the record as one HTML page
"""

from whence.corpus.trace.near import NearMatch
from whence.corpus.trace.settings import TraceSettings
from whence.corpus.trace.trace import Source, Span, Trace, trace

__all__ = ["NearMatch", "Source", "Span", "Trace", "TraceSettings", "trace"]
