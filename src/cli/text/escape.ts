// Text that is safe for terminals and JSON.
// width.ts measures it; output.ts prints it.
import { Buffer, isUtf8 } from 'node:buffer';
import { characterLength } from '../../filesystem/byte-text.js';

const PLAIN = /^[\x20-\x7e]*$/;
/** Characters that Go's strconv.IsPrint does not treat as printable. */
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;
const UNPRINTABLE_ALL = new RegExp(UNPRINTABLE, 'gu');
/** Linux allows names of up to 255 bytes, which are some 1,500 characters when every byte is escaped. */
const TOO_LONG = /[^/]{1600,}/g;
/** Characters to keep at each end of a shortened name. */
const KEPT = 400;
const SHORT: Record<string, string> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/**
 * A name for a terminal: unchanged when it is printable, otherwise quoted with escapes such as `\n` and `\xNN` (Go's strconv.Quote, as in
 * restic), so that a name can neither move the cursor nor look like another name.
 */
export function printable(bytes: Uint8Array | string): string {
  const buffer =
    typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = buffer.toString('utf8');
  if (PLAIN.test(text)) return text;
  if (isUtf8(buffer) && !UNPRINTABLE.test(text)) return text;
  return quote(buffer);
}

/**
 * A message for a terminal. Names in it may come from an attacker, so unprintable characters are escaped as in `printable`, and a name
 * longer than Linux allows is shortened in the middle.
 */
export function printableMessage(text: string): string {
  const short = text.replace(TOO_LONG, (name) => `${name.slice(0, KEPT)}…${name.slice(-KEPT)}`);
  return PLAIN.test(short) ? short : short.replace(UNPRINTABLE_ALL, quoteCharacter);
}

function quote(bytes: Buffer): string {
  let out = '"';
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    out += length === 0 ? hex('\\x', bytes[at] as number, 2) : quoteCharacter(bytes.toString('utf8', at, at + length));
    at += length || 1;
  }
  return `${out}"`;
}

function quoteCharacter(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  if (!UNPRINTABLE.test(character)) return character;
  const code = character.codePointAt(0) as number;
  if (code < 0x20 || code === 0x7f) return hex('\\x', code, 2);
  return code > 0xffff ? hex('\\U', code, 8) : hex('\\u', code, 4);
}

const hex = (prefix: string, value: number, digits: number): string =>
  prefix + value.toString(16).padStart(digits, '0');

/** For JSON: bytes that are not UTF-8 become U+FFFD, as in Go. */
export function lossyText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

/** Whether `lossyText` loses nothing. */
export function isText(bytes: Uint8Array): boolean {
  return isUtf8(bytes);
}
