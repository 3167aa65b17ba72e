; adds up the numbers of the input
        push 0
next:   getn
        jz done        ; no further number
        add
        jmp next
done:   pop            ; the 0 that getn left
        putn
        push '!'
        putc
        halt
