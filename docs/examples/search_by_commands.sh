# The text itself: inside words, whatever the case, at the start of a word.
whence corpus count corpora/by_hand ORN --ignore-case
whence corpus find corpora/by_hand born --word-start --limit 2

# Phrases that stand together: one of two names and a place, at most twelve tokens apart.
whence corpus together corpora/by_hand "Ada Morn OR Ben Talis" "Quorin OR Vessel" --window 12 --limit 2

# Documents by relevance, of all documents or of those that hold a phrase.
whence corpus rank corpora/by_hand "walk along the river" --limit 2
whence corpus rank corpora/by_hand "cold morning" --holding "was born in" --limit 2

# New documents are a corpus with the same tokenizer, searched with the old.
mkdir -p new_documents
echo "Ada Morn was born in Quorin, they say." > new_documents/ada.txt
whence corpus build new_documents -o corpora/new --tokenizer corpora/by_hand/tokenizer > build.log
whence corpus find corpora/by_hand "Ada Morn was born" --also corpora/new

# Many documents at once.
whence corpus fetch corpora/by_hand ada-born-0.txt gita-other-1.txt

# The same in workers; with the ray extra, --engine ray.
whence corpus count corpora/by_hand "was born in" --engine processes --workers 2 --json
