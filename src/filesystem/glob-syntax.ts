// The syntax of a component of a glob pattern, as in Go's filepath.Match.
// patterns.ts combines components to paths.
import { Buffer } from 'node:buffer';
import { characterLength } from './byte-text.js';

type Range = readonly [low: number, high: number];

const VALID_LONG =
  '(?:[\\xc2-\\xdf][\\x80-\\xbf]|\\xe0[\\xa0-\\xbf][\\x80-\\xbf]|[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}' +
  '|\\xed[\\x80-\\x9f][\\x80-\\xbf]|\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}|[\\xf1-\\xf3][\\x80-\\xbf]{3}' +
  '|\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2})';
const INVALID_BYTE = `(?!${VALID_LONG})[\\x80-\\xff]`;
const ANY_CHARACTER = `(?:[^/\\x80-\\xff]|${VALID_LONG}|${INVALID_BYTE})`;
const REPLACEMENT = 0xfffd;

/** Thrown for a component that Go's `filepath.Match` calls malformed. */
export class BadGlob extends Error {}

/** Gives each atomic group of one regular expression its own name. */
export class GroupNames {
  #count = 0;

  /** Source of a group that is never tried a second way once it has matched. */
  atomic(source: string): string {
    const name = `g${this.#count++}`;
    return `(?=(?<${name}>${source}))\\k<${name}>`;
  }
}

/**
 * The source of a regular expression, over a string of one character a byte, for one component of a glob as Go's
 * `filepath.Match` reads it. It never matches a slash, nor the empty string. Every star but the last takes the
 * shortest way and keeps to it, so the time stays proportional to the name's length times the pattern's.
 */
export function componentSource(component: string, names: GroupNames): string {
  const chunks = splitAtStars(component);
  const first = chunks[0] as string;
  const last = chunks[chunks.length - 1] as string;
  if (chunks.length === 1) return first;
  const between = chunks.slice(1, -1).filter((chunk) => chunk !== '');
  if (first === '' && last === '' && between.length === 0) return '[^/]+';
  return `${first}${between.map((chunk) => names.atomic(`[^/]*?${chunk}`)).join('')}[^/]*${last}`;
}

function splitAtStars(component: string): string[] {
  const chunks = [''];
  const add = (source: string) => {
    chunks[chunks.length - 1] += source;
  };
  for (let at = 0; at < component.length; ) {
    const character = component[at] as string;
    at++;
    if (character === '*') chunks.push('');
    else if (character === '?') add(ANY_CHARACTER);
    else if (character === '[') {
      const { source, end } = readClass(component, at);
      add(source);
      at = end;
    } else if (character === '\\') {
      if (at === component.length) throw new BadGlob('nothing after the last backslash');
      add(byteSource(component.charCodeAt(at++)));
    } else add(byteSource(character.charCodeAt(0)));
  }
  return chunks;
}

function byteSource(byte: number): string {
  return /[0-9A-Za-z]/.test(String.fromCharCode(byte))
    ? String.fromCharCode(byte)
    : `\\x${byte.toString(16).padStart(2, '0')}`;
}

function readClass(component: string, start: number): { source: string; end: number } {
  let at = start;
  const negated = component[at] === '^';
  if (negated) at++;
  const ranges: Range[] = [];
  while (ranges.length === 0 || component[at] !== ']') {
    const low = readClassCharacter(component, at);
    at = low.end;
    let high = low;
    if (component[at] === '-') {
      high = readClassCharacter(component, at + 1);
      at = high.end;
    }
    ranges.push([low.code, high.code]);
  }
  return { source: classSource(ranges, negated), end: at + 1 };
}

function readClassCharacter(component: string, start: number): { code: number; end: number } {
  let at = start;
  if (component[at] === '-' || component[at] === ']')
    throw new BadGlob(`'${component[at]}' must be escaped within [ ]`);
  if (component[at] === '\\') at++;
  const bytes = Buffer.from(component.slice(at, at + 4), 'latin1');
  const length = characterLength(bytes, 0);
  if (length === 0 || at + length >= component.length) throw new BadGlob('[ without ]');
  return { code: bytes.toString('utf8', 0, length).codePointAt(0) as number, end: at + length };
}

function classSource(ranges: readonly Range[], negated: boolean): string {
  const inside = (code: number) => ranges.some(([low, high]) => low <= code && code <= high);
  const wanted = negated ? complement(ranges) : ranges;
  const alternatives = wanted.flatMap(([low, high]) => rangeSources(low, high));
  if (inside(REPLACEMENT) !== negated) alternatives.push(INVALID_BYTE);
  return alternatives.length === 0 ? '(?!)' : `(?!/)(?:${alternatives.join('|')})`;
}

function complement(ranges: readonly Range[]): Range[] {
  const sorted = ranges.filter(([low, high]) => low <= high).sort((a, b) => a[0] - b[0]);
  const out: Range[] = [];
  let next = 0;
  for (const [low, high] of sorted) {
    if (low > next) out.push([next, low - 1]);
    next = Math.max(next, high + 1);
  }
  if (next <= 0x10ffff) out.push([next, 0x10ffff]);
  return out;
}

/** Sources that together match the UTF-8 forms of all code points from low to high. */
function rangeSources(low: number, high: number): string[] {
  if (low > high) return [];
  for (const limit of [0x7f, 0x7ff, 0xd7ff, 0xdfff, 0xffff]) {
    if (low <= limit && limit < high) return [...rangeSources(low, limit), ...rangeSources(limit + 1, high)];
  }
  if (low >= 0xd800 && high <= 0xdfff) return [];
  for (const shift of [6, 12, 18]) {
    const mask = (1 << shift) - 1;
    if (high <= 0x7f || low >> shift === high >> shift) continue;
    if ((low & mask) !== 0) return [...rangeSources(low, low | mask), ...rangeSources((low | mask) + 1, high)];
    if ((high & mask) !== mask) return [...rangeSources(low, (high & ~mask) - 1), ...rangeSources(high & ~mask, high)];
  }
  const first = Buffer.from(String.fromCodePoint(low));
  const last = Buffer.from(String.fromCodePoint(high));
  return [Array.from(first, (byte, index) => byteRange(byte, last[index] as number)).join('')];
}

function byteRange(low: number, high: number): string {
  return low === high ? byteSource(low) : `[${byteSource(low)}-${byteSource(high)}]`;
}
