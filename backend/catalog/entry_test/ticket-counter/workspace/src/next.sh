#!/bin/bash
# hands out the next ticket numbers
last=$(cat $1 2>/dev/null || echo 0)
for i in $(seq ${2:-1}); do
  last=$((last + 1))
  echo $last
done
echo $last > $1
