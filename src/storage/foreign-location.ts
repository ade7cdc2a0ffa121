import { VarveError } from '../errors/errors.js';
import { maskedLocation } from './masked.js';

/** Locations in the form of other programs, and varve's form. The first match counts. */
const FOREIGN: readonly (readonly [RegExp, (place: string) => string])[] = [
  [/^https?:/i, (place) => `for a REST server write rest:${place}, for S3 s3:${place}`],
  [/^(?:ssh|scp):/i, () => 'write sftp:USER@HOST:/PATH, or sftp://USER@HOST:PORT//PATH'],
  [/^file:/i, () => 'write the path of the directory alone'],
  [/^(?:rest|s3|sftp|rclone|local):/i, (place) => `write ${place.replace(/^[^:]+/, (scheme) => scheme.toLowerCase())}`],
  [
    /^(?:b2|azure|gs|swift|ftp|webdav|dav|smb):/i,
    () => 'that is reached by rclone: set up a remote with `rclone config`, and write rclone:REMOTE:PATH',
  ],
  [/^[^/:@]+@[^/:]+:/, (place) => `for a machine that ssh reaches write sftp:${place}, for a directory local:${place}`],
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
  throw new VarveError('usage', `repository "${shown}": there is no such kind of store: ${advice(shown)}`);
}

const anything = (place: string): string =>
  `for a remote of rclone's write rclone:${place}, for a machine that ssh reaches sftp:${place}, for a directory local:${place}`;
