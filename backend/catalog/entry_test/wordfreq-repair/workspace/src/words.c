#include "words.h"

#include <stdlib.h>

void table_add(struct table *table, const char *word)
{
    for (int i = 0; i < table->used; i++) {
        if (strcmp(table->entries[i].word, word) == 0) {
            table->entries[i].count++;
            return;
        }
    }
    strcpy(table->entries[table->used].word, word);
    table->entries[table->used].count = 1;
    table->used++;
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->count != b->count)
        return a->count - b->count;
    return strcmp(a->word, b->word);
}

void table_sort(struct table *table)
{
    qsort(table->entries, table->used, sizeof(struct entry *), compare);
}
