cat > programs.jsonl <<'LINES'
{"question": "2 times 3?", "answer": 6.0, "executed": 6.0, "generated": ["ans = 2 * 3"]}
{"question": "What share is 3 of 8?", "answer": 0.375, "executed": 37.5, "generated": ["ans = 3 / 8 * 100"]}
{"question": "10 less 4?", "answer": 6.0, "executed": null, "generated": ["ans = ten - 4"]}
LINES
whence solve programs programs.jsonl
whence solve programs programs.jsonl --rule relaxed --rerun --faults 3
