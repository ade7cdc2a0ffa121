/** Why no repository may be where one is looked for, or should be made: first of all a disk that is not mounted. */

import { VarveError } from '../../errors/errors.js';
import { missingMount } from '../../storage/local/missing-mount.js';
import type { Store } from '../../storage/store.js';
import { type KnownLocation, localDirectory } from './known-location.js';

/** Why nothing is there, as far as this machine can know. */
function reasonOfAbsence(store: Store, known: KnownLocation): string | undefined {
  const directory = localDirectory(store);
  const missing = directory === undefined ? undefined : missingMount(directory);
  if (missing !== undefined)
    return `${missing.reason} ${missing.directory}, and nothing is mounted there: is the disk connected, and mounted?`;
  if (known.slot === undefined) return undefined;
  return directory === undefined
    ? 'a repository was opened here before: is its disk mounted on the other side, or was it moved?'
    : 'a repository was opened here before: is its disk mounted, or was it moved?';
}

export function noRepository(store: Store, known: KnownLocation, cause: unknown): VarveError {
  const reason = reasonOfAbsence(store, known);
  return new VarveError(
    'no-repository',
    `${store.location}: there is no repository here (config is missing); ${reason ?? '`varve init` makes one'}`,
    { cause },
  );
}

/** @throws VarveError `usage` where a repository would be made on another disk than it should be on */
export function refuseAbsence(store: Store, known: KnownLocation): void {
  const reason = reasonOfAbsence(store, known);
  if (reason === undefined) return;
  throw new VarveError(
    'usage',
    `${store.location}: no repository was made: ${reason} \`varve init --force\` makes one all the same`,
  );
}
