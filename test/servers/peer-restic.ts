/**
 * The programs of restic that varve is compared with: the one on the PATH, and a newer one that the environment variable VARVE_RESTIC
 * names. What only a newer restic does is compared when there is one.
 */
import { resticVersion } from '../retention/restic-repository.js';

export interface PeerRestic {
  readonly program: string;
  /** Such as 0.19, as [0, 19]. */
  readonly version: readonly [number, number];
}

export const PEERS: readonly PeerRestic[] = ['restic', process.env.VARVE_RESTIC ?? ''].flatMap(peer);

/** Why nothing is compared with a restic at least that new; false when something is. */
export function missingRestic(minor = 0): string | false {
  if (PEERS.some(({ version }) => version[1] >= minor)) return false;
  return minor === 0
    ? 'restic is not installed'
    : `no restic 0.${minor} or newer: the environment variable VARVE_RESTIC can name one`;
}

function peer(program: string): PeerRestic[] {
  const [, major, minor] = /restic (\d+)\.(\d+)/.exec(program === '' ? '' : (resticVersion(program) ?? '')) ?? [];
  return major === undefined ? [] : [{ program, version: [Number(major), Number(minor)] }];
}
