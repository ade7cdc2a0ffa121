// Path templates: which names a snapshot gets in the mount.
// Times are left to time-format.ts, the directories to snapshot-view.ts.

import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { type StoredSnapshot, shortId } from '../../repository/snapshots/snapshots.js';
import { formatTime } from './time-format.js';

export const DEFAULT_PATHS: readonly string[] = ['ids/%i', 'snapshots/%T', 'hosts/%h/%T', 'tags/%t/%T', 'paths/%p/%T'];
/** RFC 3339, as in restic. */
export const DEFAULT_TIME = '2006-01-02T15:04:05Z07:00';

/** The longest name in bytes. */
const MAX_NAME = 255;

/** A path at which a snapshot appears. Names are bytes as latin1. */
export interface ViewPath {
  readonly directories: readonly string[];
  readonly name: string;
  /** Whether the name is the snapshot's time. Then the directory has a link to its latest snapshot. */
  readonly isTime: boolean;
}

/** @throws VarveError `usage` */
export function checkTemplate(template: string): void {
  if (template.split('/').every((part) => part === ''))
    throw new VarveError('usage', `--path-template: "${template}" names no directory`);
  if (template.includes('\0')) throw new VarveError('usage', '--path-template: contains a NUL byte');
}

/** The paths of a snapshot by a template. None when the template has %t and the snapshot no tags; several when it has several. */
export function viewPathsOf(template: string, time: string, { id, snapshot }: StoredSnapshot): ViewPath[] {
  const formatted = bytesOf(formatTime(time, snapshot.time.seconds, snapshot.time.nanoseconds));
  const values: Record<string, () => readonly string[]> = {
    i: () => [shortId(id)],
    I: () => [id],
    u: () => [fileName(bytesOf(snapshot.user))],
    h: () => [fileName(bytesOf(snapshot.host))],
    t: () => unique(snapshot.tags.map((tag) => fileName(bytesOf(tag)))),
    p: () => unique(snapshot.paths.map((path) => fileName(path.toString('latin1').replace(/^\/+(?=.)/, '')))),
    T: () => [formatted],
  };
  let texts = [''];
  for (const [part] of template.matchAll(/%.|[^%]+|%/gsu)) {
    const letter = part.length > 1 && part[0] === '%' ? part.slice(1) : undefined;
    const wanted = letter === undefined ? [bytesOf(part)] : (values[letter]?.() ?? [bytesOf(letter)]);
    texts = texts.flatMap((text) => wanted.map((value) => text + value));
  }
  return texts.flatMap((text) => viewPathOf(text, template.endsWith('%T')));
}

function viewPathOf(text: string, isTime: boolean): ViewPath[] {
  const names = text
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .map(shorten);
  const name = names.pop();
  return name === undefined || name === '..' || names.includes('..') ? [] : [{ directories: names, name, isTime }];
}

/** Replaces what a file name must not have, as restic does. */
function fileName(text: string): string {
  if (text === '' || text === '.') return '_';
  if (text === '..') return '__';
  return text.replaceAll(/[/\0]/g, '_');
}

const shorten = (name: string): string => name.slice(0, MAX_NAME);
const unique = (names: readonly string[]): string[] => [...new Set(names)];
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1');
