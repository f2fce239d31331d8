whence corpus perplexity corpora/by_hand "Ada Morn was born in Quorin." --order 3
whence corpus perplexity corpora/by_hand "In Quorin was born Ada Morn." --order 3
whence corpus tree corpora/by_hand "was born" --depth 2 --breadth 2
whence corpus sample corpora/by_hand "The parish book" --order 0 --fewest 2 --seed 3
whence corpus count corpora/by_hand "was born in" --where "id~^ada"
whence corpus trace corpora/by_hand "They say Ada Morn was born in Quorin on a warm evening."
