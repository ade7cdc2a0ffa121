// Passing of file descriptors over Unix sockets, which is how fusermount3 hands over /dev/fuse.
// The calls themselves are in calls.ts.

import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { systemError } from '../../filesystem/libc.js';
import { calls } from './calls.js';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** Bytes of struct cmsghdr with one descriptor, padded. */
const CONTROL = 24;

/** A pair of connected sockets. */
export function socketPair(): [number, number] {
  const c = calls();
  const pair = Buffer.allocUnsafeSlow(8);
  if (c.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0)
    throw VarveError.from(systemError(c.errno(), 'socketpair'), 'target');
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** Receives a descriptor that was sent through a socket. */
export function receiveDescriptor(socket: number): number {
  const c = calls();
  const byte = Buffer.allocUnsafeSlow(128);
  const control = Buffer.allocUnsafeSlow(128).fill(0);
  const vector = Buffer.allocUnsafeSlow(128);
  vector.writeBigUInt64LE(c.address(byte), 0);
  vector.writeBigUInt64LE(1n, 8);
  // struct msghdr: name and length, vector and length, control and length, flags.
  const message = Buffer.allocUnsafeSlow(128).fill(0);
  message.writeBigUInt64LE(c.address(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(c.address(control), 32);
  message.writeBigUInt64LE(BigInt(CONTROL), 40);
  const received = c.recvmsg(socket, message, MSG_CMSG_CLOEXEC);
  if (received < 0) throw VarveError.from(systemError(c.errno(), 'recvmsg'), 'target');
  const sent = control.readUInt32LE(8) === SOL_SOCKET && control.readUInt32LE(12) === SCM_RIGHTS;
  if (received === 0 || !sent) throw new VarveError('target', 'fusermount3 did not mount anything');
  return control.readInt32LE(16);
}
