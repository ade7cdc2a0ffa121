// Wraps lines to the width of a terminal.
import { displayWidth } from './width.js';

/** Columns of a terminal that does not report its width. */
const USUAL = 80;
/** The least columns: below this, each word would be on its own line. */
const NARROWEST = 20;

/** Columns of a terminal; unlimited for other outputs, because programs read lines. */
export const columnsOf = ({ isTTY, columns }: NodeJS.WriteStream): number =>
  isTTY === true ? columns || USUAL : Number.POSITIVE_INFINITY;

/** Breaks a line between words. A word that is too long stays whole. */
export function wrap(line: string, columns: number): string[] {
  const limit = Math.max(NARROWEST, columns);
  if (limit === Number.POSITIVE_INFINITY || displayWidth(line) <= limit) return [line];
  const indent = ' '.repeat(hanging(line, limit));
  const lines: string[] = [];
  let current = '';
  // Keep the spaces before each word, so that aligned text stays aligned.
  for (const word of line.match(/ *[^ ]+/g) ?? []) {
    if (current.trim() === '' || displayWidth(current + word) <= limit) current += word;
    else {
      lines.push(current);
      current = indent + word.trimStart();
    }
  }
  return [...lines, current];
}

/** The indent of continuation lines: below the last column of the line, or a bit more than the line's own indent. */
function hanging(line: string, limit: number): number {
  const [lead = ''] = /^ */.exec(line) ?? [];
  const column = /^.*\S {2,}(?=\S)/.exec(line)?.[0].length ?? 0;
  if (column > 0 && limit - column >= NARROWEST) return column;
  return lead.length === 0 ? 0 : lead.length + 2;
}

/** Wraps each line of a text. */
export function wrapText(text: string, columns: number): string {
  return text
    .split('\n')
    .flatMap((line) => wrap(line, columns))
    .join('\n');
}
