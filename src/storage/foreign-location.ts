import { VarveError } from '../errors/errors.js';
import { maskedLocation } from './masked.js';

/** Locations in the form of other programs, and varve's form. The first match counts. */
const FOREIGN: readonly (readonly [RegExp, (location: string) => string])[] = [
  [/^https?:/i, (location) => `for a REST server write rest:${location}, for S3 s3:${location}`],
  [/^(?:ssh|scp):/i, () => 'write sftp:USER@HOST:/PATH, or sftp://USER@HOST:PORT//PATH'],
  [/^file:/i, () => 'write only the path of the directory'],
  [/^(?:rest|s3|sftp|rclone|local):/i, (place) => `write ${place.replace(/^[^:]+/, (scheme) => scheme.toLowerCase())}`],
  [
    /^(?:b2|azure|gs|swift|ftp|webdav|dav|smb):/i,
    () => 'use rclone for that: set up a remote with `rclone config`, and write rclone:REMOTE:PATH',
  ],
  [/^[^/:@]+@[^/:]+:/, (place) => `write sftp:${place} for a machine with ssh, or local:${place} for a directory`],
];

/**
 * Refuses a location of another program's form, so that no directory `http:` is created.
 *
 * @throws VarveError `usage`
 */
export function refuseForeignLocation(place: string): void {
  if (!/^[^/]*:/.test(place)) return;
  const shown = maskedLocation(place);
  const [, advice = anything] = FOREIGN.find(([pattern]) => pattern.test(place)) ?? [];
  throw new VarveError('usage', `repository "${shown}": unknown kind of store: ${advice(shown)}`);
}

const anything = (place: string): string =>
  `write rclone:${place} for a remote of rclone, sftp:${place} for a machine with ssh, or local:${place} for a directory`;
