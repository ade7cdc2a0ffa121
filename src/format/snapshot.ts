// The payload of a snapshot (SPEC.md section 12).
// repository/snapshots/ lists and writes snapshots.
import type { Buffer } from 'node:buffer';
import { asArray, asBytes, asBytesUpTo, asMap, asText, asUint, decode, encode, MAX_TEXT } from '../bytes/msgpack.js';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import type { Time } from '../time/time.js';
import type { ContentRef } from './content.js';
import { ID_BYTES, MAX_SEALED_PLAINTEXT } from './limits.js';
import { parseTime, timeFields } from './time.js';

/** Figures of a backup, named as in restic's JSON. Counts and bytes; informative only. */
export interface SnapshotSummary {
  readonly backup_start: Time;
  readonly backup_end: Time;
  readonly files_new: number;
  readonly files_changed: number;
  readonly files_unmodified: number;
  readonly dirs_new: number;
  readonly dirs_changed: number;
  readonly dirs_unmodified: number;
  readonly data_blobs: number;
  readonly tree_blobs: number;
  readonly data_added: number;
  readonly data_added_packed: number;
  readonly total_files_processed: number;
  readonly total_bytes_processed: number;
  /** Entries that have extended attributes, or had them in the snapshot that this one was made from; undefined if they were not counted. */
  readonly entries_with_xattrs?: number | undefined;
}

const COUNTS = [
  'files_new',
  'files_changed',
  'files_unmodified',
  'dirs_new',
  'dirs_changed',
  'dirs_unmodified',
  'data_blobs',
  'tree_blobs',
  'data_added',
  'data_added_packed',
  'total_files_processed',
  'total_bytes_processed',
] as const;

/** What a backup found in one of its sources. */
export interface SourceFigures {
  /** Files, links and all else but directories, the source itself included. */
  readonly entries: number;
  /** Of files. */
  readonly bytes: number;
}

/** The payload of a snapshot (SPEC.md section 12). */
export interface Snapshot {
  readonly time: Time;
  readonly host: string;
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  /** Absolute. */
  readonly paths: readonly Buffer[];
  readonly tags: readonly string[];
  readonly excludes: readonly string[];
  readonly parent: Buffer | undefined;
  readonly original: Buffer | undefined;
  readonly root: ContentRef;
  readonly program: string;
  readonly summary: SnapshotSummary | undefined;
  /** One for each of `paths`; missing if they were not counted. */
  readonly sources?: readonly SourceFigures[] | undefined;
  /** Those of `paths` that should hold more: they could not be read, or lost too much since an earlier snapshot. Missing when there are none. */
  readonly suspect?: readonly Buffer[] | undefined;
}

/** Whether a source of it should hold more, so that it is no substitute for an earlier snapshot. */
export const isSuspect = ({ suspect = [] }: Pick<Snapshot, 'suspect'>): boolean => suspect.length > 0;

/** @throws VarveError `usage` for a text that is longer than a reader takes */
export function checkTexts({
  host,
  user,
  tags,
  excludes,
}: Pick<Snapshot, 'host' | 'user' | 'tags' | 'excludes'>): void {
  const named = { host: [host], user: [user], tag: tags, 'exclude pattern': excludes };
  for (const [what, texts] of Object.entries(named))
    if (texts.some(({ length }) => length > MAX_TEXT))
      throw new VarveError('usage', `the ${what} is longer than ${MAX_TEXT} characters: no snapshot can hold it`);
}

/** @throws VarveError `usage` as checkTexts */
export function encodeSnapshot(snapshot: Snapshot): Buffer {
  checkTexts(snapshot);
  const { root, summary, sources, suspect } = snapshot;
  return encode({
    time: timeFields(snapshot.time),
    host: snapshot.host,
    user: snapshot.user,
    uid: snapshot.uid,
    gid: snapshot.gid,
    paths: snapshot.paths,
    tags: snapshot.tags,
    excludes: snapshot.excludes,
    parent: snapshot.parent ?? null,
    original: snapshot.original ?? null,
    root: [root.size, root.depth, root.ids],
    program: snapshot.program,
    summary: summary === undefined ? {} : summaryFields(summary),
    ...(sources !== undefined && { sources: sources.map(({ entries, bytes }) => [inRange(entries), inRange(bytes)]) }),
    ...(isSuspect(snapshot) && { suspect }),
  });
}

