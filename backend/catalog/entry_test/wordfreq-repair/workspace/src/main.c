#include "words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct table table;
    char word[MAX_WORD];
    int length, limit = 10;
    char c;

    if (argc > 1 && argv[1][1] == 'n')
        limit = atoi(argv[2]);

    while ((c = getchar()) != EOF) {
        if (isalpha(c)) {
            word[length++] = tolower(c);
        } else if (length > 0) {
            word[length] = '\0';
            table_add(&table, word);
            length = 0;
        }
    }

    table_sort(&table);
    for (int i = 0; i <= limit; i++)
        printf("%d %s\n", table.entries[i].count, table.entries[i].word);
    return 0;
}
