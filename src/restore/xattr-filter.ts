import type { Buffer } from 'node:buffer';
import { PatternList } from '../filesystem/patterns.js';
import type { XattrPatterns } from './options.js';

/** Says of a name whether attributes of that name are restored: all, those that match, or all but those that match. */
export function xattrFilter({ kind, patterns }: XattrPatterns = ALL): (name: Buffer) => boolean {
  const list = new PatternList({ patterns, insensitive: false });
  if (list.empty) return () => true;
  return (name) => list.match(name).matched === (kind === 'include');
}

const ALL: XattrPatterns = { kind: 'exclude', patterns: [] };
