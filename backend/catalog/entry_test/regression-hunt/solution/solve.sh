set -euo pipefail
git init -q repo
git -C repo fast-import --quiet < history.fi
git -C repo checkout -q main

gives() {
  git -C repo show "$1:src/durations.py" 2>/dev/null > candidate.py || { echo none; return; }
  python3 -c 'import candidate; print(candidate.parse("-1h30m"))' 2>/dev/null || echo none
}

commit='' repair='' last=''
for candidate in $(git -C repo rev-list --reverse main); do
  now=$(gives "$candidate")
  [ "$now" = none ] && continue
  if [ "$last" = -5400 ] && [ "$now" != -5400 ]; then commit=$candidate; fi
  if [ "$last" = -1800 ] && [ "$now" = -5400 ]; then repair=$candidate; fi
  last=$now
done
author=$(git -C repo log -1 --format=%ae "$commit")
printf '{"commit": "%s", "author": "%s", "earlier_repair": "%s"}\n' "$commit" "$author" "$repair" > report.json

mkdir -p src
cp repo/src/durations.py src/durations.py
python3 - <<'PY'
path = "src/durations.py"
text = open(path).read()
text = text.replace('r"([+-]?[0-9]+)([wdhmsWDHMS])"', 'r"([0-9]+)([wdhmsWDHMS])"')
text = text.replace("    text = text.strip()\n", '    text = text.strip()\n    sign = -1 if text[:1] == "-" else 1\n    text = text[1:] if text[:1] in ("+", "-") else text\n')
text = text.replace("return sum(int(number)", "return sign * sum(int(number)")
open(path, "w").write(text)
PY
rm -rf repo candidate.py __pycache__
