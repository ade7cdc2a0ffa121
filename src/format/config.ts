// The payload of config (SPEC.md section 7).
// crypto/sealed.ts seals it.
import type { Buffer } from 'node:buffer';
import { asArray, asBytes, asMap, asText, asUint, decode, encode } from '../bytes/msgpack.js';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import type { Time } from '../time/time.js';
import { ID_BYTES, MAX_CHUNK } from './limits.js';
import { parseTime, timeFields } from './time.js';

export const FORMAT_VERSION = 1;
const MIN_CHUNK = 64;
const GEAR_BYTES = 32;
const MAX_PARITY = 100;
/** UTF-16 code units of a feature's name. */
const MAX_FEATURE = 100;

/** Chunk sizes in bytes. */
export interface Sizes {
  readonly min: number;
  readonly average: number;
  readonly max: number;
}

/** What is fixed for the life of a repository (SPEC.md section 7). */
export interface Config {
  readonly repository: Buffer;
  readonly created: Time;
  readonly data: Sizes;
  readonly tree: Sizes;
  /** The chunkers' secret, if it was taken from another repository. */
  readonly gear: Buffer | undefined;
  /** Percent of each pack that its parity may heal; 0 for none. */
  readonly parity: number;
}

export function encodeConfig(config: Config): Buffer {
  return encode({
    version: FORMAT_VERSION,
    repository: config.repository,
    created: timeFields(config.created),
    data: [config.data.min, config.data.average, config.data.max],
    tree: [config.tree.min, config.tree.average, config.tree.max],
    ...(config.gear !== undefined && { gear: config.gear }),
    ...(config.parity > 0 && { parity: config.parity }),
  });
}

export function decodeConfig(bytes: Uint8Array): Config {
  const what = 'config';
  const map = asMap(decode(bytes, what), what);
  const version = asUint(map['version'], 0xffff_ffff, what);
  if (version !== FORMAT_VERSION) {
    throw new VarveError(
      'newer',
      `the repository has format version ${version}; this varve reads version ${FORMAT_VERSION}`,
    );
  }
  refuseNewer(map['requires'], what);
  return {
    repository: asBuffer(asBytes(map['repository'], ID_BYTES, what)),
    created: parseTime(map['created'], what),
    data: parseSizes(map['data'], what),
    tree: parseSizes(map['tree'], what),
    gear: map['gear'] === undefined ? undefined : asBuffer(asBytes(map['gear'], GEAR_BYTES, what)),
    parity: parseParity(map['parity'], what),
  };
}

/** Features that the repository needs and that a reader must know; none so far. */
function refuseNewer(value: unknown, what: string): void {
  const features = asArray(value ?? [], undefined, what).map((feature) => asText(feature, what, MAX_FEATURE));
  if (features.length > 0)
    throw new VarveError('newer', `the repository needs a newer varve than this: it uses ${features.join(', ')}`);
}

function parseParity(value: unknown, what: string): number {
  if (value === undefined) return 0;
  const percent = asUint(value, MAX_PARITY, what);
  if (percent === 0) throw new VarveError('damaged', `${what}: a parity of 0 percent`);
  return percent;
}

function parseSizes(value: unknown, what: string): Sizes {
  const [min, average, max] = asArray(value, 3, what).map((each) => asUint(each, MAX_CHUNK, what)) as [
    number,
    number,
    number,
  ];
  if (min < MIN_CHUNK || average < min || max < average || (average & (average - 1)) !== 0) {
    throw new VarveError('damaged', `${what}: chunk sizes ${min}/${average}/${max} are not valid`);
  }
  return { min, average, max };
}
