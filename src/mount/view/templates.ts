import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { type StoredSnapshot, shortId } from '../../repository/snapshots/snapshots.js';
import { formatTime } from './time-format.js';

export const DEFAULT_PATHS: readonly string[] = ['ids/%i', 'snapshots/%T', 'hosts/%h/%T', 'tags/%t/%T', 'paths/%p/%T'];
/** RFC 3339, as restic has it. */
export const DEFAULT_TIME = '2006-01-02T15:04:05Z07:00';

/** Bytes of a name at most. */
const LONGEST = 255;

/** Where a snapshot is to be seen. Names are bytes as latin1. */
export interface Place {
  readonly directories: readonly string[];
  readonly name: string;
  /** The name is the snapshot's time: the directory has a link to its latest. */
  readonly isTime: boolean;
}

/** @throws VarveError `usage` */
export function checkTemplate(template: string): void {
  if (template.split('/').every((part) => part === ''))
    throw new VarveError('usage', `--path-template: "${template}" names no directory`);
  if (template.includes('\0')) throw new VarveError('usage', '--path-template: a NUL is in it');
}

/**
 * Where a snapshot is by a template: nowhere when it has no tag and the template names one, at several places when it has several.
 */
export function placesOf(template: string, time: string, { id, snapshot }: StoredSnapshot): Place[] {
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
  return texts.flatMap((text) => placeOf(text, template.endsWith('%T')));
}

function placeOf(text: string, isTime: boolean): Place[] {
  const names = text
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .map(shorten);
  const name = names.pop();
  return name === undefined || name === '..' || names.includes('..') ? [] : [{ directories: names, name, isTime }];
}

/** As restic writes what cannot be a file's name. */
function fileName(text: string): string {
  if (text === '' || text === '.') return '_';
  if (text === '..') return '__';
  return text.replaceAll(/[/\0]/g, '_');
}

const shorten = (name: string): string => name.slice(0, LONGEST);
const unique = (names: readonly string[]): string[] => [...new Set(names)];
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1');
