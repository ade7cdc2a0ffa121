import { Refusal } from './refusal.js';

/** A part of an object: `length` bytes from `offset` on. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * What a Range header asks for of an object; undefined for all of it, as when the header is not one that is understood: of several ranges, say.
 *
 * @throws Refusal 416 when nothing of it is there
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const offset = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < offset) return undefined;
  if (offset >= size || end <= offset)
    throw new Refusal(416, 'the range is past the end', { 'Content-Range': `bytes */${size}` });
  return { offset, length: end - offset };
}
