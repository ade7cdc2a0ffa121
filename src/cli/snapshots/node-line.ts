// Entries as lines for people.
// node-json.ts has the form for programs.
import type { Buffer } from 'node:buffer';
import type { Entry } from '../../format/entry.js';
import type { EntryReader } from '../../format/entry-reader.js';
import { printable } from '../text/escape.js';
import { localTime } from '../text/time.js';
import { formatBytes } from '../text/units.js';
import { permissions } from './node-json.js';

export interface LineOptions {
  readonly long?: boolean;
  readonly humanReadable?: boolean;
}

/** An entry as `ls` and `find` list it. */
export function nodeLine(path: Buffer, entry: Entry | EntryReader, { long, humanReadable }: LineOptions): string {
  if (long !== true) return printable(path);
  const { type, mode, uid, gid, target } = entry;
  const bytes = type === 'file' ? entry.size : 0;
  const size = humanReadable === true ? formatBytes(bytes).padStart(11) : String(bytes).padStart(6);
  const time = localTime({ seconds: entry.mtimeSeconds, nanoseconds: 0 });
  const owner = `${String(uid).padStart(5)} ${String(gid).padStart(5)}`;
  const arrow = target === undefined ? '' : ` -> ${printable(target)}`;
  return `${permissions(type, mode)} ${owner} ${size} ${time} ${printable(path)}${arrow}`;
}
