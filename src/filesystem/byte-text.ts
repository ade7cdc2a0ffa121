// Text that keeps bytes that are not UTF-8, so that options and patterns can hold any path.
// Display on terminals is cli/text/escape.ts's.
import { Buffer } from 'node:buffer';

/**
 * Text for bytes that are mostly UTF-8: every byte that is not becomes the lone surrogate U+DC00 + byte, so that
 * `textToBytes` gives the same bytes back.
 */
export function bytesToText(bytes: Buffer): string {
  const plain = bytes.toString('utf8');
  if (!plain.includes('\ufffd')) return plain;
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    if (length === 0) text += String.fromCharCode(0xdc00 + (bytes[at] as number));
    else text += bytes.toString('utf8', at, at + length);
    at += length || 1;
  }
  return text;
}

/** The bytes of a text: UTF-8, but U+DC80 to U+DCFF standing alone are single bytes. */
export function textToBytes(text: string): Buffer {
  if (!/[\udc80-\udcff]/.test(text)) return Buffer.from(text);
  const pieces = Array.from(text, (character) => {
    const code = character.codePointAt(0) as number;
    return code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code & 0xff]) : Buffer.from(character);
  });
  return Buffer.concat(pieces);
}

/** How many bytes the UTF-8 character at this offset has; 0 when there is no valid one. */
export function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === undefined) return 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < low || second > high) return 0;
  for (let index = 2; index < length; index++) {
    if (((bytes[at + index] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/**
 * The bytes as a string of one character a byte, letters in lower case one by one as Go's `unicode.ToLower` does;
 * bytes that are not UTF-8 stay as they are.
 */
export function lowerCaseBytes(bytes: Buffer): string {
  const latin1 = bytes.toString('latin1');
  if (!/[\x80-\xff]/.test(latin1)) return latin1.toLowerCase();
  const lowered = Array.from(bytesToText(bytes), (character) => {
    const lower = character.toLowerCase();
    return lower.length > character.length ? String.fromCodePoint(lower.codePointAt(0) as number) : lower;
  });
  return textToBytes(lowered.join('')).toString('latin1');
}
