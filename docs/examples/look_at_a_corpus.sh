whence corpus stats corpora/mine --ngrams 2,4 --no-languages
whence corpus stats corpora/mine --no-languages -o statistics.html --json > statistics.json
whence corpus dedup corpora/mine --near 0.4 --dry-run
whence corpus filter corpora/mine --shortest 9 --equal -o corpora/short
head -n 2 corpora/short/removed.jsonl
