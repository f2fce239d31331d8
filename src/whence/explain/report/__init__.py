"""The report: one HTML file that needs nothing else, made from an explanation's record.

page         the page: what is being explained, the summary, the sections in order
prompt       the prompt, its tokens coloured by what they carry
answer       a whole answer, each of its tokens by all that stands before it
components   heads and MLPs by layer
documents    the documents that methods name, with the stretches they share marked
circuit      a circuit, as a page of its own
routes       information-flow routes, as a page of their own
shaped       which documents shaped which part of the model
checks       what was taken away, and what was predicted beside what was measured
corpus       what the text alone says, beside the model
making       coverage, costs, how to make it again
parts        tables, badges and bars that several sections use
style.css    how it looks, on top of what every page has (`core.page`)

The text of prompts and documents is anybody's: every character of it is escaped, and the
page forbids scripts and the network to itself.
"""

from whence.explain.report.page import render, write_report

__all__ = ["render", "write_report"]
