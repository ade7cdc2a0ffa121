// Whether a snapshot stands for what it says of its host and time (SPEC.md section 12).
// Listing snapshots is left to snapshots.ts; what follows to its callers.
import type { Certificate } from '../../crypto/certificate.js';
import type { Identity } from '../../crypto/signed.js';
import { VarveError } from '../../errors/errors.js';
import type { Snapshot } from '../../format/snapshot.js';

/** A snapshot may be this many seconds ahead of the reader's clock. */
const AHEAD_SECONDS = 24 * 3600;

/** `foreign`: its signer may not back up its host. `ahead`: it says that it was made more than a day from now. */
export type Doubt = 'foreign' | 'ahead';

export function isForeign({ hosts }: Pick<Certificate, 'hosts'>, { host }: Pick<Snapshot, 'host'>): boolean {
  return hosts !== undefined && !hosts.includes(host);
}

/** @throws VarveError `role` when the key may not write snapshots of the host */
export function requireHost({ certificate }: Identity, host: string): void {
  if (!isForeign(certificate, { host })) return;
  const hosts = (certificate.hosts ?? []).join(', ');
  const advice = `with --host, name one of these; or add a key for ${host}: \`varve key add --role append --host ${host}\``;
  throw new VarveError('role', `this key backs up only ${hosts}, not ${host}: ${advice}`);
}

/**
 * Why a snapshot is shown but never counts: it is not the latest, no parent, and no policy keeps or removes others because of it.
 *
 * @param now milliseconds since 1970
 */
export function doubtOf(foreign: boolean, { time }: Pick<Snapshot, 'time'>, now: number): Doubt | undefined {
  if (foreign) return 'foreign';
  return time.seconds > now / 1000 + AHEAD_SECONDS ? 'ahead' : undefined;
}
