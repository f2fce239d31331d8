# Chains of rules, four deep, with their proofs; and what the solver makes of them.
whence solve make puzzles -o puzzles.json --count 50 --depth 4
whence solve logic puzzles.json --dataset ProntoQA

# Does causation follow from these correlations?
whence solve make causation -o causation.json --count 10 --variables 3
python -c "import json; print(json.load(open('causation.json'))[0]['text'])"
