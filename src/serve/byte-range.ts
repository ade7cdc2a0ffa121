// The Range header of a request.
// Reading the range is left to actions.ts.

import { HttpError } from './http-error.js';

/** A part of an object: `length` bytes from `offset` on. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * The range of an object that a Range header asks for. Undefined means all of it, also when the header is not understood, such as one with several ranges.
 *
 * @throws HttpError 416 when the range begins after the object's end
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const offset = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < offset) return undefined;
  if (offset >= size || end <= offset)
    throw new HttpError(416, 'the range begins after the end of the object', { 'Content-Range': `bytes */${size}` });
  return { offset, length: end - offset };
}
