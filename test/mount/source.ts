import { randomBytes } from 'node:crypto';
import type { Playground } from '../cli/varve.js';

/** Makes files of many sizes; some of them compress. */
export function makeSource(play: Playground): string {
  const content = (number: number): Buffer =>
    number % 3 === 0 ? randomBytes(1 + number * 20_000) : Buffer.from(`line ${number}\n`.repeat(number * 500));
  const files = Array.from(
    { length: 60 },
    (_, number) => [`folder ${number % 7}/file ${number}`, content(number)] as const,
  );
  return play.files('source', Object.fromEntries(files));
}
