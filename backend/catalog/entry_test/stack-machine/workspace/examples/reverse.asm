; writes the input backwards, by recursion
        call turn
        halt
turn:   getc
        dup
        push -1
        eq
        jnz over
        call turn
        putc
        ret
over:   pop
        ret
