import { HOLES, XATTRS } from './attachments.js';
import type { HostileCase } from './case.js';
import { CONTENT } from './contents.js';
import { ENTRIES, NAMES } from './names.js';
import { PACKS } from './packs.js';
import { SNAPSHOTS } from './snapshots.js';

export const CASES: readonly HostileCase[] = [
  ...NAMES,
  ...ENTRIES,
  ...CONTENT,
  ...PACKS,
  ...XATTRS,
  ...HOLES,
  ...SNAPSHOTS,
];
