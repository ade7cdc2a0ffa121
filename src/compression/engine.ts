// Loads zstd: the native library, or WebAssembly where it does not load.
// zstd.ts has the calls; policy.ts the levels.
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { VarveError } from '../errors/errors.js';

/** How to compress: a zstd level, and parameters that deviate from it (zstd.h: ZSTD_cParameter). */
export interface ZstdParameters {
  readonly level: number;
  readonly windowLog?: number;
  readonly hashLog?: number;
  readonly minMatch?: number;
}

/** ZSTD_cParameter and ZSTD_ResetDirective of zstd.h. */
const LEVEL = 100;
const WINDOW_LOG = 101;
const HASH_LOG = 102;
const MIN_MATCH = 105;
const RESET_PARAMETERS = 2;
/** Leaves the choice to the level. */
const BY_LEVEL = 0;

/** zstd as this thread uses it. */
export interface ZstdEngine {
  /** The compressed length, written to `out`; -1 when it does not fit. */
  compress(data: Uint8Array, parameters: ZstdParameters, out: Buffer): number;
  /** Fills `out` exactly; false when the data is damaged or has another length. */
  decompress(data: Uint8Array, out: Buffer): boolean;
}

interface Library {
  func(declaration: string): (...args: never[]) => unknown;
}

interface Koffi {
  /** Null looks in the libraries that the process has loaded. */
  load(path: string | null): Library;
}

type SizeCall = (...args: readonly unknown[]) => number | bigint;

/**
 * Node from 22.15 on has a libzstd of its own. Where its names are visible it must be this one: a second libzstd in the process would have
 * half of its own calls bound to Node's, and crash (seen with Node 24.21).
 */
function loadLibrary(): Library {
  const require = createRequire(import.meta.url);
  const koffi = require('koffi') as Koffi;
  const own = koffi.load(null);
  try {
    own.func('unsigned int ZSTD_versionNumber()');
    return own;
  } catch {
    const manifest = require.resolve('@cloudpss/zstd/package.json');
    const find = createRequire(manifest)('node-gyp-build') as { path(directory: string): string };
    return koffi.load(find.path(dirname(manifest)));
  }
}

/**
 * Node's libzstd, or the one that @cloudpss/zstd carries, called directly: the package's own functions share one context among all threads of a process
 * and corrupt memory when two of them compress at once (seen with 0.2.16). Here each thread has its own, and nothing is copied.
 */
function nativeEngine(): ZstdEngine {
  const library = loadLibrary();
  const bind = (declaration: string): SizeCall => library.func(declaration) as SizeCall;
  const reset = bind('size_t ZSTD_CCtx_reset(void *c, int what)');
  const set = bind('size_t ZSTD_CCtx_setParameter(void *c, int parameter, int value)');
  const compressInto = bind('size_t ZSTD_compress2(void *c, void *dst, size_t room, const void *src, size_t n)');
  const decompressInto = bind('size_t ZSTD_decompressDCtx(void *c, void *dst, size_t room, const void *src, size_t n)');
  const isError = bind('unsigned int ZSTD_isError(size_t code)');
  const compressor = bind('void *ZSTD_createCCtx()')();
  const decompressor = bind('void *ZSTD_createDCtx()')();
  let current: ZstdParameters | undefined;
  const use = (parameters: ZstdParameters): void => {
    const { level, windowLog = BY_LEVEL, hashLog = BY_LEVEL, minMatch = BY_LEVEL } = parameters;
    reset(compressor, RESET_PARAMETERS);
    set(compressor, LEVEL, level);
    set(compressor, WINDOW_LOG, windowLog);
    set(compressor, HASH_LOG, hashLog);
    set(compressor, MIN_MATCH, minMatch);
    current = parameters;
  };
  return {
    compress(data, parameters, out) {
      if (parameters !== current) use(parameters);
      const result = compressInto(compressor, out, out.length, data, data.length);
      return isError(result) === 0 ? Number(result) : -1;
    },
    decompress(data, out) {
      const result = decompressInto(decompressor, out, out.length, data, data.length);
      return isError(result) === 0 && Number(result) === out.length;
    },
  };
}

/** The same as WebAssembly, where native code cannot be loaded. */
async function portableEngine(): Promise<ZstdEngine> {
  const zstd = await import('@cloudpss/zstd/wasm');
  return {
    compress(data, { level }, out) {
      const result = zstd.compress(data, level);
      if (result.length > out.length) return -1;
      out.set(result);
      return result.length;
    },
    decompress(data, out) {
      const result = zstd.decompress(data);
      if (result.length !== out.length) return false;
      out.set(result);
      return true;
    },
  };
}

function workingNativeEngine(): ZstdEngine | undefined {
  try {
    const engine = nativeEngine();
    const probe = Buffer.alloc(64);
    return engine.compress(Buffer.alloc(1024), { level: 1 }, probe) > 0 ? engine : undefined;
  } catch {
    // No prebuilt library for this platform.
    return undefined;
  }
}

let engine: ZstdEngine | undefined;

/** Loads this thread's engine. Each thread awaits this once before it compresses or decompresses. */
export async function loadZstd(): Promise<void> {
  engine ??= workingNativeEngine() ?? (await portableEngine());
}

/** This thread's engine. @throws VarveError where only the portable engine works, and `loadZstd` was not awaited */
export function zstd(): ZstdEngine {
  engine ??= workingNativeEngine();
  if (engine === undefined) throw new VarveError('internal', 'zstd is not loaded yet');
  return engine;
}

export { portableEngine };