function summaryFields(summary: SnapshotSummary): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    backup_start: timeFields(summary.backup_start),
    backup_end: timeFields(summary.backup_end),
  };
  for (const count of COUNTS) fields[count] = inRange(summary[count]);
  if (summary.entries_with_xattrs !== undefined) fields['entries_with_xattrs'] = inRange(summary.entries_with_xattrs);
  return fields;
}

/** Sizes of sparse files can add up to more than a reader takes, and such sums are not exact. */
const inRange = (count: number): number => Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.round(count)));

/** @throws VarveError `damaged` */
export function decodeSnapshot(bytes: Uint8Array, what: string): Snapshot {
  const map = asMap(decode(bytes, what), what);
  const texts = (value: unknown): string[] => asArray(value, undefined, what).map((each) => asText(each, what));
  const paths = parsePaths(map['paths'], what);
  return {
    time: parseTime(map['time'], what),
    host: asText(map['host'], what),
    user: asText(map['user'], what),
    uid: asUint(map['uid'], 0xffff_ffff, what),
    gid: asUint(map['gid'], 0xffff_ffff, what),
    paths,
    tags: texts(map['tags']),
    excludes: texts(map['excludes']),
    parent: parseName(map['parent'], what),
    original: parseName(map['original'], what),
    root: parseContentRef(map['root'], what),
    program: asText(map['program'], what),
    summary: parseSummary(map['summary'], what),
    ...(map['sources'] !== undefined && { sources: parseSources(map['sources'], paths.length, what) }),
    ...(map['suspect'] !== undefined && { suspect: parseSuspect(map['suspect'], paths, what) }),
  };
}

function parsePaths(value: unknown, what: string): Buffer[] {
  return asArray(value, undefined, what).map((path) => asBuffer(asBytesUpTo(path, MAX_SEALED_PLAINTEXT, what)));
}

function parseSources(value: unknown, length: number, what: string): SourceFigures[] {
  return asArray(value, length, what).map((each) => {
    const [entries, bytes] = asArray(each, 2, what);
    return {
      entries: asUint(entries, Number.MAX_SAFE_INTEGER, what),
      bytes: asUint(bytes, Number.MAX_SAFE_INTEGER, what),
    };
  });
}

function parseSuspect(value: unknown, paths: readonly Buffer[], what: string): Buffer[] {
  const known = new Set(paths.map((path) => path.toString('latin1')));
  const suspect = parsePaths(value, what);
  if (suspect.length === 0 || !suspect.every((path) => known.has(path.toString('latin1'))))
    throw new VarveError('damaged', `${what}: calls a path suspect that is none of its paths`);
  return suspect;
}

function parseName(value: unknown, what: string): Buffer | undefined {
  return value === null ? undefined : asBuffer(asBytes(value, ID_BYTES, what));
}

function parseContentRef(value: unknown, what: string): ContentRef {
  const [size, depth, ids] = asArray(value, 3, what);
  const bytes = asBuffer(asBytesUpTo(ids, MAX_SEALED_PLAINTEXT, what));
  if (bytes.length % ID_BYTES !== 0) throw new VarveError('damaged', `${what}: a content reference is not valid`);
  return { size: asUint(size, Number.MAX_SAFE_INTEGER, what), depth: asUint(depth, 1, what) === 0 ? 0 : 1, ids: bytes };
}

function parseSummary(value: unknown, what: string): SnapshotSummary | undefined {
  const map = asMap(value, what);
  if (map['backup_start'] === undefined) return undefined;
  const counts = {} as Record<(typeof COUNTS)[number], number>;
  for (const count of COUNTS) counts[count] = asUint(map[count] ?? 0, Number.MAX_SAFE_INTEGER, what);
  const attributes = map['entries_with_xattrs'];
  return {
    backup_start: parseTime(map['backup_start'], what),
    backup_end: parseTime(map['backup_end'], what),
    ...counts,
    ...(attributes !== undefined && { entries_with_xattrs: asUint(attributes, Number.MAX_SAFE_INTEGER, what) }),
  };
}
