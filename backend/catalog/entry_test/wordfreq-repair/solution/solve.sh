set -euo pipefail
cat > Makefile <<'MK'
CC = gcc
CFLAGS = -O2 -Wall -Wextra -Werror
OBJECTS = src/main.o src/words.o

wordfreq: $(OBJECTS)
	$(CC) $(CFLAGS) -o $@ $(OBJECTS)

src/%.o: src/%.c src/words.h
	$(CC) $(CFLAGS) -c -o $@ $<

.PHONY: clean
clean:
	rm -f src/*.o wordfreq
MK
cat > src/words.h <<'C'
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

struct entry {
    char *word;
    unsigned long count;
};

struct table {
    struct entry *slots;
    size_t size, used;
};

void table_init(struct table *table);
void table_add(struct table *table, const char *word, size_t length);
/* Moves the entries to the front in their final order; nothing can be added afterwards. */
void table_sort(struct table *table);
void *checked(void *memory);

#endif
C
cat > src/words.c <<'C'
#include "words.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("wordfreq: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void table_init(struct table *table)
{
    table->size = 1024;
    table->used = 0;
    table->slots = checked(calloc(table->size, sizeof(struct entry)));
}

static struct entry *find(struct table *table, const char *word)
{
    uint64_t hash = 1469598103934665603u;
    for (const char *c = word; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    size_t i = (hash ^ (hash >> 32)) & (table->size - 1);
    while (table->slots[i].word != NULL && strcmp(table->slots[i].word, word) != 0)
        i = (i + 1) & (table->size - 1);
    return &table->slots[i];
}

static void grow(struct table *table)
{
    struct table old = *table;
    table->size *= 2;
    table->slots = checked(calloc(table->size, sizeof(struct entry)));
    for (size_t i = 0; i < old.size; i++)
        if (old.slots[i].word != NULL)
            *find(table, old.slots[i].word) = old.slots[i];
    free(old.slots);
}

void table_add(struct table *table, const char *word, size_t length)
{
    struct entry *entry = find(table, word);
    if (entry->word != NULL) {
        entry->count++;
        return;
    }
    entry->word = memcpy(checked(malloc(length + 1)), word, length + 1);
    entry->count = 1;
    if (++table->used * 2 > table->size)
        grow(table);
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

void table_sort(struct table *table)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i].word != NULL)
            table->slots[kept++] = table->slots[i];
    qsort(table->slots, kept, sizeof(struct entry), compare);
}
C
cat > src/main.c <<'C'
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int misuse(void)
{
    fputs("usage: wordfreq [-n N], with N from 0 to 1000000\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long limit = 10;
    if (argc != 1) {
        if (argc != 3 || strcmp(argv[1], "-n") != 0)
            return misuse();
        size_t digits = strspn(argv[2], "0123456789");
        if (digits == 0 || argv[2][digits] != '\0')
            return misuse();
        limit = strtoul(argv[2], NULL, 10);
        if (limit > 1000000)
            return misuse();
    }

    struct table table;
    table_init(&table);
    size_t length = 0, room = 64;
    char *word = checked(malloc(room));
    for (;;) {
        int c = getchar();
        if (c >= 'A' && c <= 'Z')
            c += 'a' - 'A';
        if (c >= 'a' && c <= 'z') {
            if (length + 1 == room)
                word = checked(realloc(word, room *= 2));
            word[length++] = (char)c;
            continue;
        }
        if (length > 0) {
            word[length] = '\0';
            table_add(&table, word, length);
            length = 0;
        }
        if (c == EOF)
            break;
    }
    table_sort(&table);
    for (size_t i = 0; i < table.used && i < limit; i++)
        printf("%lu %s\n", table.slots[i].count, table.slots[i].word);
    return 0;
}
C
make
