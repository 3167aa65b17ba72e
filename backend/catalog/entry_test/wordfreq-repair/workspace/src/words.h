#ifndef WORDS_H
#define WORDS_H

#define MAX_WORD 32
#define MAX_WORDS 1024

struct entry {
    char word[MAX_WORD];
    short count;
};

struct table {
    struct entry entries[MAX_WORDS];
    int used;
};

void table_add(struct table *table, char *word);
void table_sort(struct table *table);

#endif
