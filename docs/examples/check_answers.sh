cat > questions.json <<'LIST'
[{"id": "a", "Question": "Is 7 prime?", "Answer": true, "Answer_type": "bool"},
 {"id": "b", "Question": "sin of 30 degrees?", "Answer": 0.5, "Answer_type": "float"},
 {"id": "c", "Question": "Roots of x^2 - 5x + 6?", "Answer": [2, 3], "Answer_type": "list of integer"}]
LIST
cat > said.jsonl <<'LINES'
{"id": "a", "prediction": "It has no divisors but itself. The answer is yes."}
{"id": "b", "prediction": "The answer is 1/2."}
{"id": "c", "prediction": "x = 3 or x = 4, so the answer is [3, 4]"}
LINES
whence solve answers questions.json said.jsonl
