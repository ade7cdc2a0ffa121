// The step of a check that opens key slots, leases and snapshots.
// Packs, index and trees have steps of their own.
import { toHex } from '../bytes/hex.js';
import { isRevoked } from '../crypto/signed.js';
import { decodeLease } from '../format/lease.js';
import { decodeSnapshot, type Snapshot } from '../format/snapshot.js';
import { listKeySlots } from '../repository/keys/key-slots.js';
import { getSigned, type Repository } from '../repository/repository.js';
import type { SignedSnapshot } from '../repository/snapshots/snapshots.js';
import { eachAtMost, REQUESTS } from '../workers/in-flight.js';
import type { Listed } from './changes.js';
import type { Findings } from './findings.js';
import { isGone } from './verdicts.js';

export interface OpenedSnapshot {
  readonly id: string;
  readonly root: Snapshot['root'];
}

/** Opens the cards of all key slots. */
export async function checkKeys(repository: Repository, findings: Findings): Promise<void> {
  const { failures } = await listKeySlots(repository);
  for (const { name, error } of failures) findings.addError('keys', name, error);
}

/** Opens all leases. */
export async function checkLeases(repository: Repository, findings: Findings): Promise<void> {
  await eachAtMost(REQUESTS, repository.store.list('locks'), async ({ name }) => {
    try {
      const { payload } = await getSigned(repository, 'lease', name);
      decodeLease(payload, `locks/${name}`);
    } catch (cause) {
      if (!isGone(cause)) findings.addError('locks', name, cause);
    }
  });
}

/**
 * Opens all snapshots and verifies their signatures. Snapshots of removed keys are counted and skipped, as everywhere.
 *
 * @param isWanted selects the snapshots to check
 */
export async function openSnapshots(
  repository: Repository,
  findings: Findings,
  listed: Listed,
  isWanted: (signed: SignedSnapshot) => boolean = () => true,
): Promise<{ snapshots: OpenedSnapshot[]; revoked: number }> {
  const snapshots: (OpenedSnapshot & { readonly seconds: number })[] = [];
  let revoked = 0;
  await eachAtMost(REQUESTS, repository.store.list('snapshots'), async ({ name }) => {
    listed.add('snapshots', [name]);
    try {
      const { payload, certificate } = await getSigned(repository, 'snapshot', name);
      const snapshot = decodeSnapshot(payload, `snapshots/${name}`);
      const { root, time } = snapshot;
      if (isRevoked(repository.keys, certificate.slot, time.seconds)) revoked++;
      else if (isWanted({ snapshot, slot: toHex(certificate.slot), label: certificate.label }))
        snapshots.push({ id: name, root, seconds: time.seconds });
    } catch (cause) {
      // Another command removed it after the listing.
      if (isGone(cause)) return;
      const finding = findings.addError('snapshots', name, cause);
      finding.snapshots.add(name);
    }
  });
  // The newest first, because findings name the files of the first snapshot that they affect.
  snapshots.sort((a, b) => b.seconds - a.seconds || (a.id < b.id ? -1 : 1));
  return { snapshots, revoked };
}
