import type { Buffer } from 'node:buffer';
import { PatternList } from '../filesystem/patterns.js';
import type { XattrPatterns } from './options.js';

/** Makes a function that says whether to restore an attribute, by its name. */
export function xattrFilter({ kind, patterns }: XattrPatterns = ALL): (name: Buffer) => boolean {
  const list = new PatternList({ patterns, insensitive: false });
  if (list.empty) return () => true;
  return (name) => list.match(name).matched === (kind === 'include');
}

const ALL: XattrPatterns = { kind: 'exclude', patterns: [] };
