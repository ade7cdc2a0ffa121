// Errors about a location that has no repository: first of all, its disk may not be mounted.
// Opening and making repositories is left to open.ts.
import { VarveError } from '../../errors/errors.js';
import { missingMount } from '../../storage/local/missing-mount.js';
import type { Store } from '../../storage/store.js';
import { type KnownLocation, localDirectory } from './known-location.js';

/** Why the location has no repository, as far as this machine knows. */
function whyMissing(store: Store, known: KnownLocation): string | undefined {
  const directory = localDirectory(store);
  const missing = directory === undefined ? undefined : missingMount(directory);
  if (missing !== undefined)
    return `${missing.reason} ${missing.directory}, and nothing is mounted there: is the disk connected, and mounted?`;
  if (known.slot === undefined) return undefined;
  return directory === undefined
    ? 'a repository was opened here before: is its disk mounted on the server, or was it moved?'
    : 'a repository was opened here before: is its disk mounted, or was it moved?';
}

export function missingRepository(store: Store, known: KnownLocation, cause: unknown): VarveError {
  const reason = whyMissing(store, known);
  return new VarveError(
    'no-repository',
    `${store.location}: there is no repository here (config is missing); ${reason ?? '`varve init` makes one'}`,
    { cause },
  );
}

/** @throws VarveError `usage` when the repository would be made on another disk than the one meant */
export function refuseUnmounted(store: Store, known: KnownLocation): void {
  const reason = whyMissing(store, known);
  if (reason === undefined) return;
  throw new VarveError(
    'usage',
    `${store.location}: no repository was made: ${reason} \`varve init --force\` makes one all the same`,
  );
}
