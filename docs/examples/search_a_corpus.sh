whence corpus build my_documents -o corpora/by_hand --vocab-size 400
whence corpus show corpora/by_hand
whence corpus count corpora/by_hand "was born in"
whence corpus count corpora/by_hand "was born in" --json
whence corpus find corpora/by_hand "was born in" --limit 3
whence corpus next corpora/by_hand "was born in" --limit 3
whence check corpora/by_hand
