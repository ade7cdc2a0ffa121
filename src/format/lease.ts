// The payload of a lease (SPEC.md section 13).
// repository/leases/ writes and refreshes leases.
import type { Buffer } from 'node:buffer';
import { asArray, asBytes, asText, asUint, decode, encode } from '../bytes/msgpack.js';
import { asBuffer } from '../bytes/views.js';
import type { Time } from '../time/time.js';
import { parseTime, timeFields } from './time.js';

const LEASE_ID_BYTES = 16;

/** The payload of a lease (SPEC.md section 13). */
export interface Lease {
  readonly time: Time;
  /** When the operation began, by the store's clock: it may rely on all objects that existed then. */
  readonly since: Time;
  readonly id: Buffer;
  /** What it is for: `backup`, `prune`, … */
  readonly operation: string;
  readonly host: string;
  readonly user: string;
  readonly pid: number;
}

export function encodeLease(lease: Lease): Buffer {
  return encode([
    timeFields(lease.time),
    timeFields(lease.since),
    lease.id,
    lease.operation,
    lease.host,
    lease.user,
    lease.pid,
  ]);
}

export function decodeLease(bytes: Uint8Array, what: string): Lease {
  const [time, since, id, operation, host, user, pid] = asArray(decode(bytes, what), 7, what);
  return {
    time: parseTime(time, what),
    since: parseTime(since, what),
    id: asBuffer(asBytes(id, LEASE_ID_BYTES, what)),
    operation: asText(operation, what),
    host: asText(host, what),
    user: asText(user, what),
    pid: asUint(pid, 0xffff_ffff, what),
  };
}
