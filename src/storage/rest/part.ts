// Requests ranges of objects, and verifies the answers.
// rest-store.ts uses it.
import { VarveError } from '../../errors/errors.js';
import type { Range } from '../store.js';
import { header, isSuccess, type RestHead } from './transport.js';

export function rangeHeader({ offset, length }: Range): { range: string } {
  return { range: `bytes=${offset}-${offset + length - 1}` };
}

/**
 * Checks that an answer is the requested object or range.
 *
 * @throws VarveError `damaged` when the object is too short
 */
export function checkPart(head: RestHead, range: Range | undefined): void {
  if (!isSuccess(head)) return;
  const wanted = range === undefined ? 200 : 206;
  if (head.status !== wanted)
    throw new VarveError('storage', `the server answers ${head.status} instead of ${wanted}: ${KIND[wanted]}`);
  if (range === undefined) return;
  const text = header(head, 'content-range') ?? '';
  const [, first, last, size] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(text) ?? [];
  const end = range.offset + range.length;
  if (Number(first) !== range.offset || Number(last) >= end) throw otherPart();
  if (Number(last) < end - 1) {
    if (Number(size) !== Number(last) + 1) throw otherPart();
    throw new VarveError('damaged', `it is truncated (${size} bytes); run \`varve check\``);
  }
  const length = header(head, 'content-length');
  if (length !== undefined && Number(length) !== range.length) throw otherPart();
}

const KIND = {
  200: 'that is not the whole object',
  206: 'it, or a proxy in front of it, cannot send ranges of objects',
} as const;

const otherPart = (): VarveError => new VarveError('storage', 'the server sends another range than requested');
