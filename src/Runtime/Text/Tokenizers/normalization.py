"""Writes normalization.txt, Unicode's normalization data in the form that Normalization.cs reads: python3 normalization.py > normalization.txt"""
import sys
import unicodedata as u

print(f"# Unicode {u.unidata_version}, by normalization.py. D: canonical decomposition, K: compatibility decomposition where it differs, C: first second composite,")
print("# M: first last combining class. In hexadecimal.")
points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and not 0xAC00 <= c < 0xD7A4]
hexes = lambda text: " ".join(f"{ord(c):X}" for c in text)
for c in points:
    if u.normalize("NFD", chr(c)) != chr(c):
        print(f"D {c:X} {hexes(u.normalize('NFD', chr(c)))}")
for c in points:
    if u.normalize("NFKD", chr(c)) != u.normalize("NFD", chr(c)):
        print(f"K {c:X} {hexes(u.normalize('NFKD', chr(c)))}")
for c in points:
    pair = u.decomposition(chr(c)).split()
    if len(pair) == 2 and not pair[0].startswith("<") and u.normalize("NFC", chr(c)) == chr(c):
        print(f"C {pair[0].lstrip('0')} {pair[1].lstrip('0')} {c:X}")
first = None
for c in points + [None]:
    k = u.combining(chr(c)) if c is not None else 0
    if first is not None and (k != first[1] or c != last + 1):
        print(f"M {first[0]:X} {last:X} {first[1]:X}")
        first = None
    if k and first is None:
        first = (c, k)
    last = c
sys.stdout.flush()
