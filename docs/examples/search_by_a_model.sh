# A recording stands for the model; a journal of any model (--journal) is one.
python - <<'LINES'
from pathlib import Path
from whence.reasoning.clients import write_recording
from whence.reasoning.programs import Problem, zero_shot
from whence.reasoning.search import Example
from whence.reasoning.search.hypotheses import first_prompt

prompt = "A number with many different digits:"
program = "    kilometres = 180\n    return kilometres / 2.5"
rule = "def rule(x):\n    return sorted(x)"
said = [
    (prompt, [" 7777", " 1234", " 1223"]),
    (zero_shot(Problem("180 km in 2.5 hours: how fast?")), [program]),
    (first_prompt([Example([3, 1, 2], [1, 2, 3]), Example([], [])]), [rule]),
]
write_recording(Path("said.jsonl"), said)
LINES

# The best of three, by a score that is a program; it runs contained.
echo "def score(text): return len(set(text.strip()))" > different.py
whence solve search "A number with many different digits:" --model said.jsonl \
    --samples 3 --score different.py

# Questions by programs, and the file that solve programs reads.
echo '{"question": "180 km in 2.5 hours: how fast?", "answer": 72.0}' > questions.jsonl
whence solve questions questions.jsonl --model said.jsonl -o answered.jsonl
whence solve programs answered.jsonl --rerun

# A rule behind examples.
echo '[[[3, 1, 2], [1, 2, 3]], [[], []]]' > examples.json
whence solve rule examples.json --model said.jsonl --samples 1
