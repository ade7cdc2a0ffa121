// libc calls for mounting and for /dev/fuse, through koffi.
// What they are used for is in mounting.ts, descriptors.ts and session.ts.

import { createRequire } from 'node:module';
import { VarveError } from '../../errors/errors.js';
import { libcFailure } from '../../filesystem/libc.js';

type Call = (...args: readonly unknown[]) => number;

/** A watch on a descriptor, from koffi's `node.poll`. */
export interface Watch {
  close(): void;
}

/** Calls that return a number return -1 when they fail; `errno` then has the reason. */
export interface Calls {
  readonly errno: () => number;
  readonly read: Call;
  readonly write: Call;
  readonly mount: Call;
  readonly umount2: Call;
  readonly socketpair: Call;
  readonly recvmsg: Call;
  readonly fcntl: Call;
  /** The address of a buffer. */
  readonly address: (bytes: Uint8Array) => bigint;
  /** Calls back whenever the descriptor is readable. */
  readonly whenReadable: (file: number, callback: () => void) => Watch;
}

const DECLARATIONS = {
  read: 'intptr_t read(int fd, void *buffer, size_t length)',
  write: 'intptr_t write(int fd, const void *bytes, size_t length)',
  mount: 'int mount(const char *source, const void *target, const char *type, unsigned long flags, const char *data)',
  umount2: 'int umount2(const void *target, int flags)',
  socketpair: 'int socketpair(int domain, int type, int protocol, void *pair)',
  recvmsg: 'intptr_t recvmsg(int fd, void *message, int flags)',
  fcntl: 'int fcntl(int fd, int command, int argument)',
} as const;

let loaded: Calls | undefined;

/** @throws VarveError `usage` where they are not available */
export function calls(): Calls {
  loaded ??= load();
  return loaded;
}

function load(): Calls {
  const failure = libcFailure();
  if (failure !== undefined)
    throw new VarveError(
      'usage',
      `mounting needs Linux and koffi for system calls, and they are not available: ${failure}`,
    );
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load(null);
  const bound = Object.entries(DECLARATIONS).map(([name, declaration]) => [name, library.func(declaration)]);
  return {
    ...Object.fromEntries(bound),
    errno: koffi.errno,
    address: (bytes: Uint8Array) => BigInt(koffi.address(bytes as never)),
    whenReadable: (file: number, callback: () => void) => koffi.node.poll(file, { readable: true }, callback),
  } as Calls;
}
