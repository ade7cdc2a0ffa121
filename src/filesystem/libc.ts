// Loads libc, and turns its failures into system errors.
// posix.ts, stat.ts and xattrs.ts declare the calls.
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import { arch, endianness, platform } from 'node:os';
import { errnoName, systemErrors } from '../errors/errors.js';

const EINVAL = 22;

type Call = (...args: (number | bigint | Uint8Array)[]) => number;

/** The calls of libc that `fs` lacks, or has only for whole paths. All give a number; errno says why it is -1. */
export interface Libc {
  readonly errno: () => number;
  readonly openat: Call;
  readonly mkdirat: Call;
  readonly mknodat: Call;
  readonly unlinkat: Call;
  readonly renameat: Call;
  readonly symlinkat: Call;
  readonly linkat: Call;
  readonly readlinkat: Call;
  readonly fchownat: Call;
  readonly fchmodat: Call;
  readonly utimensat: Call;
  readonly futimens: Call;
  readonly posix_fadvise: Call;
  readonly statx: Call;
  readonly lseek: Call;
  readonly copy_file_range: Call;
  readonly flistxattr: Call;
  readonly fgetxattr: Call;
  readonly fsetxattr: Call;
  readonly fremovexattr: Call;
  readonly llistxattr: Call;
  readonly lgetxattr: Call;
  readonly lsetxattr: Call;
  readonly lremovexattr: Call;
  /** With the arguments of cachestat. */
  readonly syscall: Call;
  /** Undefined where libc does not have it. */
  readonly getdents64: Call | undefined;
}

const TEXT = 'const void *';
const SIGNATURES: Record<Exclude<keyof Libc, 'errno'>, readonly [result: string, args: readonly string[]]> = {
  openat: ['int', ['int', TEXT, 'int', 'uint32_t']],
  mkdirat: ['int', ['int', TEXT, 'uint32_t']],
  mknodat: ['int', ['int', TEXT, 'uint32_t', 'uint64_t']],
  unlinkat: ['int', ['int', TEXT, 'int']],
  renameat: ['int', ['int', TEXT, 'int', TEXT]],
  symlinkat: ['int', [TEXT, 'int', TEXT]],
  linkat: ['int', ['int', TEXT, 'int', TEXT, 'int']],
  readlinkat: ['intptr_t', ['int', TEXT, 'void *', 'size_t']],
  fchownat: ['int', ['int', TEXT, 'uint32_t', 'uint32_t', 'int']],
  fchmodat: ['int', ['int', TEXT, 'uint32_t', 'int']],
  utimensat: ['int', ['int', TEXT, TEXT, 'int']],
  futimens: ['int', ['int', TEXT]],
  posix_fadvise: ['int', ['int', 'int64_t', 'int64_t', 'int']],
  statx: ['int', ['int', TEXT, 'int', 'uint32_t', 'void *']],
  lseek: ['int64_t', ['int', 'int64_t', 'int']],
  copy_file_range: ['intptr_t', ['int', 'void *', 'int', 'void *', 'size_t', 'uint32_t']],
  flistxattr: ['intptr_t', ['int', 'void *', 'size_t']],
  fgetxattr: ['intptr_t', ['int', TEXT, 'void *', 'size_t']],
  fsetxattr: ['int', ['int', TEXT, TEXT, 'size_t', 'int']],
  fremovexattr: ['int', ['int', TEXT]],
  llistxattr: ['intptr_t', [TEXT, 'void *', 'size_t']],
  lgetxattr: ['intptr_t', [TEXT, TEXT, 'void *', 'size_t']],
  lsetxattr: ['int', [TEXT, TEXT, TEXT, 'size_t', 'int']],
  lremovexattr: ['int', [TEXT, TEXT]],
  syscall: ['intptr_t', ['intptr_t', 'int', TEXT, 'void *', 'uint32_t']],
  getdents64: ['intptr_t', ['int', 'void *', 'size_t']],
};

let loaded: Libc | undefined;
let failure: string | undefined;

/** libc through koffi, loaded when it is first needed; undefined where that is not possible. */
export function libc(): Libc | undefined {
  if (loaded === undefined && failure === undefined) {
    try {
      loaded = load();
    } catch (error) {
      failure = error instanceof Error ? (error.message.split('\n')[0] as string) : String(error);
    }
  }
  return loaded;
}

/** Why `libc()` is undefined. */
export function libcFailure(): string | undefined {
  return libc() === undefined ? failure : undefined;
}

/** Makes this thread behave as if libc could not be loaded. */
export function withoutLibc(reason: string): void {
  loaded = undefined;
  failure = reason;
}

function load(): Libc {
  if (platform() !== 'linux' || endianness() !== 'LE' || ['ia32', 'arm', 'mipsel'].includes(arch()))
    throw new Error(`not done on ${platform()} ${arch()}`);
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load(null);
  const calls = Object.entries(SIGNATURES).map(([name, [result, args]]) => {
    try {
      return [name, library.func(name, result, [...args])];
    } catch (cause) {
      if (name === 'getdents64') return [name, undefined];
      throw cause;
    }
  });
  return { ...Object.fromEntries(calls), errno: koffi.errno } as Libc;
}

/** What `fs` would throw for this errno. */
export function systemError(errno: number, syscall: string, path?: Uint8Array): NodeJS.ErrnoException {
  const code = errnoName(errno);
  const [, reason] = systemErrors().get(-errno) ?? ['', 'unknown error'];
  const name = path === undefined ? undefined : Buffer.from(path).toString();
  const error: NodeJS.ErrnoException = new Error(
    `${code}: ${reason}, ${syscall}${name === undefined ? '' : ` '${name}'`}`,
  );
  error.code = code;
  error.errno = -errno;
  error.syscall = syscall;
  if (name !== undefined) error.path = name;
  return error;
}

/** A reusable buffer for a path that is passed to libc. */
export class CString {
  #buffer = Buffer.alloc(4200);

  /** The path with a NUL after it, until the next call. A path that contains one is refused with EINVAL. */
  of(path: Uint8Array, syscall: string): Buffer {
    const { length } = path;
    if (length >= this.#buffer.length) this.#buffer = Buffer.alloc(length + 1);
    const buffer = this.#buffer;
    for (let i = 0; i < length; i++) {
      const byte = path[i] as number;
      if (byte === 0) throw systemError(EINVAL, syscall, path);
      buffer[i] = byte;
    }
    buffer[length] = 0;
    return buffer;
  }
}
