/** The columns that a text takes on a terminal. Texts are cut by columns, never by characters. */

/** Characters that take two columns: those of East Asia, and emoji. Ranges of Unicode's EastAsianWidth.txt, W and F, without gaps. */
const WIDE =
  /[\u1100-\u115f\u231a-\u231b\u23e9-\u23ec\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** Combining characters, which are drawn over the one before. */
const COMBINING = /\p{Mn}|\p{Me}|\u200d/u;
/** Text whose characters all take one column. */
const PLAIN = /^[\x20-\x7e]*$/;
const ELLIPSIS = '…';

function columnsOf(character: string): number {
  if (COMBINING.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** @returns columns */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

/** The beginning of a text that fits into these columns. */
export function cutToWidth(text: string, columns: number): string {
  let used = 0;
  let cut = '';
  for (const character of text) {
    used += columnsOf(character);
    if (used > columns) break;
    cut += character;
  }
  return cut;
}

/** A path that fits into these columns. Of a longer path it keeps the end, which says more than the beginning. */
export function cutPath(path: string, columns: number): string {
  if (displayWidth(path) <= columns) return path;
  const characters = [...path];
  let used = displayWidth(ELLIPSIS);
  let from = characters.length;
  while (from > 0 && used + columnsOf(characters[from - 1] as string) <= columns) {
    from--;
    used += columnsOf(characters[from] as string);
  }
  return ELLIPSIS + characters.slice(from).join('');
}
